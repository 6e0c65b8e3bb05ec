"""Acceptance rates: shrinkage by hand, and intervals that hold what is true as often as they say."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flows.simulate import simulate
from models.acceptance import (
    CREDIBLE,
    DRAWS,
    EVIDENCE,
    LEAST_CORRELATION,
    LEVELS,
    PRIOR_CORRELATION,
    SCHEMA,
    correlation,
    counted,
    upsell_acceptance,
)
from models.generation import ROWS
from models.recommenders import COLUMNS, faults
from tests.models.invented import QUICK

AT = datetime(2026, 5, 1)
Cell = tuple[str, str, str | None, int, int]


def impressions(cells: list[Cell]) -> pl.DataFrame:
    """Impressions by cell: rule, placement, segment, how many were viewed, how many of them accepted."""
    made = [(*cell[:3], AT, AT if i < cell[4] else None, None) for cell in cells for i in range(cell[3])]
    names = {"rule_id": pl.String, "placement": pl.String, "segment": pl.String}
    instants = dict.fromkeys(("viewed_at", "accepted_at", "declined_at"), pl.Datetime("ms"))
    return pl.DataFrame(made, schema={**names, **instants}, orient="row")


def random_company(seed: int, n_rules: int = 12, size: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Impressions and true rates (rule_id, placement, segment, rate) of a company whose rates spread by a correlation of .03
    over rules around 10 %, .02 over a rule's placements and .02 over their segments."""
    rng = np.random.default_rng(seed)

    def child(rate: float, spread: float) -> float:
        strength = 1 / spread - 1
        return float(np.clip(rng.beta(rate * strength, (1 - rate) * strength), 1e-4, 1 - 1e-4))

    cells, truth = [], []
    for number in range(n_rules):
        of_rule = child(0.1, 0.03)
        for placement in rng.choice(["A", "B", "C"], rng.integers(1, 4), replace=False):
            of_placement = child(of_rule, 0.02)
            for segment in rng.choice(["W", "X", "Y", "Z"], rng.integers(1, 5), replace=False):
                rate, n = child(of_placement, 0.02), int(rng.geometric(1 / size))
                cells.append((f"r{number:02}", str(placement), str(segment), n, int(rng.binomial(n, rate))))
                truth.append((*cells[-1][:3], rate))
    return impressions(cells), pl.DataFrame(truth, schema=["rule_id", "placement", "segment", "rate"], orient="row")


def test_what_counts() -> None:
    """Viewed impressions outside experiments; nobody known is a guest; what was accepted was not declined."""
    rows = [
        ("r", "A", None, AT, AT, AT, None),
        ("r", "A", "X", AT, None, AT, None),
        ("r", "A", "X", AT, None, None, None),
        ("r", "A", "X", AT, AT, None, "exp"),
        ("r", "A", "X", None, AT, None, None),
        (None, "A", "X", AT, AT, None, None),
    ]
    frame = pl.DataFrame(rows, schema=[*impressions([]).columns, "experiment_id"], orient="row", infer_schema_length=None)
    assert counted(frame).rows() == [("r", "A", "GUEST", 1, 1, 0), ("r", "A", "X", 2, 0, 1)]


def test_one_cell_alone() -> None:
    """Nothing to lean on: the company's belief is what its cell is worth as evidence beside one view of one in ten, every row
    says how many views it rests on, and the cell is believed nearer to its own 20 % than the company is."""
    rates = upsell_acceptance(impressions([("r", "A", "X", 100, 20)]))
    assert rates.select("anchor_id", "rank", "placement", "segment", "level").rows() == [
        ("", 1, "", "", LEVELS[0]), ("r", 1, "", "", LEVELS[1]), ("r", 2, "A", "", LEVELS[2]), ("r", 3, "A", "X", LEVELS[3]),
    ]  # fmt: skip
    assert rates["n_viewed"].to_list() == [100] * 4
    assert rates["observed_rate"].to_list() == [0.2] * 4
    company, cell = rates.row(0, named=True), rates.row(3, named=True)
    assert (company["prior_rate"], company["prior_views"]) == (0.1, 1.0)
    assert abs(cell["score"] - 0.2) < abs(company["score"] - 0.2)
    assert cell["prior_views"] < 2
    assert cell["reason"].startswith("20 of 100 views accepted; others say 10.0 %, worth")


def test_few_views_lean_on_their_siblings() -> None:
    """A cell with one view is expected near its siblings' rate, one with thousands at its own, whatever the siblings do."""
    cells: list[Cell] = [(f"r{i}", "A", "X", 1000, 100) for i in range(8)]
    rates = upsell_acceptance(impressions([*cells, ("new", "A", "X", 1, 1), ("known", "A", "X", 5000, 1000)]))
    of_cell = {row["anchor_id"]: row for row in rates.filter(pl.col("level") == LEVELS[3]).iter_rows(named=True)}
    assert 0.1 < of_cell["new"]["score"] < 0.25
    assert of_cell["known"]["score"] == pytest.approx(0.2, abs=0.01)
    assert of_cell["new"]["high"] - of_cell["new"]["low"] > 5 * (of_cell["known"]["high"] - of_cell["known"]["low"])


def test_a_segment_leans_on_its_rule_in_its_placement_first() -> None:
    """A new segment at a placement that does well is expected to do well, though the rule does badly elsewhere."""
    cells: list[Cell] = [("r", "A", s, 500, 150) for s in "XYZ"] + [("r", "B", s, 500, 25) for s in "XYZ"]
    rates = upsell_acceptance(impressions([*cells, ("r", "A", "W", 2, 0), ("r", "B", "W", 2, 0)]))
    at = {row["placement"]: row["score"] for row in rates.filter(segment="W").iter_rows(named=True)}
    assert at["A"] > 0.2
    assert at["B"] < 0.1


