"""The simulated shop: its planted truths can be found again, and the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.load import load
from flows.settings import Settings
from flows.simulate import DAYS, END, simulate, write
from flows.simulate_truth import check
from tests.flows.test_load import asked

LINES = 60_000


@pytest.fixture(scope="module")
def shop() -> dict[str, pl.DataFrame]:
    """One shop for the suite."""
    return simulate(LINES, seed=7)


def test_plain_counting_finds_what_was_planted(shop: dict[str, pl.DataFrame]) -> None:
    """Nearly all planted pairs lead their anchor's partners, no decoy does, intervals and rates lie where they were put."""
    found = check(shop)
    assert found["pairs_found"] >= 0.97 and found["views_found"] >= 0.95 and found["decoys_found"] == 0
    assert found["interval_error"] < 0.06
    assert found["acceptance_z"] < 4 and found["variant_z"] < 4


def test_conditional_probabilities_are_as_planted(shop: dict[str, pl.DataFrame]) -> None:
    """Over all planted pairs, the share of an anchor's counted orders with its partner is the planted one."""
    sold = shop["orders"].filter(~pl.col("is_cancellation"), pl.col("environment") == "production")
    sold = sold.filter(~pl.col("status").cast(pl.String).is_in(["CANCELED", "REFUNDED"])).select("order_id", "product_id")
    planted = shop["truth_pairs"].filter(pl.col("kind") == "bought_together")
    anchors = sold.join(planted, left_on="product_id", right_on="anchor_id")
    both = anchors.join(sold, left_on=["order_id", "product_id_right"], right_on=["order_id", "product_id"], how="semi")
    assert both.height / anchors.height == pytest.approx(anchors["conditional_probability"].mean(), abs=0.02)


@pytest.mark.parametrize("lines", [500, 2_000, 20_000])
def test_the_size_is_what_was_asked_for(lines: int) -> None:
    """Sold lines are exactly as many as asked; returns come on top, about one in a hundred; each id is used once."""
    frames = simulate(lines, seed=3)
    sold = frames["orders"].filter(~pl.col("is_cancellation"))
    assert sold.height == lines and 0 < frames["orders"].height - lines <= lines * 0.011
    assert sold.select("order_id", "product_id").is_unique().all() and frames["products"]["product_id"].is_unique().all()
    assert 0.5 * lines < frames["views"].height < 1.5 * lines


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every file is equal byte for byte with equal arguments, and another seed gives another shop."""

    def digests(name: str, seed: int) -> dict[str, str]:
        write(simulate(2_000, seed), tmp_path / name)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / name).iterdir()}

    first = digests("a", 1)
    assert digests("b", 1) == first and len(first) == 18
    other = digests("c", 2)
    assert all(
        other[name] != first[name] for name in ("orders.parquet", "views.parquet", "truth_pairs.parquet", "impressions.parquet")
    )


def test_time_is_an_argument(shop: dict[str, pl.DataFrame]) -> None:
    """All events lie in the days before the given end, whatever the clock says; a zone of the end is converted."""
    last = shop["orders"]["ordered_at"].max()
    assert isinstance(last, datetime) and END.replace(tzinfo=None) - timedelta(days=2) < last < END.replace(tzinfo=None)
    first = shop["views"]["viewed_at"].min()
    assert isinstance(first, datetime) and first >= END.replace(tzinfo=None) - timedelta(days=DAYS)
    early = datetime(2020, 1, 1, tzinfo=UTC)
    assert simulate(500, end=early)["orders"].equals(simulate(500, end=early.astimezone())["orders"])


def test_everyone_is_there(shop: dict[str, pl.DataFrame]) -> None:
    """Guests, new and repeat customers, wholesale baskets, refunded, canceled and sandbox orders, zipf-like popularity."""
    sold = shop["orders"].filter(~pl.col("is_cancellation"))
    orders = sold.group_by("order_id").agg(
        pl.col("customer_id").first(), pl.len(), pl.col("status").first(), pl.col("environment").first()
    )
    assert 0.08 < orders["customer_id"].null_count() / orders.height < 0.2
    per_customer = orders.drop_nulls("customer_id").group_by("customer_id").len()["len"]
    assert (per_customer == 1).sum() > 100 and (per_customer > 5).sum() > 100
    assert (orders["len"] > 14).sum() > 10
    assert {"REFUNDED", "CANCELED"} < set(orders["status"]) and 0 < (orders["environment"] == "sandbox").mean() < 0.03
    counts = sold.group_by("product_id").len()["len"].sort(descending=True)
    assert counts.head(counts.len() // 10).sum() > 3 * counts.tail(counts.len() // 2).sum() / 5


def test_load_takes_every_file(settings: Settings, tmp_path: Path) -> None:
    """The written files load whole, in the formats of `load`: nothing is quarantined but what is planted as bad, nothing."""
    files = write(simulate(2_000, seed=1), tmp_path / "shop")
    report = load(settings, "simulated", files)
    assert set(report.files) == {
        "products", "rules", "experiments", "orders", "views", "carts", "cart_items", "subscriptions", "impressions", "exposures",
    }  # fmt: skip
    assert all(part.quarantined == {} and part.loaded == part.rows and not part.ignored_columns for part in report.files.values())
    truth = json.loads((tmp_path / "shop" / "truth.json").read_text())
    assert set(truth) == {"pairs", "rules", "variants", "holdout", "dirt", "intervals"}
    assert asked(settings, 'select count(*) as n from "Order" where "environment" = \'sandbox\'')[0]["n"] > 0


def test_too_few_lines_are_refused() -> None:
    """Below 500 lines nothing could be planted, and the smallest shop says so where it has too little to ask."""
    with pytest.raises(ValueError, match="499"):
        simulate(499)
    assert all(math.isnan(value) or value >= 0 for value in check(simulate(500)).values())
