# Two commands need nothing but Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := .tools/bin/uv
export OPENBLAS_NUM_THREADS := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
unexport PYTHONDONTWRITEBYTECODE
# uv does not read pip's own index setting: hand it over where there is one
PIP_INDEX := $(or $(PIP_INDEX_URL),$(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null))
ifneq ($(PIP_INDEX),)
export UV_DEFAULT_INDEX ?= $(PIP_INDEX)
endif

.PHONY: demo test lint lock client clean
demo: .venv/.runtime
	.venv/bin/upsell demo $(ARGS)

test: .venv/.dev
	.venv/bin/pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/.dev
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

bench-%: .venv/.dev
	.venv/bin/python -m bench.$(subst -,_,$*) $(ARGS)

$(UV): requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	touch $@

.venv/bin/python: | $(UV)
	$(UV) venv -q --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

.venv/.runtime: requirements.lock pyproject.toml .venv/bin/python $(UV)
	$(UV) pip install -q --require-hashes --python .venv/bin/python -r requirements.lock
	$(UV) pip install -q --no-deps --no-build-isolation --python .venv/bin/python -e .
	touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	$(UV) pip install -q --require-hashes --python .venv/bin/python -r requirements-dev.lock
	touch $@

# the typed client, anew from the API's document; wants node and npm
client: .venv/.runtime
	.venv/bin/python -m serving.openapi > clients/typescript/openapi.json
	cd clients/typescript && npm ci --no-audit --no-fund && npm run generate && npm run build

lock: $(UV)
	$(UV) pip compile -q pyproject.toml --group embedded --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements.lock
	$(UV) pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements.lock -o requirements-dev.lock

clean:
	-.venv/bin/upsell services stop
	rm -rf .venv .tools .local
