"""CPU and peak memory of co-purchase pair statistics beside implicit's CosineRecommender and a plain scipy product.

python -m bench.co_purchase [--baskets N] [--products N] [--rounds N] [--json]

Every contender reads the same order lines from a file and ends with the same number of partners per product, in a process of its
own, so that its peak memory is its own. A second size, ten times smaller, gives the exponent of CPU with rows.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
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
    "scipy": "scipy product and argpartition",
}


def main() -> None:
    """Write the lines, then run the contenders in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--baskets", type=int, default=1_000_000)
    arguments.add_argument("--products", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--contender", choices=WHAT, help=argparse.SUPPRESS)
    arguments.add_argument("--lines", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.contender:
        _run(given.contender, given.lines)
        return
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as folder:
        large, small = (Path(folder) / f"{size}.parquet" for size in ("large", "small"))
        write_lines(large, given.baskets, given.products)
        write_lines(small, given.baskets // 10, given.products)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in WHAT}
        for _ in range(given.rounds):
            for name in WHAT:
                found[name].append({**_apart(name, large), "small_cpu": _apart(name, small)["cpu"]})
        n_lines = pl.scan_parquet(large).select(pl.len()).collect().item()
    show(
        f"pairs of {n_lines:,} lines in {given.baskets:,} baskets, medians of {given.rounds}", [_row(name, found) for name in WHAT]
    )


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


CONTENDERS: dict[str, Callable[[pl.DataFrame], int]] = {"ours": ours, "implicit": implicit, "scipy": plain_scipy}


def _coded(lines: pl.DataFrame) -> sparse.csr_matrix:
    """Orders x products, the plain way."""
    orders = lines.select(pl.col("order_id").unique()).with_row_index("row")
    products = lines.select(pl.col("product_id").unique()).with_row_index("column")
    coded = lines.join(orders, on="order_id").join(products, on="product_id")
    ones = np.ones(coded.height, dtype=np.float32)
    return sparse.csr_matrix((ones, (coded["row"].to_numpy(), coded["column"].to_numpy())), (orders.height, products.height))


def _apart(name: str, lines: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.co_purchase", "--contender", name, "--lines", str(lines)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _run(name: str, path: Path) -> None:
    lines = pl.read_parquet(path)
    # modules load before the clock starts
    CONTENDERS[name](lines.head(1_000))
    held = _peak_mb()
    spent = cost(lambda: CONTENDERS[name](lines))
    print(json.dumps({"cpu": spent.cpu, "wall": spent.wall, "peak_mb": _peak_mb(), "added_mb": _peak_mb() - held}))


def _peak_mb() -> float:
    """Of this process alone: ru_maxrss would start with what the parent held when it started us."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _row(name: str, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    def middle(of: str, column: str) -> float:
        return median([each[column] for each in found[of]])

    return {
        "what": WHAT[name],
        "wall s": middle(name, "wall"),
        "CPU s": middle(name, "cpu"),
        "of implicit's": middle(name, "cpu") / middle("implicit", "cpu"),
        "peak MB": middle(name, "peak_mb"),
        "of implicit's peak": middle(name, "peak_mb") / middle("implicit", "peak_mb"),
        "exponent": math.log10(middle(name, "cpu") / middle(name, "small_cpu")),
    }


if __name__ == "__main__":
    main()
