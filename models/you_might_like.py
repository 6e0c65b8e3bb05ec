"""You might like: for every known customer the products, new to them, that several components agree on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import sparse

from models import als, blending, candidates, repurchase
from models.als import WINDOW_DAYS, Interactions
from models.candidates import CUSTOMERS, PARTS, Model, Scored
from models.configuration import Configuration
from models.demand import COUNTED_DAYS
from models.features import Features
from models.generation import WHOLE_COMPANY
from models.popularity import LIST_SCHEMA, best_of

KIND = "you-might-like"
# the read API takes away the page's own product and what was viewed since, then cuts to maxResults
PUBLISHED = 20
WIDTH = 3 * PUBLISHED
# what is asked for now, beside what the merchant can set
POPULARITY_WEIGHT, TREND_WEIGHT = 0.1, 0.25
EVIDENCE = (*(f"{part}_part" for part in PARTS), "n_alike", "n_recent", "n_choosers", "n_products", "n_events", "window_days")
SCHEMA = {
    **LIST_SCHEMA,
    **{f"{part}_part": pl.Float64 for part in PARTS},
    **dict.fromkeys(EVIDENCE[len(PARTS) :], pl.Int64),
}
SOURCES = {
    "als": (
        "customers with the same taste",
        "Chosen by {} customers; fits the {} products that you chose",
        ("n_choosers", "n_products"),
    ),
    "orders": ("bought together", "Often bought by who bought {} of the {} products that you chose", ("n_alike", "n_products")),
    "visits": ("viewed together", "Often viewed along with {} of the {} products that you chose", ("n_alike", "n_products")),
    "content": ("similar products", "Similar to {} of the {} products that you chose", ("n_alike", "n_products")),
    "popularity": ("best seller", f"Best seller: {{}} {{}} in {COUNTED_DAYS} days", ("n_recent", "unit")),
    "trend": ("rising", f"Rising: {{}} {{}} in {COUNTED_DAYS} days", ("n_recent", "unit")),
}
# what fills a list in a shop with little else
NOT_CHOSEN = ("not yet chosen", "No known customer has chosen it yet")


def you_might_like(features: Features) -> pl.DataFrame:
    """Up to PUBLISHED recommendations for every customer with an event, whatever maxResults is: the read API cuts.

    score: 1 / (1 + exp(-value)) (0..1) of the blended value; .5 is the customer's average candidate. With a diversityFactor the
    order of ranks is not that of scores. Evidence: what each component adds to the value (`_part`, in standard deviations of the
    customer's candidates), the counts that the reason names, the customer's n_events in window_days.
    """
    known = als.interactions(features)
    if not len(known.customers):
        return pl.DataFrame(schema=SCHEMA)
    chosen = features.choices.get(KIND, {})
    model = candidates.fit(features, known, chosen)
    weights = chosen.get("weights") or default_weights(features.config)
    without = left_out(features, known)
    kinds, factor = _categories(features, known), features.config.you_might_like["diversityFactor"]
    tiles = candidates.tiles(model, np.arange(len(known.customers)), without)
    lists = [_listed(model, number * CUSTOMERS, found, weights, kinds, factor) for number, found in enumerate(tiles)]
    return _worded(pl.concat(lists), model)


def default_weights(config: Configuration) -> dict[str, float]:
    """What the merchant set, where no held-out days have chosen.

    ALS learns from orders and visits and has the weight of both. Neighbours say the same less well, and content a third as much
    as its number, measured by what held-out days chose for shops of which we have orders.
    """
    rules = config.you_might_like
    bought, viewed, described = rules["purchaseWeight"], rules["browsingWeight"], rules["contentWeight"]
    shared = {"als": bought + viewed, "orders": bought / 4, "visits": viewed / 4, "content": described / 3}
    return {**shared, "popularity": POPULARITY_WEIGHT, "trend": TREND_WEIGHT}


def best_sellers(features: Features) -> pl.DataFrame:
    """What stands in where the customers' taste may not be shown: the shop's best sellers less what must not be listed."""
    customers = als.interactions(features).customers.to_frame("anchor_id")
    best = best_of(features, features.eligible()).filter(pl.col("anchor_id") == WHOLE_COMPANY).drop("anchor_id")
    listed = customers.join(best, how="cross").join(
        _left_out(features), left_on=["anchor_id", "product_id"], right_on=["customer_id", "product_id"], how="anti"
    )
    order = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank")
    return listed.sort("anchor_id", "rank").with_columns(order).filter(pl.col("rank") <= PUBLISHED)


def left_out(features: Features, known: Interactions) -> sparse.csr_matrix:
    """Customers x products that must not be listed."""
    return candidates.coded(_left_out(features), known)


def _left_out(features: Features) -> pl.DataFrame:
    """customer_id, product_id of what must not be listed, by the company's rules.

    excludePurchased: whatever the customer has ever bought, but not what is due again. excludeRecentlyViewed: the products of
    the customer's last visit, which at night is what "recently" can mean; the read API knows of later ones.
    """
    rules, pairs = features.config.you_might_like, []
    if rules["excludePurchased"]:
        bought = features.baskets.drop_nulls("customer_id").select("customer_id", "product_id").unique()
        pairs.append(bought.join(repurchase.due(features), on=["customer_id", "product_id"], how="anti"))
    if rules["excludeRecentlyViewed"]:
        visits = features.sessions().drop_nulls("customer_id")
        last = visits.sort("viewed_at", "visit_id").group_by("customer_id").agg(pl.col("visit_id").last())
        pairs.append(visits.join(last, on=["customer_id", "visit_id"], how="semi").select("customer_id", "product_id"))
    return pl.concat(pairs) if pairs else features.baskets.clear().select("customer_id", "product_id")


def _categories(features: Features, known: Interactions) -> np.ndarray:
    """Per product the code of its category, -1 where it has none."""
    category = pl.coalesce("category_id", "category").rank("dense").cast(pl.Int64).fill_null(-1).alias("code")
    coded = features.products.unique("product_id", keep="first").select("product_id", category)
    return known.products.to_frame("product_id").join(coded, on="product_id", how="left", maintain_order="left")["code"].to_numpy()


def _listed(
    model: Model, start: int, found: Scored, weights: Mapping[str, float], categories: np.ndarray, factor: float
) -> pl.DataFrame:
    """Codes, ranks, values and parts of the lists of one tile of customers, the first of whom is number `start`."""
    values = blending.blended(found.parts, weights)
    best, at = blending.padded(values, found.row, found.n_rows, WIDTH)
    alike = np.where(at >= 0, categories[found.product[at]] if len(values) else -1, -1)
    chosen = blending.diversified(best, alike, factor, _spread(values, found), PUBLISHED)
    row, rank = np.nonzero(chosen >= 0)
    entry = at[row, chosen[row, rank]]
    product, total = found.product[entry], sum(weights.values()) or 1.0
    parts = {f"{part}_part": found.parts[part][entry] * (weights.get(part, 0.0) / total) for part in PARTS}
    n_recent, n_choosers = model.demand.n_recent[product], model.n_choosers[product]
    near = {part: counts[entry] for part, counts in found.n_alike.items()}
    counted = {"als": n_choosers, **near, "popularity": n_recent, "trend": n_recent}
    why = _why(parts, counted)
    n_alike = np.select([why == PARTS.index(part) for part in near], list(near.values()), 0)
    codes = {"customer": row + start, "product": product, "rank": rank + 1, "value": values[entry], "why": why}
    return pl.DataFrame({**codes, **parts, "n_alike": n_alike, "n_recent": n_recent, "n_choosers": n_choosers})


def _spread(values: np.ndarray, found: Scored) -> np.ndarray:
    """Standard deviation of each customer's values; their mean is 0, since that of every part is."""
    sizes = np.bincount(found.row, minlength=found.n_rows)
    return np.sqrt(np.bincount(found.row, values**2, found.n_rows) / np.maximum(1, sizes))


def _why(parts: Mapping[str, np.ndarray], counted: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which of PARTS adds most among those that have something to count, so that no reason says "0"; -1 where none has."""
    counts = np.column_stack([counted[part] for part in PARTS])
    said = np.where(counts > 0, np.round(np.column_stack(list(parts.values())), blending.DECIMALS), -np.inf)
    return np.where(counts.any(axis=1), np.argmax(said, axis=1), -1)


def _worded(lists: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Ids for codes, scores for values, words for what contributed most."""
    known = model.known
    customer, product = lists["customer"], lists["product"]
    n_products = np.diff((known.ordered + known.visited).indptr)
    counted = lists.with_columns(
        known.customers.gather(customer).alias("anchor_id"),
        known.products.gather(product).alias("product_id"),
        pl.Series("n_products", n_products[customer.to_numpy()]),
        pl.Series("n_events", known.n_events[customer.to_numpy()]),
        pl.lit(model.demand.unit).alias("unit"),
        pl.lit(WINDOW_DAYS).alias("window_days"),
        (1 / (1 + (-pl.col("value")).exp())).round(6).alias("score"),
        pl.col(r"^.*_part$").round(6),
    )
    whys = [pl.when(pl.col("why") == at) for at in range(len(PARTS))]
    sources = [why.then(pl.lit(SOURCES[part][0])) for part, why in zip(PARTS, whys, strict=True)]
    reasons = [why.then(pl.format(SOURCES[part][1], *SOURCES[part][2])) for part, why in zip(PARTS, whys, strict=True)]
    worded = counted.with_columns(
        pl.coalesce(*sources, pl.lit(NOT_CHOSEN[0])).alias("source"), pl.coalesce(*reasons, pl.lit(NOT_CHOSEN[1])).alias("reason")
    )
    return worded.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
