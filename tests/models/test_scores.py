"""The laws of the scores of a pair, and their values worked by hand."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from models import scores
from tests.models.invented import QUICK

N_XY, N_X, N_Y, N = (pl.col(name) for name in ("n_xy", "n_x", "n_y", "n"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """n_xy, n_x, n_y, n of some 2 x 2 table in which both products were bought."""
    both, x_alone, y_alone, neither = (draw(st.integers(0, 400)) for _ in range(4))
    assume_bought = both + x_alone > 0 and both + y_alone > 0
    return (both, both + x_alone, both + y_alone, both + x_alone + y_alone + neither) if assume_bought else (1, 1, 1, 2)


def value(score: pl.Expr, n_xy: float, n_x: float, n_y: float, n: float = 1.0) -> float:
    """The score of one pair."""
    return float(pl.DataFrame({"n_xy": [n_xy], "n_x": [n_x], "n_y": [n_y], "n": [n]}).select(score).item())


SYMMETRIC = {
    "lift": scores.lift(N_XY, N_X, N_Y, N),
    "expected": scores.expected(N_X, N_Y, N),
    "cosine": scores.discounted(N_XY, N_X, N_Y),
    "jaccard": scores.jaccard(N_XY, N_X, N_Y),
    "llr": scores.llr(N_XY, N_X, N_Y, N),
}
RISING = {name: score for name, score in SYMMETRIC.items() if name != "expected"}


@pytest.mark.parametrize("name", SYMMETRIC)
@QUICK
@given(table=tables())
def test_symmetry(name: str, table: tuple[int, int, int, int]) -> None:
    """X with Y scores as Y with X."""
    n_xy, n_x, n_y, n = table
    assert value(SYMMETRIC[name], n_xy, n_x, n_y, n) == pytest.approx(value(SYMMETRIC[name], n_xy, n_y, n_x, n), abs=1e-6)


@QUICK
@given(table=tables())
def test_bounds(table: tuple[int, int, int, int]) -> None:
    """Jaccard is at most cosine, both lie in 0..1; lift and |LLR| are no less than 0; a share lies in 0..1."""
    jaccard, cosine = value(SYMMETRIC["jaccard"], *table), value(SYMMETRIC["cosine"], *table)
    assert 0 <= jaccard <= cosine + 1e-12
    assert cosine <= 1 + 1e-12
    assert value(SYMMETRIC["lift"], *table) >= 0
    assert math.isfinite(value(SYMMETRIC["llr"], *table))
    assert 0 <= value(scores.share(N_XY, N_X, N_Y / N, 3.0), *table) <= 1


@pytest.mark.parametrize("name", RISING)
@QUICK
@given(table=tables())
def test_one_more_basket_with_both_scores_higher(name: str, table: tuple[int, int, int, int]) -> None:
    """All else equal, a pair that was bought together once more scores no lower."""
    n_xy, n_x, n_y, n = table
    if n_xy < min(n_x, n_y) and n_x + n_y - n_xy <= n:
        assert value(RISING[name], n_xy + 1, n_x, n_y, n) >= value(RISING[name], n_xy, n_x, n_y, n) - 1e-6


@QUICK
@given(x=st.integers(1, 30), y=st.integers(1, 30), scale=st.integers(1, 30))
def test_independent_products_are_no_evidence(x: int, y: int, scale: int) -> None:
    """Where both is exactly what chance makes it, lift is 1, LLR and the corrected score are 0."""
    n, n_x, n_y, n_xy = 900 * scale, 30 * x * scale, 30 * y * scale, x * y * scale
    assert value(SYMMETRIC["lift"], n_xy, n_x, n_y, n) == pytest.approx(1)
    assert value(SYMMETRIC["llr"], n_xy, n_x, n_y, n) == pytest.approx(0, abs=1e-6)
    assert value(scores.corrected(N_XY, scores.expected(N_X, N_Y, N)), n_xy, n_x, n_y, n) == pytest.approx(0)


@QUICK
@given(table=tables())
def test_signs_agree(table: tuple[int, int, int, int]) -> None:
    """LLR is negative exactly where lift is below 1, and never positive there."""
    llr, lift = value(SYMMETRIC["llr"], *table), value(SYMMETRIC["lift"], *table)
    assert llr <= 0 if lift < 1 else llr >= 0


@QUICK
@given(table=tables(), prior=st.floats(0, 1e6))
def test_a_prior_moves_a_share_towards_what_all_buy(table: tuple[int, int, int, int], prior: float) -> None:
    """The shrunk share lies between the product's own and everybody's; without a prior it is the product's own."""
    n_xy, n_x, n_y, n = table
    own, everybody = n_xy / n_x, n_y / n
    shrunk = value(scores.share(N_XY, N_X, N_Y / N, prior), *table)
    assert min(own, everybody) - 1e-9 <= shrunk <= max(own, everybody) + 1e-9
    assert value(scores.share(N_XY, N_X, N_Y / N), *table) == pytest.approx(own)


