"""Rivals of the reorder intervals, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.reorder_gaps import gaps, purchase_days
from models.reorder_rivals import RIVALS, modified_poisson_gamma, naive_cut
from tests.models.invented import END
from tests.models.shops_of_customers import shop_of


def closed(*gaps_of: tuple[str, str, list[int]]) -> pl.DataFrame:
    """Known gaps: customers, products and the days between their purchases, oldest first."""
    purchases = [
        (customer, product, float(sum(days[number:]))) for customer, product, days in gaps_of for number in range(len(days) + 1)
    ]
    return gaps(purchase_days(shop_of(purchases).baskets), END).filter(~pl.col("is_open"))


ASKED = pl.DataFrame({"customer_id": ["x", "new"], "product_id": ["a", "new"]})
KNOWN = closed(("x", "a", [10, 20, 60]), ("x", "b", [40]), ("y", "a", [30]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("global median", [30, 30]), ("product median", [25, 30]), ("customer median", [30, 30]), ("pair median", [20, 30]),
     ("naive cut of the mean", [30.4, 30.4])],
)  # fmt: skip
def test_worked_medians(name: str, expected: list[float]) -> None:
    """Each takes the gaps that it is named after; what nothing is known of takes all."""
    assert RIVALS[name](KNOWN, ASKED) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "days"), [(9, 7), (10, 14), (21, 30.4), (45, 60.8), (74, 60.8), (75, 91.3)])
def test_where_the_mean_is_cut(mean: int, days: float) -> None:
    """At 10, 21, 45 and 75 days a rarer frequency begins."""
    assert naive_cut(closed(("x", "a", [mean])), ASKED.head(1)) == pytest.approx([days])


def test_poisson_gamma_reaches_ln_2() -> None:
    """The rate of the paper, integrated by small steps up to the answer, comes to ln 2; here with the fitted alpha and beta."""
    known = closed(*((f"c{number}", "a", [10 + number] * (1 + number % 3)) for number in range(12)))
    told = modified_poisson_gamma(known, known.select("customer_id", "product_id").unique(maintain_order=True))
    pairs = known.group_by("customer_id", maintain_order=True).agg(pl.col("days").sum(), pl.len().alias("n"))
    rates = (pairs["n"] / pairs["days"]).to_numpy()
    spread = np.log(rates.mean()) - np.log(rates).mean()
    shape = (3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread)
    rate = shape / rates.mean()
    for answer, (days, n) in zip(told, pairs.select("days", "n").iter_rows(), strict=True):
        t = (np.arange(200_000) + 0.5) * answer / 200_000
        mean = days / n
        gone = np.where(t < 2 * mean, 2 * np.abs(mean - t), t)
        hazard = (n + 1 + shape) / (days + gone + rate)
        assert hazard.mean() * answer == pytest.approx(np.log(2), rel=1e-3)


def test_every_rival_answers_without_any_gap() -> None:
    """A shop in which nothing was bought twice breaks none of them that say what all gaps say."""
    for name, rival in RIVALS.items():
        if name != "modified Poisson-Gamma":
            assert len(rival(KNOWN.clear(), ASKED)) == 2
