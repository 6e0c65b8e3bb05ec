"""Sections of references, put together while they are read: for a customer, for a live session, or for the page's product alone.

Everything is asked of memory first, and what is missing of the store, for all sections at once: the lists (with the live session
on the way), what ranks the session's products, then the products to show.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Any, NamedTuple

from models import live_session
from models.generation import WHOLE_COMPANY, split_payload
from serving.cache import Cache
from serving.sections import BY_CUSTOMER, BY_PAGE, BY_SESSION, Live, Personal, objects
from serving.store import Store

# as many of a live session's products as are blended into a customer's list
BLENDED = 20
# of scores as they are shown; equal ones are equal, in whichever order they were added up
DECIMALS = 6
DECODER = json.JSONDecoder()

# neighbour -> weight, above 0
Neighbours = Mapping[str, float]
NONE: Neighbours = MappingProxyType({})
# lists of neighbours that a process keeps parsed, some KB each: popular products stand in many live sessions
NEIGHBOURS_KEPT = 1_000


class Item(NamedTuple):
    """One product to show: score 0..1 in its list, the reason in words, and what a live session gave it, where one did."""

    id: str
    score: float
    reason: str
    similarity: float | None = None


class Draft:
    """A section in the making: its items, for whom (`by`), and what may not stand in it."""

    __slots__ = ("by", "hidden", "items", "rules")

    def __init__(self, rules: Personal, items: list[Item], by: int, hidden: Collection[str]) -> None:
        self.rules, self.items, self.by, self.hidden = rules, items[: rules.max_results], by, hidden

    def is_short(self) -> bool:
        """Whether best sellers have to fill it."""
        return len(self.items) < self.rules.max_results and bool(self.rules.best)


class Assembly:
    """All sections of references of one answer.

    customer: id, or "" for a guest; viewed: what the live session has viewed but the page's product, oldest first.
    """

    def __init__(self, live: Live, cache: Cache, store: Store, product_id: str, rules: Sequence[Personal], customer: str) -> None:
        self._live, self._cache, self._store = live, cache, store
        self._product_id, self._rules, self._customer = product_id, rules, customer
        self._found: dict[bytes, bytes] = {}
        self._names: dict[bytes, tuple[str, str | None]] = {}
        self.viewed: Sequence[str] = []
        self.n_wanted = self.n_missing = 0

    def lists(self) -> list[bytes]:
        """Keys of the lists that memory does not have, for the first read."""
        page, customer = self._product_id.encode(), self._customer.encode()
        wanted = [rules.products + page for rules in self._rules]
        wanted += [rules.neighbours + page for rules in self._rules if rules.neighbours]
        wanted += [rules.lists + customer for rules in self._rules if customer]
        return self._missing(wanted)

    def keep(self, keys: Iterable[bytes], values: Iterable[bytes | None]) -> None:
        """Take what was read, into the process's memory too."""
        for key, value in zip(keys, values, strict=True):
            self._found[key] = value or b""
            # that a payload is absent is kept only of a generation that is there: a flushed store may fill again
            if value or self._live.fallbacks:
                self._cache.put(key, value or b"", self._live.cached)

    async def finish(self) -> list[tuple[bytes, int]]:
        """Products (b"" for none) and for whom they were chosen, per section. Raises StoreAway."""
        wanted = []
        for rules in self._rules:
            last = [each.encode() for each in self._last(rules)]
            wanted += [rules.products + each for each in last]
            wanted += [rules.neighbours + each for each in last if rules.neighbours]
        await self._read(wanted)
        drafts = [self._draft(rules) for rules in self._rules]
        wanted = [draft.rules.products + item.id.encode() for draft in drafts for item in draft.items]
        await self._read(wanted + [key for draft in drafts if draft.is_short() for key in self._category(draft.rules)])
        return [(self._shown(draft), draft.by) for draft in drafts]

    async def _read(self, wanted: Iterable[bytes]) -> None:
        keys = self._missing(wanted)
        if keys:
            self.keep(keys, await self._store.read(keys))

    def _missing(self, wanted: Iterable[bytes]) -> list[bytes]:
        missing = []
        for key in dict.fromkeys(wanted):
            if key not in self._found:
                self.n_wanted += 1
                value = self._cache.get(key)
                if value is None:
                    missing.append(key)
                else:
                    self._found[key] = value
        self.n_missing += len(missing)
        return missing

    def _last(self, rules: Personal) -> list[str]:
        """The session's last viewed products, the latest first, without the page's own, which counts as the latest of all."""
        return live_session.last_viewed(self.viewed, len(rules.lag_weights) - 1)

    def _draft(self, rules: Personal) -> Draft:
        """The customer's list, blended with the live session's; without a list the session's, without a session the page's."""
        page, others = self._product_id, self._last(rules)
        hidden = {page, *self.viewed} if rules.exclude_viewed else {page}
        listed = [item for item in self._list(rules) if item.id not in hidden]
        if not others and len(listed) >= rules.max_results:
            return Draft(rules, listed, BY_CUSTOMER, hidden)
        neighbours = {each: self._neighbours(rules, each) for each in (page, *others)}
        n = max(BLENDED, rules.max_results) if listed else rules.max_results
        rows = {each: weights.items() for each, weights in neighbours.items()}
        ranked = live_session.rank((*others[::-1], page), rows, hidden, n, rules.lag_weights)
        of_session = self._explained(rules, ranked, neighbours)
        in_session = any(id not in hidden for each in others for id in neighbours[each])
        if not listed:
            return Draft(rules, of_session, BY_SESSION if in_session else BY_PAGE, hidden)
        if in_session:
            return Draft(rules, blend(listed, of_session, rules.session_weight), BY_CUSTOMER, hidden)
        known = {item.id for item in listed}
        return Draft(rules, listed + [item for item in of_session if item.id not in known], BY_CUSTOMER, hidden)

    def _list(self, rules: Personal) -> list[Item]:
        payload = self._found.get(rules.lists + self._customer.encode()) if self._customer else None
        return [Item(*row) for row in _read(payload)] if payload else []

    def _neighbours(self, rules: Personal, product_id: str) -> Neighbours:
        payload = self._found.get(rules.neighbours + product_id.encode()) if rules.neighbours else None
        return _neighbours(payload) if payload else NONE

    def _explained(self, rules: Personal, ranked: Sequence[tuple[str, float]], neighbours: Mapping[str, Neighbours]) -> list[Item]:
        """Ranked products with the latest viewed one that they are neighbours of; scores are shares of the first one's.

        neighbours: of the viewed products, the latest first.
        """
        reasons = {}
        for product_id in neighbours:
            name = self._described(rules, product_id)[0]
            reasons[product_id] = f"Because you viewed {name}" if name else "Because of what you viewed"
        best = ranked[0][1] if ranked and ranked[0][1] else 1.0
        return [
            Item(
                id,
                round(score / best, DECIMALS),
                next((reasons[each] for each, weights in neighbours.items() if id in weights), ""),
                round(score, DECIMALS),
            )
            for id, score in ranked
        ]

    def _described(self, rules: Personal, product_id: str) -> tuple[str, str | None]:
        """Name and category id of a product; "" for one that is not published."""
        key = rules.products + product_id.encode()
        if key not in self._names:
            _, _, line = self._found.get(key, b"").partition(b"\n")
            self._names[key] = tuple(_read(line)) if line else ("", None)
        return self._names[key]

    def _category(self, rules: Personal) -> list[bytes]:
        """Key of the best sellers of the page's category."""
        category = self._described(rules, self._product_id)[1]
        return [rules.best + category.encode()] if category is not None else []

    def _shown(self, draft: Draft) -> bytes:
        rules = draft.rules
        products = {}
        for item in draft.items:
            row = _product(self._found.get(rules.products + item.id.encode()), item)
            if row:
                products[item.id] = row
        if len(products) < rules.max_results and rules.best:
            self._fill(products, rules, draft.hidden)
            if not products:
                # what was just viewed is better than nothing
                self._fill(products, rules, {self._product_id})
        return b"[%b]" % b",".join(products.values()) if products else b""

    def _fill(self, products: dict[str, bytes], rules: Personal, hidden: Collection[str]) -> None:
        """Best sellers of the page's category, then of the company, as they are published."""
        of_category = [row for key in self._category(rules) for row in objects(split_payload(self._found.get(key, b""))[0])]
        for id, row in (*of_category, *(self._live.best_of(rules.best + WHOLE_COMPANY.encode()) or ())):
            if len(products) >= rules.max_results:
                break
            if id not in hidden:
                products.setdefault(id, row)


