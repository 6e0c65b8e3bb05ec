"""The house's own rules: walls between the layers, names, sizes, and nothing in the repository that does not belong there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("flows", "models", "sql", "serving")
BIN = Path(sys.executable).parent
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def sources(*folders: str) -> list[Path]:
    """Python files of our packages."""
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))


def committed() -> list[Path]:
    """Files that git tracks or would track."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := CHECKOUT / name).is_file()]


@pytest.mark.parametrize(
    "command",
    [["lint-imports"], ["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]],
    ids=["walls", "types", "lint", "format"],
)
def test_tools_have_nothing_to_say(command: list[str]) -> None:
    """The walls between the packages hold, types are strict, lint and format are clean."""
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wall_is_a_contract() -> None:
    """The contracts that the last test holds are those of the design."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = {
        name: set(contract["forbidden_modules"])
        for contract in contracts
        if "forbidden_modules" in contract
        for name in contract["source_modules"]
    }
    assert {"flows", "serving"} in [set(contract.get("modules", [])) for contract in contracts]
    assert {"prefect", "psycopg", "redis", "boto3", "duckdb", "starlette", "os", "sql"} <= forbidden["models"]
    assert {"polars", "duckdb", "implicit", "sklearn", "scipy", "prefect"} <= forbidden["serving"]
    assert "psycopg" in forbidden["serving.lookup"] & forbidden["serving.store"]


def test_files_are_short() -> None:
    """No file is longer than 350 lines; half of them are shorter than 120."""
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    assert {str(path): n for path, n in lengths.items() if n > 350} == {}
    assert statistics.median(n for n in lengths.values() if n) < 120


def definitions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, bool]]:
    """Name, node and whether it is public, of every function and class that does not lie inside a function."""

    def walk(body: list[ast.stmt], prefix: str, public: bool) -> Iterator[tuple[str, ast.AST, bool]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                shown = public and not node.name.startswith("_")
                yield f"{prefix}{node.name}", node, shown
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{prefix}{node.name}.", shown)

    yield from walk(ast.parse(path.read_text()).body, f"{path.relative_to(CHECKOUT)}:", True)  # type: ignore[misc]


def test_everything_public_is_documented() -> None:
    """Every module with code, public class and public function has a docstring. A method of a class that keeps a protocol's
    promise, or overrides what its base says, is documented there."""
    silent = []
    for path in sources("flows", "models", "serving"):
        tree = ast.parse(path.read_text())
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(path.relative_to(CHECKOUT)))
        promised = {
            method.name
            for node in tree.body
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
            for method in node.body
            if isinstance(method, ast.FunctionDef)
        }
        heirs = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.bases}
        for name, node, public in definitions(path):
            owner = name.rpartition(":")[2].partition(".")[0]
            inherited = "." in name.rpartition(":")[2] and (node.name in promised or owner in heirs)
            if public and not inherited and not ast.get_docstring(node):
                silent.append(name)
    assert silent == []


def test_every_return_is_typed() -> None:
    """Every function has a return annotation."""
    untyped = [
        name
        for path in sources("flows", "models", "serving", "sql", "bench", "tests")
        for name, node, _ in definitions(path)
        if not isinstance(node, ast.ClassDef) and node.returns is None
    ]
    assert untyped == []


def test_every_test_says_what_must_hold() -> None:
    """Every test and every test module has a docstring."""
    silent = []
    for path in sources("tests"):
        tree = ast.parse(path.read_text())
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(path.relative_to(CHECKOUT)))
        found = [name for name, node, _ in definitions(path) if node.name.startswith("test_") and not ast.get_docstring(node)]
        silent.extend(found)
    assert silent == []


def test_every_test_folder_is_a_package() -> None:
    """Without __init__.py, tests/models would stand in for models."""
    folders = {path.parent for path in (CHECKOUT / "tests").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_names_say_something() -> None:
    """No module is named after nothing in particular."""
    modules = [path for path in sources(*PACKAGES, "tests", "bench") if VAGUE & set(path.stem.split("_"))]
    assert modules == []


@pytest.mark.parametrize("package", PACKAGES)
def test_ours_are_loaded_from_the_checkout(package: str) -> None:
    """No foreign package of the same name wins."""
    module = importlib.import_module(package)
    assert Path(module.__file__ or "").parent == CHECKOUT / package


def test_no_verb_is_named_like_somebody_elses_module() -> None:
    """With flows/ first on sys.path, as a path entrypoint puts it, our files must hide neither a dependency nor the standard
    library."""
    others = {*sys.stdlib_module_names, *packages_distributions()} - set(PACKAGES)
    ours = {path.stem for path in sources("flows") if not path.stem.startswith("__")}
    assert ours & others == set()


def test_nothing_of_one_machine_is_in_the_repository() -> None:
    """No committed file holds this checkout's path or the address of a package index."""
    index = re.compile(rb"https?://[^\s\"'<>)]*(?:/simple|/packages|\.whl|\.tar\.gz)\b|(?:index-url|find-links)\s*[=:]\s*\S")
    found = []
    for path in committed():
        content = path.read_bytes()
        # a checkout right below the root has a name that may stand anywhere
        here = len(CHECKOUT.parts) > 2 and str(CHECKOUT).encode() in content
        if path.suffix not in (".parquet", ".png", ".gz") and (here or index.search(content)):
            found.append(str(path.relative_to(CHECKOUT)))
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_versions_and_hashes(name: str) -> None:
    """Every requirement has one version and at least one hash, and no line leads to a host."""
    text = (CHECKOUT / name).read_text()
    assert "http" not in re.sub(r"(?m)^(http[\w.-]*|[\w.-]*http[\w.-]*)==", "", text)
    entries = re.split(r"(?m)^(?=\S)", re.sub(r"(?m)^#.*\n", "", text))
    entries = [entry for entry in entries if entry.strip()]
    assert len(entries) >= 1
    unpinned = [entry.splitlines()[0] for entry in entries if not re.match(r"[\w.\[\]-]+==\S+", entry)]
    unhashed = [entry.splitlines()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)]
    assert (unpinned, unhashed) == ([], [])


def test_the_lock_of_the_tests_holds_the_one_of_the_night() -> None:
    """What is installed for the tests is what runs at night, in the same versions."""

    def pins(name: str) -> set[str]:
        return set(re.findall(r"(?m)^([\w.\[\]-]+==[^\s;\\]+)", (CHECKOUT / name).read_text()))

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def commands_of_the_readme() -> list[list[str]]:
    """Words of every line in a code block of README that calls our program."""
    readme = CHECKOUT / "README.md"
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", readme.read_text()) if readme.exists() else []
    lines = (line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for block in blocks for line in block.splitlines())
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("upsell ")]


def test_commands_of_the_readme_exist() -> None:
    """Each `upsell` command that README shows is one of the program's, with options that it knows."""
    from flows.__main__ import app

    commands = commands_of_the_readme()
    if not commands:
        pytest.skip("README shows no command yet")
    for words in commands:
        chain, _, rest = app.parse_commands(words)
        command = app
        for name in chain:
            command = command[name]
        assert command is not app, words
        assert command.default_command is not None, words
        known = {name for argument in command.assemble_argument_collection() for name in argument.names}
        assert {word for word in rest if word.startswith("--")} <= known, words
