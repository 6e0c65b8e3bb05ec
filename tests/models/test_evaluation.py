"""What the held-out days decide: what wins goes live, what loses is withheld, what cannot be judged says what it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from flows.progress import silent
from models import rivals, tasks
from models.evaluation import BEST_SELLERS, Evaluation, Verdict, evaluate, held_out_from
from models.features import Features
from models.judging import Comparison, Estimate, Figures
from models.recommenders import RECOMMENDERS, Judged, Recommender
from tests.models.invented import END, features, shuffled

SPLIT = END - timedelta(days=5)


def shop_of_couples(n_orders: int = 1_500) -> Features:
    """Twenty couples of products that are always bought together, over 50 days, with noise."""
    rng = np.random.default_rng(1)
    names = [chr(ord("A") + number) for number in range(40)]
    baskets = []
    for number in range(n_orders):
        couple = 2 * int(rng.integers(20))
        noise = names[rng.integers(40)] if rng.random() < 0.3 else ""
        baskets.append((names[couple] + names[couple + 1] + noise, 50 * (1 - number / n_orders)))
    return features(baskets)


def recommender(kind: str, judged: Judged, products: str) -> Recommender:
    """A kind that shows the same letters under every anchor."""

    def recommend(shop: Features) -> pl.DataFrame:
        lists = pl.DataFrame({"product_id": list(products), "rank": range(1, len(products) + 1)})
        return shop.products.select(pl.col("product_id").alias("anchor_id")).join(lists, how="cross")

    return Recommender(kind, recommend, (), judged=(judged,))


def judged(enough: int = 100, *, trusted: bool = True) -> Judged:
    """Later orders, against best sellers."""
    return Judged("partners", tasks.partners, {BEST_SELLERS: rivals.best_sellers}, enough, "orders", trusted=trusted)


def verdict(shop: Features, row: Recommender, monkeypatch: pytest.MonkeyPatch, gate: float = 1.0) -> Evaluation:
    """An evaluation of one kind."""
    monkeypatch.setattr("models.evaluation.RECOMMENDERS", (row,))
    return evaluate(shop, SPLIT, gate, silent)


def test_what_was_planted_wins() -> None:
    """Couples are found: also-bought beats best sellers by far, and is at least as good as raw counts."""
    found = evaluate(shop_of_couples(), SPLIT, 1.0, silent)
    deciding = found.deciding("also-bought")
    assert deciding is not None and deciding.ours is not None
    assert deciding.wins and deciding.against[BEST_SELLERS].ratio.low > 1.5
    assert deciding.ours.hit_rate.value >= 0.9 * deciding.rivals["raw counts"].hit_rate.value
    assert "also-bought" not in found.withheld()
    assert found.readiness()["also-bought"].endswith(": live")


def test_a_kind_that_loses_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of a product that nobody buys lose, and the line gives the ratio, its interval and the queries."""
    shop = shop_of_couples()
    found = verdict(replace(shop, products=shop.products), recommender("bad", judged(), "?"), monkeypatch)
    assert found.verdicts[0].wins is False
    assert list(found.withheld()) == ["bad"]
    assert "times that of best sellers (" in found.readiness()["bad"]
    assert found.readiness()["bad"].endswith("loses, best sellers are shown")


def test_the_gate_is_the_companys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same kind passes at 1.0 and is withheld where more is asked of it than it reaches."""
    row = Recommender("partners", _counted, (), judged=(judged(),))
    assert verdict(shop_of_couples(), row, monkeypatch).withheld() == {}
    assert list(verdict(shop_of_couples(), row, monkeypatch, gate=50.0).withheld()) == ["partners"]


def _counted(shop: Features) -> pl.DataFrame:
    held_out = tasks.HeldOut(
        shop, shop.products.select(pl.col("product_id").alias("anchor_id")).with_row_index("query_id"), shop.views
    )
    return rivals.raw_counts(held_out, 10).join(held_out.queries, on="query_id").drop("query_id")


@pytest.mark.parametrize(("trusted", "withheld"), [(True, []), (False, ["early"])])
def test_too_few_to_judge_by(trusted: bool, withheld: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the number that it takes, the line says both numbers and what is shown; only a trusted kind is shown meanwhile."""
    found = verdict(shop_of_couples(), recommender("early", judged(10_000, trusted=trusted), "A"), monkeypatch)
    assert found.verdicts[0].wins is None
    assert list(found.withheld()) == withheld
    assert " of the 10,000 orders that it takes to judge it: until then " in found.readiness()["early"]


def test_an_interval_around_the_gate_decides_nothing() -> None:
    """Below the gate with an interval that reaches it is neither won nor lost; an interval wholly below it is lost."""
    judged = Figures(10, 200, *[Estimate(0.2, 0.1, 0.3)] * 3, 0.1, 0.1, 1.0)

    def won(low: float, value: float, high: float) -> bool | None:
        ratio = Comparison(Estimate(value, low, high), Estimate(0, 0, 0))
        return Verdict("k", "t", 200, 100, "orders", 1.0, judged, {BEST_SELLERS: judged}, {BEST_SELLERS: ratio}).wins

    assert [won(0.6, 0.9, 1.3), won(0.6, 0.8, 0.99), won(0.9, 1.0, 1.1)] == [None, False, True]


