"""A generation made ready to be shown: everything that its manifest decides, as bytes to splice payloads into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import quote
from zlib import crc32

from models.generation import (
    NEIGHBOURS,
    PRODUCT,
    REFERENCES,
    WHOLE_COMPANY,
    Kind,
    Manifest,
    Section,
    payload_prefix,
    split_extras,
    split_payload,
)
from models.live_session import LAG_WEIGHTS

CONFIG_ORDER = ("displayStyle", "showRatings", "showQuickAdd")
NO_PRODUCTS = b"[]"
MAX_SECTIONS, MAX_RESULTS, SESSION_WEIGHT = 3, 8, 0.5
UTC = "UTC"
# whom a section of references was made for
BY_PAGE, BY_SESSION, BY_CUSTOMER = range(3)
DECODER = json.JSONDecoder()


def to_json(value: Any) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Personal:
    """How a section of references is made: where its lists, neighbours, products and best sellers are, and its rules.

    `neighbours` is b"" where no kind of that form ranks live sessions. Raises ValueError or TypeError for rules that cannot be
    followed.
    """

    __slots__ = ("best", "exclude_viewed", "lag_weights", "lists", "max_results", "neighbours", "products", "session_weight")

    def __init__(self, manifest: Manifest, kind: str, section: Section) -> None:
        def prefix(name: str | None) -> bytes:
            return payload_prefix(manifest.company, manifest.id, name).encode() if name else b""

        rules = section.rules
        ranking = {row.kind for row in manifest.kinds if row.form == NEIGHBOURS} & {rules.get("neighbours")}
        self.lists, self.products = prefix(kind), prefix(PRODUCT)
        self.neighbours, self.best = prefix(next(iter(ranking), None)), prefix(section.fallback)
        self.max_results = int(rules.get("maxResults", MAX_RESULTS))
        self.exclude_viewed = bool(rules.get("excludeRecentlyViewed", False))
        self.lag_weights = [float(weight) for weight in rules.get("lagWeights") or LAG_WEIGHTS]
        self.session_weight = float(rules.get("sessionWeight", SESSION_WEIGHT))


class Shown:
    """One kind's section: where its payloads are, and the bytes around its impression id and its products.

    `prefix` stands before the page's product: in Redis, or, for a section of references, in this process's memory alone, since
    its published lists are customers'.
    """

    __slots__ = ("_behind", "_fronts", "_most", "enabled", "fallback_key", "kind", "nothing", "personal", "prefix", "type")

    def __init__(self, manifest: Manifest, kind: Kind, section: Section) -> None:
        company, generation = manifest.company, manifest.id
        self.kind, self.type, self.enabled = kind.kind, section.type, section.enabled
        self.prefix = payload_prefix(company, generation, kind.kind).encode()
        fallback = section.fallback
        self.fallback_key = (payload_prefix(company, generation, fallback) + WHOLE_COMPANY).encode() if fallback else None
        self._behind = b"".join(b',"%b":[]' % name.encode() for name in section.extras)
        self.nothing = NO_PRODUCTS + self._behind
        self._most = int(section.rules.get("maxResults", MAX_RESULTS))
        self.personal: Personal | None = None
        fronts = [_front(section, section.title, section.personalized)]
        if kind.form == REFERENCES:
            self.personal = Personal(manifest, kind.kind, section)
            self.prefix = b"page:" + self.prefix
            guests = section.rules.get("titleForGuests", section.title)
            fronts = [_front(section, guests, False), _front(section, guests, True), _front(section, section.title, True)]
        self._fronts = fronts

    def around(self, impression_id: bytes, products: bytes | None, by: int = BY_PAGE) -> bytes:
        """The section with its products and what stands behind them, as `shown` and `stand_in` make them."""
        before, between = self._fronts[by]
        return b"".join((before, impression_id, between, products or self.nothing, b"}"))

    def shown(self, payload: bytes) -> bytes:
        """What a stored payload of items shows, b"" for no products."""
        if not self._behind:
            products = split_payload(payload)[0]
            return products if products != NO_PRODUCTS else b""
        products, _, extras = split_extras(payload)
        if products == NO_PRODUCTS:
            return b""
        return products + (b"," + extras[1:-1] if extras else self._behind)

    def stand_in(self, best: Sequence[tuple[str, bytes]], product_id: str) -> bytes:
        """What best sellers, as `Live.best_of` has them, show in this section: none of them on its own page."""
        others = [row for id, row in best[: self._most + 1] if id != product_id]
        return b"[%b]%b" % (b",".join(others[: self._most]), self._behind)


def _front(section: Section, title: str, personalized: bool) -> tuple[bytes, bytes]:
    front = {"type": section.type, "title": title}
    if section.subtitle is not None:
        front["subtitle"] = section.subtitle
    config = {name: section.config[name] for name in CONFIG_ORDER if name in section.config} | section.config
    before = to_json(front)[:-1] + b',"impressionId":"'
    return before, b'","personalized":%b,"config":%b,"products":' % (to_json(personalized), to_json(config))


class Live:
    """A company's live generation as requests use it; resolved once per request.

    `currency` is a code, "" where none is told (two decimals then), `timezone` the company's;
    `page` holds the sections of a page, `enabled` all that may be asked for by name, at most `max_sections` at once;
    `fallbacks` holds the whole-company payloads once read, `best` the same divided into products; `cached` the keys that the
    cache holds on its behalf.
    """

    __slots__ = (
        *("_etag", "_page", "best", "cached", "company", "enabled", "fallbacks", "generation"),
        *("currency", "max_sections", "names", "page", "sections", "timezone"),
    )

    def __init__(self, company: str, manifest: Manifest) -> None:
        self.company, self.generation = company, manifest.id
        shown = [(row.section, row) for row in manifest.kinds if row.section is not None and row.form != NEIGHBOURS]
        shown.sort(key=lambda row: (row[0].position, row[1].kind))
        self.sections = {kind.kind: Shown(manifest, kind, section) for section, kind in shown}
        self.names = frozenset(self.sections) | {section.type for section in self.sections.values()}
        self.max_sections = int(manifest.page.get("maxSections", MAX_SECTIONS))
        self.currency, self.timezone = str(manifest.page.get("currency", "")), str(manifest.page.get("timezone", UTC))
        self.enabled = [section for section in self.sections.values() if section.enabled]
        self.page = self.enabled[: self.max_sections]
        self.fallbacks: dict[bytes, bytes] = {}
        self.best: dict[bytes, list[tuple[str, bytes]]] = {}
        self.cached: set[bytes] = set()
        self._etag = b'W/"' + quote(manifest.id, safe="").encode()
        self._page = b',"generation":%b,"sections":[' % to_json(manifest.id)

    def etag(self, *target: str) -> bytes:
        """The validator of what is shown at `target`: another one as soon as the generation is another one."""
        return b'%b-%x"' % (self._etag, crc32("\0".join(target).encode()))

    def best_of(self, key: bytes | None) -> Sequence[tuple[str, bytes]] | None:
        """Id and bytes of each product of a whole-company payload; None where it has not been read."""
        if key is None or key not in self.fallbacks:
            return None
        if key not in self.best:
            self.best[key] = objects(self.fallbacks[key])
        return self.best[key]

    def whole(self, product_id: str, sections: Sequence[bytes]) -> bytes:
        """The page."""
        return b'{"productId":%b%b%b]}' % (encode_basestring(product_id).encode(), self._page, b",".join(sections))


def objects(products: bytes) -> list[tuple[str, bytes]]:
    """Id and bytes of each product in a JSON array of them."""
    text, found, at = products.decode(), [], 1
    while at < len(text):
        if text[at] != "{":
            at += 1
            continue
        row, end = DECODER.raw_decode(text, at)
        found.append((row.get("id"), text[at:end].encode()))
        at = end
    return found
