"""What offers are made of: a product, its configuration, flags and learnt evidence, all from one read of Redis."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from models import exact_json
from models.flags import FLAGS_KEY, company_flags_key, flags
from models.generation import PRODUCT, manifest_key, payload_prefix
from models.published_configs import config_key, split_config
from serving.errors import ApiError, brief
from serving.live_sessions import Command
from serving.lookup import Lookup
from serving.pages import JSON_HEAD, NOT_MODIFIED_HEAD, PERSONAL_HEAD
from serving.reply import Reply
from serving.requests import ReadRequest
from serving.sections import Live

log = logging.getLogger("serving.offers")


class Product(NamedTuple):
    """What offers need of a published product: its price (None where it has none), its name, its category's id, how many are in
    stock (None where that is not tracked), and what a unit costs (None where nobody said), which no public answer tells.

    shown: the document that the public API shows.
    """

    id: str
    price: Decimal | None
    name: str
    category: str | None
    stock: int | None
    in_stock: bool
    cost: Decimal | None
    shown: Mapping[str, Any]

    @classmethod
    def read(cls, product_id: str, payload: bytes | None) -> Product | None:
        """A payload of kind `product` (models/generation.py); None where nothing is published."""
        shown, _, facts = (payload or b"").partition(b"\n")
        if not shown:
            return None
        document = json.loads(shown, parse_float=Decimal)
        # a generation that was built before stock and cost were published has fewer facts
        name, category, stock, cost = (*json.loads(facts, parse_float=Decimal), None, None)[:4]
        price, in_stock = document.get("price"), document.get("inStock", True)
        return cls(product_id, _amount(price), name, category, stock, in_stock, _amount(cost), document)


class Wanted:
    """Keys to read together, each asked once, and what was read; what has a key read returns what to `get` it by."""

    def __init__(self, company: str) -> None:
        self.company = company
        self._at: dict[bytes, int] = {}
        self._values: Sequence[bytes | None] = ()
        self._parsed: dict[bytes, list[dict[str, Any]]] = {}
        self._flags = [self._ask(key, ("",))[0] for key in _flag_keys(company)]

    def product(self, live: Live, product_id: str) -> bytes:
        """Have a product read."""
        return self.evidence(live, PRODUCT, product_id)

    def config(self, resource: str, product_id: str) -> bytes:
        """Have a configuration read."""
        return self.configs(resource, (product_id,))[0]

    def configs(self, resource: str, product_ids: Iterable[str]) -> list[bytes]:
        """Have the configurations of several products read."""
        return self._ask(_config_prefix(self.company, resource), product_ids)

    def evidence(self, live: Live, kind: str, anchor: str) -> bytes:
        """Have an anchor's rows of a kind of that form read."""
        return self.evidence_of(live, kind, (anchor,))[0]

    def evidence_of(self, live: Live, kind: str, anchors: Iterable[str]) -> list[bytes]:
        """Have the rows of several anchors read."""
        return self._ask(_evidence_prefix(self.company, live.generation, kind), anchors)

    def manifest(self, live: Live) -> bytes:
        """Have the generation's manifest read, which is there for as long as the rest of it."""
        return self._ask(manifest_key(self.company, live.generation).encode(), ("",))[0]

    def _ask(self, prefix: bytes, names: Iterable[str]) -> list[bytes]:
        at, keys = self._at, [prefix + name.encode() for name in names]
        for key in keys:
            if key not in at:
                at[key] = len(at)
        return keys

    async def read(self, lookup: Lookup, *commands: Command | None) -> list[Any]:
        """One MGET for everything asked, and the replies to what is sent along with it. Raises StoreAway."""
        pending = lookup.store.read(list(self._at), *commands)
        self._values = await pending
        self._parsed.clear()
        return pending.replies if commands else []

    def get(self, key: bytes) -> bytes | None:
        """What was read."""
        return self._values[self._at[key]]

    def flags(self) -> Mapping[str, bool]:
        """The company's flags."""
        return _flags(*map(self.get, self._flags))

    def stored(self, key: bytes) -> tuple[int, bytes]:
        """Version and document of a configuration, b"" for none."""
        return split_config(self.get(key))

    def rows(self, key: bytes, level: str = "") -> list[dict[str, Any]]:
        """An anchor's rows; those of a level alone, where one is given: a customer's id may be a product's too."""
        found = self._parsed.get(key)
        if found is None:
            payload = self.get(key)
            found = self._parsed[key] = json.loads(payload) if payload else []
        return [row for row in found if not level or row.get("level") == level]


async def live_of(lookup: Lookup, company: str) -> Live:
    """The company's live generation. Raises ApiError 404 where nothing is published, StoreAway."""
    return lookup.generations.known.get(company) or await lookup.generations.load(company)


async def stored_config(lookup: Lookup, request: ReadRequest, resource: str, flag: str | None = None) -> Reply:
    """A product's configuration as it is stored; with its feature's flag off, as one that is not enabled.

    Raises ApiError 404 where there is none, StoreAway.
    """
    company, product_id = request.fields()["companyId"], request.path_id("product_id", "productId")
    wanted = Wanted(company)
    key = wanted.config(resource, product_id)
    await wanted.read(lookup)
    version, stored = wanted.stored(key)
    if not stored:
        raise ApiError(404, "Unknown configuration", f"The product {brief(product_id)} has no {resource}.")
    if flag and not wanted.flags()[flag]:
        return answered({**exact_json.read(stored), "enabled": False}, request)
    etag = b'"%d"' % version
    if request.unchanged(etag):
        return Reply(304, b"%betag: %b\r\nx-request-id: %b\r\n" % (NOT_MODIFIED_HEAD, etag, request.request_id))
    return Reply(200, b"%betag: %b\r\nx-request-id: %b\r\n" % (JSON_HEAD, etag, request.request_id), stored)


def answered(document: Any, request: ReadRequest) -> Reply:
    """A document as JSON that nobody keeps: prices and stock may be others with the next read."""
    return Reply(200, b"%bx-request-id: %b\r\n" % (PERSONAL_HEAD, request.request_id), exact_json.write(document))


def unreadable(company: str, resource: str, product_id: str, reason: object) -> None:
    """Tell the log of a stored configuration that cannot be followed, as the platform may have written one; it counts as none."""
    context = {"company": company, "resource": resource, "productId": product_id, "reason": str(reason)}
    log.warning("A stored configuration cannot be followed", extra=context)


@lru_cache(1_000)
def _flag_keys(company: str) -> tuple[bytes, bytes]:
    return FLAGS_KEY.encode(), company_flags_key(company).encode()


@lru_cache(4_000)
def _config_prefix(company: str, resource: str) -> bytes:
    return config_key(company, resource, "").encode()


@lru_cache(8_000)
def _evidence_prefix(company: str, generation: str, kind: str) -> bytes:
    return payload_prefix(company, generation, kind).encode()


@lru_cache(1_000)
def _flags(of_all: bytes | None, of_company: bytes | None) -> Mapping[str, bool]:
    return flags(of_all, of_company)


def _amount(given: Any) -> Decimal | None:
    return None if given is None else Decimal(given)


@lru_cache(1_000)
def zone_of(company: str, name: str) -> ZoneInfo:
    """The company's time zone; UTC for one that nobody knows, since the company is sold for all the same."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        log.warning("A company's time zone is not known: UTC is used", extra={"company": company, "timezone": name})
        return ZoneInfo("UTC")
