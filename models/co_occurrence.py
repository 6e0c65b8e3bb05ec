"""Co-occurrence of products in baskets: weighted pair statistics and the strongest partners of every product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

HALF_LIFE_DAYS = 180.0
MAX_BASKET_PRODUCTS = 200
MANTISSA_BITS = 53
# weights of single baskets, where they are summed without packing
UNIT = 2.0**20
TIED_ROWS = 256
SMALL = 100_000
PAIRS_AT_ONCE = 200_000
BLOCK = 4_000_000


@dataclass(frozen=True)
class PairStatistics:
    """The strongest pairs and what is needed to judge them.

    pairs: anchor_id, product_id, n_xy (baskets with both), w_xy (the same, weighted), n_x, n_y (baskets with either), w_x (the
    anchor's w_xy summed over all products), share_y (0..1: the product's part of all w_xy); strongest w_xy first within an
    anchor. n_baskets: baskets that counted. n_capped: those of them that weigh nothing for their size.
    """

    pairs: pl.DataFrame
    n_baskets: int
    n_capped: int


def pair_statistics(
    baskets: pl.DataFrame, candidates: pl.Series, top_n: int, half_life_days: float = HALF_LIFE_DAYS
) -> PairStatistics:
    """Count, for every product, the `top_n` candidates that share the most weighted baskets with it.

    baskets: order_id, product_id, age_days (>= 0), one row per order and product. candidates: ids of the products that may be
    recommended. A pair weighs exp(-ln 2 * age / half_life_days) / (|basket| - 1) in each basket, so that w_xy / w_x is the chance
    that another product of a basket with X, drawn at random, is Y, and a basket of fifty has no more to say than one of two.
    Baskets of more than MAX_BASKET_PRODUCTS products (wholesale lists) weigh nothing, since their pairs grow with the square of
    their size and say little of what goes together; every count holds them like any other. Equal partners: the one in more
    weighted baskets first, then by id, also at the cut. Sums are of whole units, hence the same in any order of the rows.
    """
    products, incidence, large, decay, sizes = _incidence(baskets, half_life_days)
    n_capped = int((sizes > MAX_BASKET_PRODUCTS).sum())
    if incidence.nnz == 0:
        return PairStatistics(_no_pairs(), len(sizes), n_capped)
    by_product = incidence.T.tocsr().astype(np.float64)
    weights = decay / (np.diff(incidence.indptr) - 1)
    allowed = products["product_id"].is_in(candidates.implode()).to_numpy()
    steps = _steps(int(np.diff(by_product.indptr).max()), float((by_product @ weights).max()))
    strongest = _strongest(by_product, _scaled(incidence, weights, allowed, steps), top_n)
    anchor, partner = strongest["anchor"].to_numpy(), strongest["partner"].to_numpy()
    n_xy, w_xy = _unpacked(strongest["packed"].to_numpy(), steps)
    counts = products["n"].to_numpy().astype(np.int64)
    summed = by_product @ np.maximum(1.0, np.round(decay * UNIT)) / UNIT
    pairs = pl.DataFrame(
        {
            "anchor_id": products["product_id"].gather(anchor),
            "product_id": products["product_id"].gather(partner),
            "n_xy": n_xy + _together(large, anchor, partner),
            "w_xy": w_xy,
            "n_x": counts[anchor],
            "n_y": counts[partner],
            "w_x": summed[anchor],
            "share_y": summed[partner] / summed.sum(),
        }
    )
    return PairStatistics(pairs, len(sizes), n_capped)


def _coded(ids: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """product_id and n (rows that have it), most frequent first, equal ones by id; and the place there of each row's product."""
    # categories of its own, so that they go when the series goes, and their codes have no gaps
    coded = ids.cast(pl.Categorical(pl.Categories.random()))
    codes = coded.to_physical()
    named = coded.value_counts(name="n").with_columns(coded=pl.first().to_physical(), product_id=pl.first().cast(pl.String))
    products = named.sort(["n", "product_id"], descending=[True, False])
    places = np.empty(products.height, dtype=np.int32)
    places[products["coded"].to_numpy()] = np.arange(products.height, dtype=np.int32)
    return products.select("product_id", "n"), pl.Series(places).gather(codes)


