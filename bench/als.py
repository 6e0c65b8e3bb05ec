"""ALS beside bare `implicit`: fitting, and the best products of all customers, each contender in a process of its own.

python -m bench.als [--customers N] [--products N] [--events N] [--top N] [--rounds N] [--json]

Events are drawn by 50 tastes whose products follow a zipf law; customers have what they bought left out. Rounds are interleaved
and medians shown; peak MB is that of the process less what it held before the work began. Overlap is the share of the rival's
products that ours has too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from bench.measure import cost, median, show
from models import als

TASTES = 50


def events(n_customers: int, n_products: int, n_events: int) -> sparse.csr_matrix:
    """Customers x products, 1 where there is an event."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, n_products + 1)
    tastes = np.array([rng.permutation(n_products) for _ in range(TASTES)])
    customer = rng.integers(0, n_customers, n_events)
    rank = rng.choice(n_products, n_events, p=share / share.sum())
    # every other event is of what everybody buys
    product = np.where(rng.random(n_events) < 0.5, rank, tastes[customer % TASTES, rank])
    matrix = sparse.csr_matrix((np.ones(n_events, np.float32), (customer, product)), (n_customers, n_products))
    matrix.sum_duplicates()
    return matrix


def bare_fit(bought: sparse.csr_matrix) -> AlternatingLeastSquares:
    """`implicit` as one would call it, with our settings."""
    weights = bought.copy()
    weights.data = 1 + als.ALPHA * weights.data
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            als.FACTORS, als.REGULARIZATION, alpha=1.0, iterations=als.ITERATIONS, random_state=als.SEED
        )
        model.fit(weights, show_progress=False)
    return model


def loaded(folder: Path) -> tuple[sparse.csr_matrix, als.Factors]:
    """What the contenders work on."""
    saved = np.load(folder / "factors.npz")
    return sparse.load_npz(folder / "events.npz"), als.Factors(saved["customers"], saved["products"])


def work(name: str, folder: Path, top: int) -> Callable[[], Any]:
    """What a contender is asked to do."""
    bought, factors = loaded(folder)
    if name == "fit, ours":
        return lambda: als.fit(bought)
    if name == "fit, implicit":
        return lambda: bare_fit(bought)
    if name == "recommend, ours":
        return lambda: als.recommend_all(factors.customers, als.by_norm(factors.products), top, bought)[0]
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(als.FACTORS)
    model.user_factors, model.item_factors = factors.customers, factors.products
    everybody = np.arange(len(factors.customers))
    return lambda: model.recommend(everybody, bought, N=top, filter_already_liked_items=True)[0]


CONTENDERS = ("fit, ours", "fit, implicit", "recommend, ours", "recommend, implicit")


def contend(name: str, folder: Path, top: int) -> None:
    """One contender, once: its cost on standard output, its lists in the folder."""
    task, answers = work(name, folder, top), []
    before = peak_mb()
    spent = cost(lambda: answers.append(task()))
    if name.startswith("recommend"):
        np.save(folder / f"{name}.npy", answers[0])
    print(json.dumps({"wall": spent.wall, "cpu": spent.cpu, "peak": peak_mb() - before}))


def peak_mb() -> float:
    """Peak resident memory of this process; getrusage would tell of the process that started it as well."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def overlap(folder: Path) -> float:
    """Share of the rival's products, over all customers, that ours has for the same customer."""
    ours, rival = (np.load(folder / f"recommend, {name}.npy") for name in ("ours", "implicit"))
    return float(np.mean([np.isin(theirs, mine).mean() for mine, theirs in zip(ours, rival, strict=True)]))


def main() -> None:
    """Draw events, fit once for all, then let the contenders work in turn."""
    parser = argparse.ArgumentParser("python -m bench.als", description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        contend(given.contender, given.folder, given.top)
        return
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as name:
        folder = Path(name)
        bought = events(given.customers, given.products, given.events)
        factors = als.fit(bought)
        sparse.save_npz(folder / "events.npz", bought)
        np.savez(folder / "factors.npz", customers=factors.customers, products=factors.products)
        rows = measured(folder, given.top, given.rounds)
    show(f"ALS: {given.customers:,} customers x {given.products:,} products, {bought.nnz:,} pairs, top {given.top}", rows)


def measured(folder: Path, top: int, rounds: int) -> list[dict[str, Any]]:
    """Medians of each contender beside its rival's."""
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            command = [sys.executable, "-m", "bench.als", "--contender", name, "--folder", str(folder), "--top", str(top)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            costs[name].append(json.loads(done.stdout))
    rows = []
    for name in CONTENDERS:
        medians = {unit: median([each[unit] for each in costs[name]]) for unit in ("wall", "cpu", "peak")}
        rival = median([each["wall"] for each in costs[f"{name.partition(',')[0]}, implicit"]])
        shared = overlap(folder) if name == "recommend, ours" else None
        rows.append(
            {
                "what": name,
                "wall s": medians["wall"],
                "CPU s": medians["cpu"],
                "peak MB": round(medians["peak"]),
                "rival's wall / this": rival / medians["wall"],
                "overlap": shared if shared is None else round(shared, 4),
            }
        )
    return rows


if __name__ == "__main__":
    main()
