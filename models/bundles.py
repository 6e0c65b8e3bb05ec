"""Bundles: a page's product with those that whole visits have viewed together, and what they cost together."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl
from scipy import sparse

from models import sessions
from models.conversion_lift import LIFT, conversion_lift
from models.features import Features
from models.frequently_viewed import VIEWED_TOGETHER

MAX_BUNDLES = 3
ARMS = ("n_with", "bought_with", "n_without", "bought_without")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "anchor_id": pl.String,
    "bundle_rank": pl.Int64,
    "product_ids": pl.List(pl.String),
    "co_view_frequency": pl.Int64,
    **dict.fromkeys(LIFT, pl.Float64),
    "individual_cents": pl.Int64,
    "bundle_cents": pl.Int64,
    "savings_cents": pl.Int64,
    "discount_percent": pl.Float64,
    "window_days": pl.Int64,
}


def bundles(features: Features, frame: pl.DataFrame) -> pl.DataFrame:
    """At most MAX_BUNDLES a page, no partner in two of them, by anchor and rank; pages without co-views have none.

    frame: of frequently_viewed. product_ids: the page's own first, then co-viewed partners, maxBundleSize in all at most; all in
    stock, priced, of one currency. A bundle begins with the strongest partner left and grows by the next strongest for as long as
    at least minSessionCoViews visits viewed all of it: co_view_frequency counts those. conversion_lift: as in frequently_viewed,
    of visits that viewed all over those that viewed the page's product and none of the partners. Money in whole cents:
    each line is discounted and rounded half up by itself.
    """
    rules = features.config.frequently_viewed
    sold = features.shown().filter(pl.col("in_stock") & (pl.col("price_cents") > 0))
    currency = dict(sold.select("product_id", "currency").iter_rows())
    lists = frame.filter(pl.col("source") == VIEWED_TOGETHER).sort("anchor_id", "rank").group_by("anchor_id", maintain_order=True)
    incidence = _Incidence(sessions.visits(features, rules["lookbackDays"]))
    rows = []
    for anchor, partners in lists.agg("product_id").iter_rows():
        if anchor not in currency:
            continue
        priced = [partner for partner in partners if partner in currency and currency[partner] == currency[anchor]]
        found = _grown(incidence.of_page(anchor, priced), rules["maxBundleSize"], rules["minSessionCoViews"])
        for rank, (places, counts) in enumerate(found, start=1):
            rows.append((anchor, rank, [anchor, *(priced[place] for place in places)], *counts))
    counted = {name: SCHEMA[name] for name in ("anchor_id", "bundle_rank", "product_ids", "co_view_frequency")}
    made = pl.DataFrame(rows, schema={**counted, **dict.fromkeys(ARMS, pl.Int64)}, orient="row")
    priced_rows = _totals(
        made["product_ids"], dict(sold.select("product_id", "price_cents").iter_rows()), rules["bundleDiscountPercent"]
    )
    return (
        pl.concat([made, priced_rows], how="horizontal")
        .with_columns(
            *conversion_lift(*(pl.col(arm) for arm in ARMS)),
            pl.lit(rules["bundleDiscountPercent"]).alias("discount_percent"),
            pl.lit(rules["lookbackDays"]).alias("window_days"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def discounted(price_cents: int, discount_percent: float) -> int:
    """A line's price in whole cents after `discount_percent` (0..100, a fraction is meant as it is written), rounded half up."""
    kept = (100 - Decimal(str(discount_percent))) / 100
    return int((price_cents * kept).to_integral_value(ROUND_HALF_UP))


def _totals(product_ids: pl.Series, price_cents: dict[str, int], discount_percent: float) -> pl.DataFrame:
    used = {product for products in product_ids for product in products}
    lowered = {product: discounted(price_cents[product], discount_percent) for product in used}
    single = [sum(price_cents[product] for product in products) for products in product_ids]
    together = [sum(lowered[product] for product in products) for products in product_ids]
    totals = pl.DataFrame(
        {"individual_cents": single, "bundle_cents": together}, schema=dict.fromkeys(("individual_cents", "bundle_cents"), pl.Int64)
    )
    return totals.with_columns((pl.col("individual_cents") - pl.col("bundle_cents")).alias("savings_cents"))


class _Page:
    """The visits of one page: which of its partners each viewed (visits x partners), whether known, whether it bought."""

    def __init__(self, viewed: np.ndarray, is_known: np.ndarray, is_bought: np.ndarray) -> None:
        self.viewed, self.is_known, self.is_bought = viewed, is_known, is_bought

    def counts(self, places: Sequence[int]) -> tuple[int, ...]:
        """Visits with all partners at `places`, then ARMS: known visits with all and with none, and how many bought."""
        chosen = self.viewed[:, places]
        arms = []
        for visits in (chosen.all(axis=1), ~chosen.any(axis=1)):
            arms += [int((visits & self.is_known).sum()), int((visits & self.is_bought).sum())]
        return int(chosen.all(axis=1).sum()), *arms


class _Incidence:
    """Visits x products, to be read a page at a time."""

    def __init__(self, seen: sessions.Visits) -> None:
        names = seen.products["product_id"]
        self.codes = {name: code for code, name in enumerate(names)}
        columns = seen.rows["product_id"].replace_strict(names, np.arange(len(names)), return_dtype=pl.Int64).to_numpy()
        rows = seen.rows["visit_id"].rank("dense").to_numpy().astype(np.int64) - 1
        shape = (seen.n, len(names))
        # 1: viewed, 2: by a known visitor, 4: who bought it
        marks = 1 + 2 * seen.rows["is_known"].to_numpy().astype(np.int8) + 4 * seen.rows["is_bought"].to_numpy().astype(np.int8)
        self.visits = sparse.csr_matrix((marks, (rows, columns)), shape=shape)
        self.products = self.visits.tocsc()

    def of_page(self, anchor: str, partners: Sequence[str]) -> _Page:
        start, end = self.products.indptr[self.codes[anchor] : self.codes[anchor] + 2]
        marks, rows = self.products.data[start:end], self.visits[self.products.indices[start:end]]
        place = np.full(self.visits.shape[1], -1)
        place[[self.codes[partner] for partner in partners]] = np.arange(len(partners))
        places, visit = place[rows.indices], np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        viewed = np.zeros((rows.shape[0], len(partners)), dtype=bool)
        viewed[visit[places >= 0], places[places >= 0]] = True
        return _Page(viewed, marks & 2 > 0, marks & 4 > 0)


def _grown(page: _Page, max_size: int, minimum: int) -> list[tuple[list[int], tuple[int, ...]]]:
    """Bundles as places in the page's list of partners, and their counts; `minimum` visits viewed all of each."""
    left = list(range(page.viewed.shape[1]))
    found: list[tuple[list[int], tuple[int, ...]]] = []
    while left and len(found) < MAX_BUNDLES:
        chosen: list[int] = []
        for place in left:
            if len(chosen) < max_size - 1 and page.viewed[:, [*chosen, place]].all(axis=1).sum() >= minimum:
                chosen.append(place)
        if not chosen:
            break
        found.append((chosen, page.counts(chosen)))
        left = [place for place in left if place not in chosen]
    return found
