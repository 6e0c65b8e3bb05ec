"""Held-out tasks: nothing of the held-out days is in training, and each asks for what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest

from models import tasks
from models.features import Features
from tests.models.invented import END, features, random_features, shuffled

SPLIT = END - timedelta(days=5)
BY_TIME = [
    tasks.partners,
    tasks.new_products,
    tasks.repeated_products,
    tasks.next_views,
    tasks.next_views_with_repeats,
    tasks.next_orders,
    tasks.also_viewed,
]
every = pytest.mark.parametrize("task", BY_TIME, ids=lambda task: task.__name__)


def with_customers(shop: Features, *customers: str) -> Features:
    """The shop's orders, dealt to the customers in turn."""
    orders = shop.baskets.select("order_id").unique(maintain_order=True)
    owners = pl.DataFrame(
        {"order_id": orders["order_id"], "customer_id": [customers[n % len(customers)] for n in range(orders.height)]}
    )
    baskets = shop.baskets.drop("customer_id").join(owners, on="order_id").select(shop.baskets.columns)
    return Features(shop.company, shop.window_end, baskets, shop.views, shop.products, shop.config)


def asked(held_out: tasks.HeldOut) -> list[tuple[str, str]]:
    """Anchor and wanted product of each query."""
    rows = held_out.queries.join(held_out.truth, on="query_id").sort("query_id", "product_id")
    return list(zip(rows["anchor_id"], rows["product_id"], strict=True))


@every
@pytest.mark.parametrize("seed", range(10))
def test_training_ends_where_the_held_out_days_begin(task: object, seed: int) -> None:
    """No event at or after the split is in training, each query has a truth, only eligible products are wanted, and the order
    of the rows says nothing."""
    assert callable(task)
    shop = random_features(seed)
    held_out = task(shop, SPLIT)
    assert held_out.train.baskets.filter(pl.col("ordered_at") >= SPLIT).is_empty()
    assert held_out.train.views.filter(pl.col("viewed_at") >= SPLIT).is_empty()
    assert set(held_out.truth["query_id"]) == set(held_out.queries["query_id"])
    assert set(held_out.truth["product_id"]) <= set(shop.eligible()["product_id"])
    assert held_out.queries["query_id"].is_unique().all()
    again = task(shuffled(shop, seed), SPLIT)
    assert asked(again) == asked(held_out)


def test_partners_are_one_pair_per_order() -> None:
    """Each later order with two products gives one ordered pair of its own products."""
    held_out = tasks.partners(features([("abc", 1), ("de", 2), ("a", 1), ("xyz", 9)]), SPLIT)
    pairs = asked(held_out)
    assert len(pairs) == 2
    assert all({anchor, partner} < set("abc") or {anchor, partner} == set("de") for anchor, partner in pairs)


def test_a_share_of_the_orders() -> None:
    """About the share is held out, the rest is in training, and both together are all orders of the window."""
    shop = features([("ab", 1.0)] * 500 + [("cd", 200.0)] * 50)
    held_out = tasks.partners_of_share(shop, 0.2)
    n_train = held_out.train.baskets["order_id"].n_unique()
    assert held_out.queries.height + n_train == 550
    assert 70 <= held_out.queries.height <= 130
    # orders before the window are never asked for
    assert {anchor for anchor, _ in asked(held_out)} == {"a", "b"}


def test_new_and_repeated_products() -> None:
    """Ann bought a and b, then b and c: c is new to her, b is repeated. Bob was unknown before the split and asks for nothing."""
    shop = with_customers(features([("ab", 9), ("x", 8), ("bc", 1), ("yz", 1)]), "ann", "x")
    shop = Features(shop.company, shop.window_end, shop.baskets, shop.views, shop.products, shop.config)
    assert ("ann", "c") in asked(tasks.new_products(shop, SPLIT))
    assert asked(tasks.repeated_products(shop, SPLIT)) == [("ann", "b")]
    stranger = with_customers(features([("ab", 9), ("bc", 1)]), "ann", "bob")
    assert asked(tasks.new_products(stranger, SPLIT)) == []


def session(*products: str, start_days: float = 1.0) -> list[tuple[str, str, float]]:
    """One session's views, a minute apart."""
    return [("s", product, start_days - minute / 1440) for minute, product in enumerate(products)]


def test_next_views_by_hand() -> None:
    """a, b, b, a, c: reloads are no step; b and c are new to the session, the return to a counts only with repeats."""
    shop = features((), session("a", "b", "b", "a", "c"))
    new = tasks.next_views(shop, SPLIT)
    assert new.queries["viewed"].to_list() == [["a"], ["a", "b", "a"]]
    assert asked(new) == [("a", "b"), ("a", "c")]
    assert asked(tasks.next_views_with_repeats(shop, SPLIT)) == [("a", "b"), ("b", "a"), ("a", "c")]


def test_a_session_that_began_before_the_split_is_not_asked() -> None:
    """Its earlier half is in training."""
    held_out = tasks.next_views(features((), [("s", "a", 5.001), ("s", "b", 4.999)]), SPLIT)
    assert held_out.queries.is_empty() and held_out.train.views.height == 1


def test_an_idle_half_hour_ends_a_visit() -> None:
    """Two views 31 minutes apart are two visits: neither leads to the other."""
    shop = features((), [("s", "a", 1.0), ("s", "b", 1.0 - 31 / 1440), ("s", "c", 1.0 - 60 / 1440)])
    assert shop.sessions()["visit_id"].n_unique() == 2
    assert asked(tasks.next_views(shop, SPLIT)) == [("b", "c")]


def test_what_later_orders_hold() -> None:
    """Each later order is one question to the whole shop; where nothing was ever ordered, each later visit is."""
    assert asked(tasks.next_orders(features([("ab", 1), ("c", 9)]), SPLIT)) == [("", "a"), ("", "b")]
    assert asked(tasks.next_orders(features((), session("a", "b")), SPLIT)) == [("", "a"), ("", "b")]


def test_at_most_so_many_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large shop is judged by a fixed sample."""
    monkeypatch.setattr(tasks, "MAX_QUERIES", 7)
    shop = features([("ab", 1)] * 50)
    assert tasks.partners(shop, SPLIT).queries.height == 7
    assert asked(tasks.partners(shop, SPLIT)) == asked(tasks.partners(shuffled(shop, 1), SPLIT))


@pytest.mark.parametrize("task", [tasks.next_views, tasks.next_views_with_repeats, tasks.also_viewed, tasks.next_orders])
def test_bots_are_not_asked_for(task: Callable[[Features, datetime], tasks.HeldOut]) -> None:
    """A crawler's visit of ten thousand views asks nothing (beside each of its views all earlier ones took 5 GB)."""
    crawl = [("bot", f"p{view % 300}", 3 - view / 86_400) for view in range(10_000)]
    one = task(features((), session("a", "b")), SPLIT)
    assert asked(task(features((), session("a", "b") + crawl), SPLIT)) == asked(one) != []


def test_a_visit_up_to_the_limits_is_a_persons() -> None:
    """Fifty products in 200 views count, one view more and the visit asks nothing."""
    for n_views, n_asked in ((200, 199), (201, 0)):
        visit = [("s", f"p{view % 50}", 3 - view / 86_400) for view in range(n_views)]
        assert tasks.next_views_with_repeats(features((), visit), SPLIT).queries.height == n_asked