def test_choices_are_made_before_the_days_that_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """`choose` sees nothing of the held-out days, splits before them, and what it returns reaches `recommend`."""
    seen: list[Features] = []

    def choose(shop: Features, split_at: object) -> dict[str, int]:
        assert shop.baskets.filter(pl.col("ordered_at") >= SPLIT).is_empty()
        assert isinstance(split_at, type(SPLIT)) and split_at < SPLIT
        return {"n": 3}

    def recommend(shop: Features) -> pl.DataFrame:
        seen.append(shop)
        return _counted(shop)

    found = verdict(shop_of_couples(), Recommender("choosy", recommend, (), judged=(judged(),), choose=choose), monkeypatch)
    assert found.choices == {"choosy": {"n": 3}}
    assert [shop.choices for shop in seen] == [{"choosy": {"n": 3}}]


def test_a_rival_that_never_hits_is_still_json() -> None:
    """The ratio over it is no number, which JSON has no word for: null; the difference stays."""
    judged = Figures(10, 200, *[Estimate(0.2, 0.1, 0.3)] * 3, 0.1, 0.1, 1.0)
    over = Comparison(Estimate(np.inf, np.inf, np.inf), Estimate(0.2, 0.1, 0.3))
    row = Verdict("k", "t", 200, 100, "orders", 1.0, judged, {BEST_SELLERS: judged}, {BEST_SELLERS: over})
    found = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert found["against"][BEST_SELLERS]["ratio"] == {"value": None, "low": None, "high": None}
    assert found["against"][BEST_SELLERS]["difference"]["value"] == 0.2 and row.wins


def test_every_kind_is_judged_with_all_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the night: what stands behind a kind's own lists follows another kind's choice, even of a later row."""
    seen: dict[str, list[dict[str, dict[str, int]]]] = {"first": [], "second": []}

    def row(kind: str, choose: Callable[[Features, datetime], dict[str, int]] | None) -> Recommender:
        def recommend(shop: Features) -> pl.DataFrame:
            seen[kind].append(shop.choices)
            return _counted(shop)

        return Recommender(kind, recommend, (), judged=(judged(),), choose=choose)

    rows = (row("first", None), row("second", lambda shop, split_at: {"n": 3}))
    monkeypatch.setattr("models.evaluation.RECOMMENDERS", rows)
    evaluate(shop_of_couples(), SPLIT, 1.0, silent)
    assert seen == {"first": [{"second": {"n": 3}}], "second": [{"second": {"n": 3}}]}


def test_nothing_to_learn_from_is_nothing_judged() -> None:
    """An empty shop, one whose events share an instant, and one whose whole history lies after the split have no figures."""
    for shop in (features(), features(["ab"] * 300)):
        found = evaluate(shop, held_out_from(shop), 1.0, silent, gate_only=True)
        assert all(row.ours is None and row.wins is None for row in found.verdicts)
        assert set(found.readiness()) == {row.kind for row in RECOMMENDERS if row.judged}


def test_a_kind_without_lists_says_what_is_shown_instead() -> None:
    """Nobody viewed anything: the line of a trusted kind does not promise lists that there are not."""
    found = evaluate(shop_of_couples(200), SPLIT, 1.0, silent, gate_only=True)
    assert found.readiness()["frequently-viewed"].endswith("until then its own lists are shown")
    assert found.readiness({"frequently-viewed"})["frequently-viewed"].endswith("until then best sellers are shown")


def test_shuffled_rows_give_the_same_verdicts() -> None:
    """To the last digit, and as JSON."""
    shop = shop_of_couples(400)
    first, second = (evaluate(each, SPLIT, 1.0, silent) for each in (shop, shuffled(shop, 2)))
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())


def test_every_judged_row_names_best_sellers_as_a_rival() -> None:
    """The gate compares with them."""
    assert all(BEST_SELLERS in task.rivals for row in RECOMMENDERS for task in row.judged)


@pytest.mark.parametrize(("span_days", "expected"), [(400, 14), (50, 5), (4, 1), (1, 0.5), (0, 0)])
def test_how_much_is_held_out(span_days: float, expected: float) -> None:
    """A tenth of the history, from one day to 14, never more than half of it."""
    shop = features([("ab", span_days), ("ab", 0.0)])
    assert (END - held_out_from(shop)).total_seconds() / 86_400 == pytest.approx(expected)


def test_verdict_without_queries_as_json() -> None:
    """The document says what there was and what it takes, and nulls for what is not known."""
    document = Verdict("k", "t", 3, 100, "orders", 1.0).to_json()
    assert (document["nQueries"], document["enough"], document["wins"], document["ours"]) == (3, 100, None, None)