def test_a_share_of_nothing_is_nothing() -> None:
    """A product of no weight and no prior has no share, instead of a division by zero."""
    frame = pl.DataFrame({"n_xy": [0.0], "n_x": [0.0], "share": [0.1]})
    assert frame.select(scores.share(N_XY, N_X, pl.col("share"))).item() is None
    assert frame.select(scores.share(N_XY, N_X, pl.col("share"), 5.0)).item() == pytest.approx(0.1)


def test_discount_goes_from_raw_count_to_lift() -> None:
    """d = 0 is the count, d = .5 cosine, d = 1 lift without N."""
    assert [value(scores.discounted(N_XY, N_X, N_Y, d), 6, 4, 9) for d in (0.0, 0.5, 1.0)] == pytest.approx([6, 1, 1 / 6])


def test_worked_example() -> None:
    """N = 10, N_X = 4, N_Y = 5, N_XY = 3: two expected by chance, 1.5 times as often, 3 of 6 with either, LLR 1.70."""
    table = (3, 4, 5, 10)
    assert value(SYMMETRIC["expected"], *table) == 2.0
    assert value(SYMMETRIC["lift"], *table) == 1.5
    assert value(SYMMETRIC["jaccard"], *table) == 0.5
    by_cells = 2 * (3 * math.log(1.5) + 1 * math.log(0.5) + 2 * math.log(2 / 3) + 4 * math.log(4 / 3))
    assert value(SYMMETRIC["llr"], *table) == pytest.approx(by_cells)
    assert value(scores.corrected(N_XY, scores.expected(N_X, N_Y, N)), *table) == pytest.approx(1 / math.sqrt(2))


def test_dunnings_example() -> None:
    """ "the swiss" in Dunning's table 1: 110, 2442, 111, 29114 make -2 log lambda 270.72."""
    assert value(SYMMETRIC["llr"], 110, 110 + 2442, 110 + 111, 110 + 2442 + 111 + 29114) == pytest.approx(270.72, abs=0.01)


def test_levels_of_significance() -> None:
    """The gates are the quantiles of chi-square with one degree of freedom at p = .05 and .001."""
    assert pytest.approx(chi2.isf(0.05, 1), abs=1e-6) == scores.SIGNIFICANT_LLR
    assert pytest.approx(chi2.isf(0.001, 1), abs=1e-6) == scores.HIGHLY_SIGNIFICANT_LLR


def test_expected_of_others() -> None:
    """X in a basket with one other product and in two with three, Y a tenth of all: .1 + 2 * (1 - .9^3) = .642."""
    pairs = pl.DataFrame({"anchor_id": ["x", "alone", "x"], "product_id": ["y", "y", "z"], "share_y": [0.1, 0.1, 0.0]})
    sizes = pl.DataFrame({"anchor_id": ["x", "x"], "others": [1, 3], "n": [1, 2]})
    assert scores.expected_of_others(pairs, sizes).to_list() == pytest.approx([0.642, 0.0, 0.0])


@QUICK
@given(share=st.floats(0, 1), others=st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_more_others_make_more_chance(share: float, others: list[int]) -> None:
    """E_XY lies between no basket and every basket of X, and does not fall when a basket grows."""
    pairs = pl.DataFrame({"anchor_id": ["x"], "share_y": [share]})

    def expected(sizes: list[int]) -> float:
        return float(scores.expected_of_others(pairs, pl.DataFrame({"anchor_id": "x", "others": sizes, "n": [1] * len(sizes)}))[0])

    assert -1e-9 <= expected(others) <= len(others) + 1e-9
    assert expected(others) <= expected([size + 1 for size in others]) + 1e-9
