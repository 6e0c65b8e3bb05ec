"""A generation made ready to be shown: everything that its manifest decides, as bytes to splice payloads into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import quote
from zlib import crc32

from models.generation import WHOLE_COMPANY, Manifest, Section, payload_prefix

CONFIG_ORDER = ("displayStyle", "showRatings", "showQuickAdd")
NO_PRODUCTS = b"[]"


def to_json(value: Any) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Shown:
    """One kind's section: where its payloads are, and the bytes around its impression id and its products."""

    __slots__ = ("before", "between", "enabled", "fallback_key", "kind", "prefix", "type")

    def __init__(self, company: str, generation: str, kind: str, section: Section) -> None:
        self.kind, self.type, self.enabled = kind, section.type, section.enabled
        self.prefix = payload_prefix(company, generation, kind).encode()
        fallback = section.fallback
        self.fallback_key = (payload_prefix(company, generation, fallback) + WHOLE_COMPANY).encode() if fallback else None
        front = {"type": section.type, "title": section.title}
        if section.subtitle is not None:
            front["subtitle"] = section.subtitle
        config = {name: section.config[name] for name in CONFIG_ORDER if name in section.config} | section.config
        self.before = to_json(front)[:-1] + b',"impressionId":"'
        self.between = b'","personalized":%b,"config":%b,"products":' % (to_json(section.personalized), to_json(config))

    def around(self, impression_id: bytes, products: bytes) -> bytes:
        """The section with its products."""
        return b"".join((self.before, impression_id, self.between, products, b"}"))


class Live:
    """A company's live generation as requests use it; resolved once per request.

    `fallbacks` holds the whole-company payloads once read, `cached` the keys that the cache holds on its behalf.
    """

    __slots__ = ("_etag", "_page", "cached", "company", "fallbacks", "generation", "names", "page", "sections")

    def __init__(self, company: str, manifest: Manifest) -> None:
        self.company, self.generation = company, manifest.id
        shown = [(row.section, row.kind) for row in manifest.kinds if row.section is not None]
        shown.sort(key=lambda row: (row[0].position, row[1]))
        self.sections = {kind: Shown(company, manifest.id, kind, section) for section, kind in shown}
        self.names = frozenset(self.sections) | {section.type for section in self.sections.values()}
        self.page = [section for section in self.sections.values() if section.enabled]
        self.fallbacks: dict[bytes, bytes] = {}
        self.cached: set[bytes] = set()
        self._etag = b'W/"' + quote(manifest.id, safe="").encode()
        self._page = b',"generation":%b,"sections":[' % to_json(manifest.id)

    def etag(self, *target: str) -> bytes:
        """The validator of what is shown at `target`: another one as soon as the generation is another one."""
        return b'%b-%x"' % (self._etag, crc32("\0".join(target).encode()))

    def whole(self, product_id: str, sections: Sequence[bytes]) -> bytes:
        """The page."""
        return b'{"productId":%b%b%b]}' % (encode_basestring(product_id).encode(), self._page, b",".join(sections))


def without(products: bytes, product_id: str) -> bytes:
    """The products of a whole-company payload less the one whose page it is shown on.

    Parses only where the id occurs in the bytes at all.
    """
    if encode_basestring(product_id).encode() not in products and json.dumps(product_id).encode() not in products:
        return products
    rows = json.loads(products)
    return to_json([row for row in rows if row.get("id") != product_id])