def spread_at_the_middle(n: list[int], k: list[int], parent: list[int]) -> float:
    """The correlation at the middle of what is possible."""
    return correlation(np.array(n, float), np.array(k, float), np.array(parent), 0.5)


def test_how_much_siblings_differ() -> None:
    """Rates of 5 % and 15 % in turn have a correlation of .05² / (.1 · .9) = .028 (with n - 1 for n, .029); equal rates have
    none; siblings of different parents are not compared; nothing to compare leaves what is assumed."""
    turns = spread_at_the_middle([10_000] * 40, [500, 1500] * 20, [0] * 40)
    assert turns == pytest.approx(0.0285, rel=0.1)
    equal = spread_at_the_middle([10_000] * 40, [1000] * 40, [0] * 40)
    assert LEAST_CORRELATION <= equal < 0.005
    assert spread_at_the_middle([10_000] * 40, [500, 1500] * 20, [0, 1] * 20) == pytest.approx(equal, rel=0.5)
    alone = spread_at_the_middle([1000, 1000], [50, 150], [0, 1])
    assert PRIOR_CORRELATION < alone < 2 * PRIOR_CORRELATION


def test_many_possible_spreads_are_tried() -> None:
    """The more is possible, the further apart are its values: two siblings say less than forty."""
    shares = (np.arange(DRAWS) + 0.5) / DRAWS

    def width(n_siblings: int) -> float:
        n, k = np.full(n_siblings, 1000.0), np.where(np.arange(n_siblings) % 2, 50.0, 150.0)
        drawn = [correlation(n, k, np.zeros(n_siblings, int), float(share)) for share in shares]
        return max(drawn) / min(drawn)

    assert width(2) > 2 * width(40)


def test_intervals_of_random_companies() -> None:
    """Of 40 companies' cells, nearly CREDIBLE of the true rates lie inside, at every level of evidence, and what is expected is
    nearer to the truth than what was observed."""
    found = []
    for seed in range(40):
        shown, truth = random_company(seed)
        cells = upsell_acceptance(shown).rename({"anchor_id": "rule_id"}).filter(pl.col("level") == LEVELS[3])
        found.append(cells.join(truth, on=["rule_id", "placement", "segment"], validate="1:1"))
    cells = pl.concat(found)
    inside = pl.col("rate").is_between("low", "high").mean()
    share = {few: cells.filter((pl.col("n_viewed") < 30) == few).select(inside).item() for few in (True, False)}
    assert all(CREDIBLE - 0.05 < held < CREDIBLE + 0.05 for held in share.values()), share
    squares = cells.select(((pl.col(name) - pl.col("rate")) ** 2).mean().alias(name) for name in ("score", "observed_rate"))
    assert squares["score"][0] < 0.5 * squares["observed_rate"][0]


def test_intervals_of_the_simulated_shop() -> None:
    """Its true rates by rule and placement are no random draws, and do not depend on the segment: over ten shops at least
    CREDIBLE of them lie inside, of rules in their placements and of segments alike, with 4,000 views and with 80."""
    found = []
    for seed in range(10):
        shop = simulate(500, seed)
        rng = np.random.default_rng(seed)
        segment = pl.Series("segment", rng.choice(["LAPSED_CUSTOMER", "REPEAT_CUSTOMER"], shop["impressions"].height))
        shown = shop["impressions"].with_columns(pl.when(pl.col("customer_id").is_not_null()).then(segment).alias("segment"))
        for n in (shown.height, 80):
            rates = upsell_acceptance(shown.sample(n, seed=seed)).rename({"anchor_id": "rule_id"})
            found.append(rates.join(shop["truth_rules"], on=["rule_id", "placement"]).with_columns(many=pl.lit(n > 80)))
    held = pl.col("acceptance_rate").is_between("low", "high").mean().alias("held")
    shares = pl.concat(found).group_by("level", "many").agg(held)
    assert shares.height == 4
    assert shares.filter(pl.col("held") < CREDIBLE).is_empty(), shares


@QUICK
@given(st.lists(st.tuples(st.sampled_from("rst"), st.sampled_from("AB"), st.sampled_from(["X", None]), st.integers(1, 9),
                          st.integers(0, 9)), max_size=12), st.integers(0, 9))  # fmt: skip
def test_whatever_was_shown(cells: list[Cell], seed: int) -> None:
    """Rates and intervals lie in order in 0..1, the frame is that of every kind of rows, and shuffled impressions say the same."""
    shown = impressions([(*cell[:3], cell[3], min(cell[3], cell[4])) for cell in cells])
    rates = upsell_acceptance(shown)
    assert rates.schema == pl.Schema(SCHEMA)
    assert tuple(rates.columns) == (*COLUMNS, *EVIDENCE)
    assert faults(rates, pl.Series([], dtype=pl.String), ROWS) == []
    ordered = (
        (pl.col("low") >= 0) & (pl.col("low") <= pl.col("score")) & (pl.col("score") <= pl.col("high")) & (pl.col("high") <= 1)
    )
    assert rates.filter(~ordered).is_empty()
    assert_frame_equal(rates, upsell_acceptance(shown.sample(fraction=1, shuffle=True, seed=seed)))