def _incidence(
    baskets: pl.DataFrame, half_life_days: float
) -> tuple[pl.DataFrame, sparse.csr_matrix, sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Products as _coded gives them; baskets that weigh x products, 1 where the basket has the product; the same of the baskets
    too large to weigh; the decay (0..1] of each that weighs; the number of products of every basket."""
    products, columns = _coded(baskets["product_id"])
    if baskets.is_empty():
        return products, sparse.csr_matrix((0, 0)), sparse.csr_matrix((0, 0)), np.ones(0), np.ones(0)
    rows, starts = _by_order(baskets["order_id"])
    sizes = np.diff(starts, append=len(rows))
    age = _least(baskets["age_days"], rows, starts)
    paired = (sizes >= 2) & (sizes <= MAX_BASKET_PRODUCTS)
    placed = columns.gather(rows).to_numpy()
    weighing, large = (_matrix(placed, sizes, chosen, products.height) for chosen in (paired, sizes > MAX_BASKET_PRODUCTS))
    return products, weighing, large, np.exp(-math.log(2) / half_life_days * age[paired]), sizes


def _matrix(columns: np.ndarray, sizes: np.ndarray, chosen: np.ndarray, width: int) -> sparse.csr_matrix:
    """Chosen baskets x products. columns: those of all baskets, one after the other; sizes: how many each basket has."""
    indices = columns[np.repeat(chosen, sizes)]
    indptr = np.concatenate([[0], np.cumsum(sizes[chosen])])
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int8), indices, indptr), (int(chosen.sum()), width))


def _together(incidence: sparse.csr_matrix, anchor: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """How many of the baskets have both products of each pair."""
    by_product, counts = incidence.T.tocsr(), np.zeros(len(anchor), dtype=np.int64)
    for start in range(0, len(anchor) if incidence.nnz else 0, PAIRS_AT_ONCE):
        at = slice(start, start + PAIRS_AT_ONCE)
        both = by_product[anchor[at]].multiply(by_product[partner[at]])
        counts[at] = np.asarray(both.sum(axis=1, dtype=np.int64)).ravel()
    return counts


def _least(values: pl.Series, rows: pl.Series, starts: np.ndarray) -> np.ndarray:
    """The least value of each order; in blocks, since a copy of all values in the order of `rows` is large."""
    ends = np.append(starts, len(rows))
    edges = np.unique(np.append(np.searchsorted(starts, np.arange(0, len(rows), BLOCK)), len(starts)))
    parts = []
    for first, last in pairwise(edges):
        found = values.gather(rows[int(ends[first]) : int(ends[last])]).to_numpy()
        parts.append(np.minimum.reduceat(found, starts[first:last] - starts[first]))
    return np.concatenate(parts)


def _by_order(ids: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """The rows, those of an order side by side, and where each order begins; the orders lie as their hashes do.

    One sort of whole numbers, the upper bits of a hash above the row, costs a fifth of sorting or grouping texts. Orders are
    told apart by these bits and a second hash, 96 bits or more (128 less those of the number of rows): that two of ten million
    orders are taken for one has a chance below 10^-14.
    """
    n_low = np.uint64((len(ids) - 1).bit_length())
    keys = (ids.hash(seed=0).to_numpy() >> n_low) << n_low
    keys |= np.arange(len(ids), dtype=np.uint64)
    keys.sort()
    rows = (keys & ((np.uint64(1) << n_low) - np.uint64(1))).astype(np.uint32)
    keys >>= n_low
    return _told_apart(rows, keys, ids.hash(seed=1))


def _told_apart(rows: np.ndarray, keys: np.ndarray, second: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """Rows that are sorted by `keys` (one per place); where orders of one key lie mixed, sorted by `second` (one per row); and
    the places where either changes."""
    new_key, new_second = _changes(keys), _changes_of(second, rows)
    mixed = np.unique(keys[new_second & ~new_key])
    for begin, end in zip(np.searchsorted(keys, mixed), np.searchsorted(keys, mixed, side="right"), strict=True):
        hashes = second.gather(rows[begin:end]).to_numpy()
        order = np.argsort(hashes, kind="stable")
        rows[begin:end] = rows[begin:end][order]
        new_second[begin:end] = _changes(hashes[order])
    return pl.Series(rows), np.flatnonzero(new_key | new_second)


def _changes_of(values: pl.Series, rows: np.ndarray) -> np.ndarray:
    """Whether each of values[rows] differs from the one before; in blocks."""
    changes = np.empty(len(rows), dtype=bool)
    for start in range(0, len(rows), BLOCK):
        before = max(0, start - 1)
        part = values.gather(rows[before : start + BLOCK]).to_numpy()
        changes[start : start + BLOCK] = _changes(part)[start - before :]
    return changes


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def _steps(max_count: int, max_weight: float) -> tuple[float, float]:
    """How one float64 holds two exact sums: units of weight (per 1.0) above, counts below.

    No count is above `max_count`, no sum of weights above `max_weight`; what they leave of the 53 bits of the mantissa is the
    resolution of a basket's weight.
    """
    per_count = 2.0 ** max(1, math.ceil(math.log2(max_count + 1)))
    # each weight is rounded up by one unit at most
    room = (2.0**MANTISSA_BITS / per_count - max_count) / max(max_weight, 2.0**-30)
    resolution = min(30, math.floor(math.log2(room))) if room > 0 else 0
    if resolution < 8:
        raise ValueError(f"A product in {max_count} baskets is more than exact pair counts can hold.")
    return 2.0**resolution, per_count


def _scaled(
    incidence: sparse.csr_matrix, weights: np.ndarray, allowed: np.ndarray, steps: tuple[float, float]
) -> sparse.csr_matrix:
    """The incidence of allowed products, each entry the packed weight and count of its basket."""
    per_weight, per_count = steps
    packed = np.repeat(np.maximum(1.0, np.round(weights * per_weight)) * per_count + 1.0, np.diff(incidence.indptr))
    if allowed.all():
        return sparse.csr_matrix((packed, incidence.indices, incidence.indptr), incidence.shape)
    packed *= allowed[incidence.indices]
    scaled = sparse.csr_matrix((packed, incidence.indices, incidence.indptr), incidence.shape, copy=True)
    scaled.eliminate_zeros()
    return scaled


def _strongest(by_product: sparse.csr_matrix, scaled: sparse.csr_matrix, top_n: int) -> pl.DataFrame:
    """anchor, partner (rows of `by_product`, which is products x baskets) and their packed sum, `top_n` per anchor."""
    # starting threads costs more than a small matrix does
    n_threads = 1 if scaled.nnz < SMALL else 2
    # two more than asked for: a product is its own strongest partner, and the first one beyond the cut shows a tie
    strongest = sp_matmul_topn(by_product, scaled, top_n=top_n + 2, sort=True, n_threads=n_threads)
    found = _ranked(strongest, np.arange(by_product.shape[0]))
    # which of equal partners sp_matmul_topn keeps is chance, so anchors with a tie at the cut are counted in full
    tied = found.filter((pl.col("place") == top_n) & (pl.col("packed") == pl.col("packed").shift()))["anchor"]
    parts = [found.filter(~pl.col("anchor").is_in(tied.implode()))]
    for start in range(0, len(tied), TIED_ROWS):
        anchors = tied[start : start + TIED_ROWS].to_numpy()
        parts.append(_ranked(by_product[anchors] @ scaled, anchors).filter(pl.col("place") < top_n))
    return pl.concat(parts).filter(pl.col("place") < top_n).sort("anchor", "place")


def _ranked(sums: sparse.spmatrix, anchors: np.ndarray) -> pl.DataFrame:
    """Pairs of different products, strongest first within an anchor; `place` counts from 0. Row i of `sums` is anchors[i]."""
    entries = sums.tocoo()
    pairs = {"anchor": anchors[entries.row], "partner": entries.col.astype(np.int64), "packed": entries.data}
    return (
        pl.DataFrame(pairs)
        .filter(pl.col("anchor") != pl.col("partner"))
        .sort(["anchor", "packed", "partner"], descending=[False, True, False])
        .with_columns(pl.int_range(pl.len()).over("anchor").alias("place"))
    )


def _unpacked(packed: np.ndarray, steps: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    per_weight, per_count = steps
    n_xy = np.mod(packed, per_count).astype(np.int64)
    return n_xy, np.floor(packed / per_count) / per_weight


def _no_pairs() -> pl.DataFrame:
    counts = {"n_xy": pl.Int64, "w_xy": pl.Float64, "n_x": pl.Int64, "n_y": pl.Int64}
    sums = {"w_x": pl.Float64, "share_y": pl.Float64}
    return pl.DataFrame(schema={"anchor_id": pl.String, "product_id": pl.String, **counts, **sums})
