"""Clients of the API: the TypeScript one that is generated from its document, and what README shows in Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from models.generation import PRODUCT, payload_prefix
from serving.openapi.document import document
from tests.serving.api import ROOT
from tests.serving.documented import operations
from tests.serving.offers import Shop, product_payload, token
from tests.serving.shelf import publish

FOLDER = ROOT / "clients" / "typescript"
SCHEMA = FOLDER / "src" / "schema.d.ts"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").is_dir(),
    reason="node, or clients/typescript/node_modules, is not there: `make client` installs what it needs",
)


@pytest.fixture
def selling(shop: Shop, client: redis.Redis) -> Shop:
    """A shop with a page of the product p1, at a price, and targeted offers."""
    product = f"{shop.company} p1"
    shop.sells({product: "10.00"})
    publish(client, shop.company, "g2", anchors=(product,))
    client.set(payload_prefix(shop.company, "g2", PRODUCT) + product, product_payload(product, "10.00"))
    shop.flag(smart_upsell_enabled=True)
    return shop


def test_the_generated_client_is_of_this_document() -> None:
    """The document that was generated from is the API's, and every operation of it stands in what was generated."""
    assert json.loads((FOLDER / "openapi.json").read_text()) == json.loads(json.dumps(document())), "run `make client`"
    generated = SCHEMA.read_text()
    for method, path, operation in operations():
        assert f'"{path}": {{' in generated and f'operations["{operation["operationId"]}"]' in generated, (method, path)


def test_the_lock_names_no_address() -> None:
    """Versions and hashes, and no registry."""
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = [row for name, row in lock["packages"].items() if name]
    assert packages and all("integrity" in row and "resolved" not in row for row in packages)
    assert "://" not in (FOLDER / "package.json").read_text()


@needs_node
def test_it_is_generated_anew_alike(tmp_path: Path) -> None:
    """The generator writes the same file again."""
    out = tmp_path / "schema.d.ts"
    command = ["npx", "--no-install", "openapi-typescript", "openapi.json", "--default-non-nullable=false", "--output", str(out)]
    subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    assert out.read_text() == SCHEMA.read_text(), "run `make client`"


@needs_node
def test_the_client_walks_through_the_api(selling: Shop, tmp_path: Path) -> None:
    """Compiled strictly: a page, a click, a rule, its offer, shown and taken once, refusals as typed errors."""
    built = ["npx", "--no-install", "tsc", "--strict", "--outDir", str(tmp_path)]
    done = subprocess.run(built, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    named = {
        "URL": selling.api.url,
        "TOKEN": token(selling.company),
        "COMPANY": selling.company,
        "PRODUCT": f"{selling.company} p1",
    }
    environ = {**os.environ, **{f"UPSELL_{name}": value for name, value in named.items()}}
    walked = subprocess.run(["node", "test/walk.js"], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (walked.returncode, walked.stdout) == (0, "walked\n"), walked.stderr


def test_what_readme_shows_in_python(selling: Shop) -> None:
    """The lines with httpx run as they stand, but for the address, the company and the product."""
    (lines,) = re.findall(r"(?ms)^```python\n(import httpx.*?)^```", (ROOT / "README.md").read_text())
    product = f"{selling.company} p1"
    lines = lines.replace("http://127.0.0.1:8080", selling.api.url).replace("online-retail", selling.company)
    lines = lines.replace("/22423/", f"/{quote(product, safe='')}/").replace('"22423"', json.dumps(product))
    lines = lines.replace("22423:2", f"{quote(product, safe='')}:2")
    known: dict[str, object] = {}
    exec(compile(lines, "README.md", "exec"), known)
    page, cart = known["page"], known["cart"]
    assert isinstance(page, dict) and page["sections"] and isinstance(cart, dict) and set(cart) >= {"upsells"}