def blend(listed: Sequence[Item], of_session: Sequence[Item], session_weight: float) -> list[Item]:
    """Both lists by the weighted sum of their scores as shares (0..1) of each list's best, equal sums by id.

    session_weight: 0..1, the live session's; the customer's list has the rest. What both hold has the sum of both, and the reason
    of the larger part.
    """
    best = max((item.score for item in listed), default=0.0) or 1.0
    parts = {item.id: (1 - session_weight) * item.score / best for item in listed}
    items = {item.id: item for item in listed}
    sums = dict(parts)
    for item in of_session:
        part = session_weight * item.score
        sums[item.id] = sums.get(item.id, 0.0) + part
        if part > parts.get(item.id, -1.0):
            items[item.id] = item
        else:
            items[item.id] = items[item.id]._replace(similarity=item.similarity)
    order = sorted((-round(total, DECIMALS), id) for id, total in sums.items())
    return [items[id]._replace(score=-total) for total, id in order]


def _read(payload: bytes) -> Any:
    """JSON that we have written ourselves: without json.loads' look at its encoding and its ends, half of the time for a list."""
    return DECODER.raw_decode(payload.decode())[0]


@lru_cache(NEIGHBOURS_KEPT)
def _neighbours(payload: bytes) -> Neighbours:
    return dict(_read(payload))


def at_present(row: bytes, payload: bytes | None) -> bytes:
    """A row of items with the product as it is published by itself by now, b"" for one that is not."""
    product = payload.partition(b"\n")[0] if payload else b""
    # unescaped quotes: no text of the row holds this
    return product[:-1] + row[row.rindex(b',"score":') :] if product else b""


def _product(payload: bytes | None, item: Item) -> bytes:
    """A product as the public API shows it, b"" for one that is not published."""
    product = payload.partition(b"\n")[0] if payload else b""
    if not product:
        return b""
    tail = f',"score":{item.score!r},"reason":{encode_basestring(item.reason)}'
    if item.similarity is not None:
        tail += f',"similarityScore":{item.similarity!r}'
    return b"%b%b}" % (product[:-1], tail.encode())
