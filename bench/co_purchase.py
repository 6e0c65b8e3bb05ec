"""CPU and peak memory of co-purchase pair statistics beside implicit's CosineRecommender, lenskit's item-item kNN (where it is
installed; it is no dependency) and a plain scipy product.

python -m bench.co_purchase [--baskets N] [--larger N] [--products N] [--rounds N] [--json]

Every contender reads the same order lines from a file and ends with the same number of partners per product, in a process of its
own, so that its peak memory is its own. Ours is run once more on a larger file, ten times the size by default, which gives the
exponent of its CPU with baskets; --larger 0 leaves that out.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from bench.measure import cost, median, show

PARTNERS = 20
DAYS = 365
TILE = 2_000
WHAT = {
    "ours": "pair_statistics (exact counts, decay, basket weights)",
    "implicit": "implicit CosineRecommender",
    "lenskit": "lenskit ItemKNNScorer",
    "scipy": "scipy product and argpartition",
}


def main() -> None:
    """Write the lines, then run the contenders in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--baskets", type=int, default=1_000_000)
    arguments.add_argument("--larger", type=int)
    arguments.add_argument("--products", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--contender", choices=WHAT, help=argparse.SUPPRESS)
    arguments.add_argument("--lines", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.contender:
        _run(given.contender, given.lines)
        return
    n_larger = 10 * given.baskets if given.larger is None else given.larger
    installed = [name for name in WHAT if name != "lenskit" or find_spec("lenskit")]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in [*WHAT, "larger"]}
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as folder:
        lines, larger = Path(folder) / "lines.parquet", Path(folder) / "larger.parquet"
        write_lines(lines, given.baskets, given.products)
        if n_larger:
            write_lines(larger, n_larger, given.products)
        for _ in range(given.rounds):
            for name in installed:
                found[name].append(_apart(name, lines))
            if n_larger:
                found["larger"].append(_apart("ours", larger))
        n_lines = pl.scan_parquet(lines).select(pl.len()).collect().item()
    rows = [_row(WHAT[name], found[name], found["implicit"]) for name in WHAT]
    if n_larger:
        rows.append(_row(f"ours, {n_larger:,} baskets", found["larger"], found["implicit"]))
    title = f"pairs of {n_lines:,} lines in {given.baskets:,} baskets, medians of {given.rounds}"
    show(title + _exponent(found["ours"], found["larger"], given.baskets, n_larger), rows)


def write_lines(path: Path, n_baskets: int, n_products: int) -> None:
    """Order lines of `n_baskets` orders, 1 + geometric of mean 5 products each, drawn by Zipf's law; ids are strings."""
    rng = np.random.default_rng(7)
    sizes = 1 + rng.geometric(1 / 5, n_baskets)
    order = np.repeat(np.arange(n_baskets), sizes)
    popularity = 1 / np.arange(10, n_products + 10)
    # searchsorted of the cumulated law is the fast way to draw many
    product = np.searchsorted(np.cumsum(popularity) / popularity.sum(), rng.random(len(order)))
    lines = pl.DataFrame({"order": order, "product": np.minimum(product, n_products - 1)}).unique()
    lines = lines.sample(fraction=1.0, shuffle=True, seed=7)
    age = pl.Series(rng.uniform(0, DAYS, n_baskets)).gather(lines["order"])
    named = lines.select(
        pl.format("order-{}", "order").alias("order_id"),
        pl.format("p{}", "product").alias("product_id"),
        age.alias("age_days"),
    )
    named.write_parquet(path)


def ours(lines: pl.DataFrame) -> int:
    """The whole of pair_statistics, ids to ids."""
    from models.co_occurrence import pair_statistics

    return pair_statistics(lines, lines["product_id"].unique(), PARTNERS).pairs.height


def implicit(lines: pl.DataFrame) -> int:
    """CosineRecommender on orders as users; its neighbours count the product itself. Ids are left as codes."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=PARTNERS + 1, num_threads=2)
    model.fit(_coded(lines), show_progress=False)
    return int(model.similarity.nnz)


def lenskit(lines: pl.DataFrame) -> int:
    """ItemKNNScorer of implicit feedback on orders as users, ids to ids."""
    # types of neither are known where it is not installed
    pa, data, knn = (import_module(name) for name in ("pyarrow", "lenskit.data", "lenskit.knn"))
    named = lines.select(pl.col("order_id").alias("user_id"), pl.col("product_id").alias("item_id")).to_arrow()
    builder = data.DatasetBuilder()
    # it knows no large texts
    texts = named.cast(pa.schema([(name, pa.string()) for name in named.column_names]))
    builder.add_interactions("order", texts, entities=["user", "item"], missing="insert", default=True)
    model = knn.ItemKNNScorer(feedback="implicit", save_nbrs=PARTNERS, max_nbrs=PARTNERS)
    model.train(builder.build())
    return int(model.item_counts.sum())


def plain_scipy(lines: pl.DataFrame) -> int:
    """Counts of pairs, a tile of products at a time, and the largest of each row."""
    incidence = _coded(lines)
    by_product = incidence.T.tocsr()
    kept = 0
    for start in range(0, by_product.shape[0], TILE):
        counts = (by_product[start : start + TILE] @ incidence).toarray()
        top = np.argpartition(-counts, min(PARTNERS, counts.shape[1] - 1), axis=1)[:, : PARTNERS + 1]
        kept += int((np.take_along_axis(counts, top, axis=1) > 0).sum())
    return kept


CONTENDERS: dict[str, Callable[[pl.DataFrame], int]] = {
    "ours": ours,
    "implicit": implicit,
    "lenskit": lenskit,
    "scipy": plain_scipy,
}


def _coded(lines: pl.DataFrame) -> sparse.csr_matrix:
    """Orders x products, the plain way."""
    orders = lines.select(pl.col("order_id").unique()).with_row_index("row")
    products = lines.select(pl.col("product_id").unique()).with_row_index("column")
    coded = lines.join(orders, on="order_id").join(products, on="product_id")
    ones = np.ones(coded.height, dtype=np.float32)
    return sparse.csr_matrix((ones, (coded["row"].to_numpy(), coded["column"].to_numpy())), (orders.height, products.height))


def _apart(name: str, lines: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.co_purchase", "--contender", name, "--lines", str(lines)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _run(name: str, path: Path) -> None:
    lines = pl.read_parquet(path)
    # modules load before the clock starts
    CONTENDERS[name](lines.head(1_000))
    held = peak_mb()
    spent = cost(lambda: CONTENDERS[name](lines))
    print(json.dumps({"cpu": spent.cpu, "wall": spent.wall, "peak_mb": peak_mb(), "added_mb": peak_mb() - held}))


def peak_mb() -> float:
    """Of this process alone: ru_maxrss would start with what the parent held when it started us."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _row(what: str, found: list[dict[str, float]], implicits: list[dict[str, float]]) -> dict[str, Any]:
    if not found:
        return dict.fromkeys(("what", "wall s", "CPU s", "of implicit's", "peak MB", "of implicit's peak"), "-") | {
            "what": f"{what}: not installed"
        }

    def middle(column: str, rounds: list[dict[str, float]]) -> float:
        return median([each[column] for each in rounds])

    return {
        "what": what,
        "wall s": middle("wall", found),
        "CPU s": middle("cpu", found),
        "of implicit's": middle("cpu", found) / middle("cpu", implicits),
        "peak MB": middle("peak_mb", found),
        "of implicit's peak": middle("peak_mb", found) / middle("peak_mb", implicits),
    }


def _exponent(small: list[dict[str, float]], large: list[dict[str, float]], n_small: int, n_large: int) -> str:
    if not large:
        return ""
    times = median([each["cpu"] for each in large]) / median([each["cpu"] for each in small])
    return f"; ours from {n_small:,} to {n_large:,} baskets: CPU x {times:.1f}, exponent {math.log(times, n_large / n_small):.3f}"


if __name__ == "__main__":
    main()
