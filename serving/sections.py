"""A generation made ready to be shown: everything that its manifest decides, as bytes to splice payloads into."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
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
)
from models.live_session import LAG_WEIGHTS

if TYPE_CHECKING:
    from serving.arrangements import Arranged

CONFIG_ORDER = ("displayStyle", "showRatings", "showQuickAdd")
NO_PRODUCTS = b"[]"
MAX_SECTIONS, MAX_RESULTS, SESSION_WEIGHT = 3, 8, 0.5
UTC = "UTC"
# whom a section of references was made for
BY_PAGE, BY_SESSION, BY_CUSTOMER = range(3)
DECODER = json.JSONDecoder()
# no text holds this: inside of one each quote has a backslash before it
PRODUCT_ID = re.compile(rb'\{"id": ?("[^"\\]*(?:\\.[^"\\]*)*")')


def to_json(value: Any) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Source(NamedTuple):
    """Where a section has its payloads from instead of its own kind: another kind, another generation's, or both.

    memory: what stands before its keys in this process's memory, since what is made of a payload may differ too.
    """

    manifest: Manifest
    kind: str
    memory: bytes


class Personal:
    """How a section of references is made: where its lists, neighbours, products and best sellers are, and its rules.

    Lists and neighbours may be of another `source`; products and best sellers are the generation's own, so that nothing is shown
    that is not sold any more. `neighbours` is b"" where no kind of that form ranks live sessions. Raises ValueError or TypeError
    for rules that cannot be followed.
    """

    __slots__ = ("best", "exclude_viewed", "lag_weights", "lists", "max_results", "neighbours", "products", "session_weight")

    def __init__(self, manifest: Manifest, section: Section, source: Source) -> None:
        def prefix(of: Manifest, name: str | None) -> bytes:
            return payload_prefix(of.company, of.id, name).encode() if name else b""

        rules = section.rules
        ranking = {row.kind for row in source.manifest.kinds if row.form == NEIGHBOURS} & {rules.get("neighbours")}
        self.lists, self.products = prefix(source.manifest, source.kind), prefix(manifest, PRODUCT)
        self.neighbours, self.best = prefix(source.manifest, next(iter(ranking), None)), prefix(manifest, section.fallback)
        self.max_results = int(rules.get("maxResults", MAX_RESULTS))
        self.exclude_viewed = bool(rules.get("excludeRecentlyViewed", False))
        self.lag_weights = [float(weight) for weight in rules.get("lagWeights") or LAG_WEIGHTS]
        self.session_weight = float(rules.get("sessionWeight", SESSION_WEIGHT))


class Shown:
    """One kind's section: where its payloads are, and the bytes around its impression id and its products.

    `stored` stands before the page's product in Redis, `prefix` in this process's memory; a section of references has payloads in
    memory alone, since its published lists are customers'. `is_aged`: its products are another generation's, and are to be shown
    as they are in this one. `ending` follows the page's id in that of the section.
    """

    __slots__ = (
        *(
            "_behind",
            "_cut",
            "_ending",
            "_extras",
            "_fronts",
            "_most",
            "enabled",
            "ending",
            "fallback_key",
            "generation",
            "is_aged",
            "kind",
        ),
        *("nothing", "personal", "prefix", "stored", "type"),
    )

    def __init__(self, manifest: Manifest, kind: Kind, section: Section, source: Source | None = None) -> None:
        company, generation = manifest.company, manifest.id
        origin = source or Source(manifest, kind.kind, b"")
        self.kind, self.type, self.enabled = kind.kind, section.type, section.enabled
        self.ending = "." + kind.kind
        self._ending = encode_basestring(self.ending)[1:-1].encode()
        self.generation, self.is_aged = origin.manifest.id, origin.manifest.id != generation
        self.stored = payload_prefix(company, origin.manifest.id, origin.kind).encode()
        fallback = section.fallback
        self.fallback_key = (payload_prefix(company, generation, fallback) + WHOLE_COMPANY).encode() if fallback else None
        self._behind = b"".join(b',"%b":[]' % name.encode() for name in section.extras)
        self._extras = b',"%b":[' % section.extras[0].encode() if section.extras else b""
        self.nothing = NO_PRODUCTS + self._behind
        self._most = int(section.rules.get("maxResults", MAX_RESULTS))
        # a generation's own payloads hold no more than that
        self._cut = source is not None
        self.personal: Personal | None = None
        self.prefix = origin.memory + self.stored
        fronts = [_front(section, section.title, section.personalized)]
        if kind.form == REFERENCES:
            self.personal = Personal(manifest, section, origin)
            self.prefix = b"page:" + self.prefix
            guests = section.rules.get("titleForGuests", section.title)
            fronts = [_front(section, guests, False), _front(section, guests, True), _front(section, section.title, True)]
        self._fronts = fronts

    def around(self, page_id: bytes, products: bytes | None, by: int = BY_PAGE) -> bytes:
        """The section with its products and what stands behind them, as `shown` and `stand_in` make them.

        Its impression's id is the page's and `ending`.
        """
        before, between = self._fronts[by]
        return b"".join((before, page_id, self._ending, between, products or self.nothing, b"}"))

    def shown(self, payload: bytes) -> bytes:
        """What a stored payload of items shows, b"" for no products."""
        products, _, extras = split_extras(payload)
        if products == NO_PRODUCTS:
            return b""
        if self._cut:
            products = b"[%b]" % b",".join([row for _, row in objects(products)[: self._most]])
        if not self._behind:
            return products
        return products + (b"," + extras[1:-1] if extras else self._behind)

    def ids(self, products: bytes) -> list[str]:
        """Ids of the products that the section shows, as `shown` and `stand_in` make them."""
        end = products.find(self._extras) if self._extras else len(products)
        found = PRODUCT_ID.findall(products, 0, end)
        return [DECODER.decode(each.decode()) if b"\\" in each else each[1:-1].decode() for each in found]

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


class Trial(NamedTuple):
    """What an impression says of the experiment that its section is part of."""

    experiment_id: str = ""
    variant: str = ""


class Arrangement:
    """The sections that a page is made of: the generation's own, or with what the company or an experiment has changed of them.

    `page` holds the sections of a page, `enabled` all that may be asked for by name, at most `max_sections` at once. `tag` is
    part of the validator. `trials`: kind -> the experiment that its section is part of; `absent`: sections that are not shown,
    and are in another variant.
    """

    __slots__ = ("absent", "enabled", "max_sections", "names", "page", "sections", "tag", "trials")

    def __init__(
        self,
        sections: Mapping[str, Shown],
        max_sections: int,
        tag: Sequence[str] = (),
        trials: Mapping[str, Trial] = MappingProxyType({}),
        absent: Sequence[Shown] = (),
    ) -> None:
        self.sections, self.max_sections, self.tag = sections, max_sections, tag
        self.names = frozenset(sections) | {section.type for section in sections.values()}
        self.enabled = [section for section in sections.values() if section.enabled]
        self.page = self.enabled[:max_sections]
        self.trials, self.absent = trials, absent


class Live(Arrangement):
    """A company's live generation as requests use it; resolved once per request.

    `manifest` is without its counts and figures; `currency` is a code, "" where none is told (two decimals then), `timezone` the
    company's; `fallbacks` holds the whole-company payloads once read, `best` the same divided into products; `cached` the keys
    that the cache holds on its behalf; `arranged` what was made of its sections since.
    """

    __slots__ = (
        *("_etag", "_page", "arranged", "best", "cached", "company", "currency", "fallbacks", "generation", "manifest", "timezone"),
    )

    def __init__(self, company: str, manifest: Manifest) -> None:
        self.company, self.generation = company, manifest.id
        self.manifest = replace(manifest, counts={}, figures={})
        shown = [(row.section, row) for row in manifest.kinds if row.section is not None and row.form != NEIGHBOURS]
        shown.sort(key=lambda row: (row[0].position, row[1].kind))
        sections = {kind.kind: Shown(self.manifest, kind, section) for section, kind in shown}
        super().__init__(sections, int(manifest.page.get("maxSections", MAX_SECTIONS)))
        self.currency, self.timezone = str(manifest.page.get("currency", "")), str(manifest.page.get("timezone", UTC))
        self.fallbacks: dict[bytes, bytes] = {}
        self.best: dict[bytes, list[tuple[str, bytes]]] = {}
        self.cached: set[bytes] = set()
        self.arranged: Arranged | None = None
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
