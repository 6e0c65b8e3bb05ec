"""From partitions to features."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.derive import UNKNOWN_PRODUCTS, derive, read_features
from flows.layout import features_key
from flows.object_store import FileStore
from models.features import Features
from models.snapshot import Partition, Snapshot, instant
from tests.models.invented import BASKET, END, VIEW, products

LINE = {
    "order_id": pl.String,
    "customer_id": pl.String,
    "product_id": pl.String,
    "quantity": pl.Int64,
    "unit_price_cents": pl.Int64,
    "ordered_at": pl.Datetime("us", "UTC"),
}
MEMBERS = {"order_lines": LINE, "views": VIEW}
NIGHT = END + timedelta(hours=12)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """An empty store."""
    return FileStore(tmp_path)


def line(order: str, product: str, quantity: int = 1, cents: int = 1000, at: datetime = END, **more: Any) -> dict[str, Any]:
    """One order line."""
    return {
        "order_id": order,
        "product_id": product,
        "quantity": quantity,
        "unit_price_cents": cents,
        "ordered_at": at,
        **more,
    }


def view(session: str, product: str, at: datetime = END) -> dict[str, Any]:
    """One view."""
    return {"session_id": session, "product_id": product, "source": "DIRECT", "viewed_at": at}


def snapshot(store: FileStore, catalogue: dict[str, dict[str, Any]], **members: list[list[dict[str, Any]]]) -> Snapshot:
    """A snapshot with one partition per list of rows."""

    def put(key: str, frame: pl.DataFrame) -> str:
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        store.put(key, buffer.getvalue())
        return key

    partitions = {
        member: [
            Partition(f"2026-05-{day:02}", put(f"{member}/{day}", pl.DataFrame(rows, schema=schema)), len(rows), 0, "f")
            for day, rows in enumerate(members.get(member, []), start=1)
        ]
        for member, schema in MEMBERS.items()
    }
    config = {"alsoBought": {"maxResults": 3, "lookbackDays": 1}}
    return Snapshot("shop", instant(NIGHT), "EUR", partitions, put("products", products(catalogue)), config)


def derived(store: FileStore, made: Snapshot) -> Features:
    """Features after one derivation."""
    derive(store, made)
    return read_features(store, made)


def entries(features: Features) -> list[tuple[str, str, int]]:
    """order, product and units of every basket entry."""
    return features.baskets.select("order_id", "product_id", "quantity").rows()


def test_lines_of_one_product_in_an_order_are_one_entry(store: FileStore) -> None:
    """Units are added; the entry has the order's instant; other orders stay apart."""
    made = snapshot(store, {"a": {}, "b": {}}, order_lines=[[line("1", "a", 2), line("1", "a", 3), line("1", "b"), line("2", "a")]])
    assert entries(derived(store, made)) == [("1", "a", 5), ("1", "b", 1), ("2", "a", 1)]


def test_unknown_products_are_set_aside(store: FileStore) -> None:
    """A line or view of a product that the company does not have is counted, kept with its reason, and in no basket."""
    made = snapshot(
        store, {"a": {}}, order_lines=[[line("1", "a"), line("1", "theirs")]], views=[[view("s", "a"), view("s", "theirs")]]
    )
    counts = derive(store, made)
    assert counts == {"baskets": 1, "views": 1, "products": 1, "subscriptions": 0, "impressions": 0, UNKNOWN_PRODUCTS: 2}
    aside = pl.read_parquet(store.fetch(features_key("shop", NIGHT, UNKNOWN_PRODUCTS)))
    assert aside.select("member", "product_id", "reason").rows() == [
        ("order_lines", "theirs", "unknown product"),
        ("views", "theirs", "unknown product"),
    ]
    features = read_features(store, made)
    assert {*features.baskets["product_id"], *features.views["product_id"]} == {"a"}


def test_what_was_given_away_is_no_purchase(store: FileStore) -> None:
    """A free line of a product that has a price was no choice; a product that costs nothing, or has no price, was one."""
    catalogue = {"gift": {}, "sample": {"price_cents": 0}, "unpriced": {"price_cents": None}, "a": {}}
    lines = [line("1", "a"), line("1", "gift", cents=0), line("1", "sample", cents=0), line("1", "unpriced", cents=0)]
    made = snapshot(store, catalogue, order_lines=[[*lines, line("2", "gift", cents=0)]])
    assert entries(derived(store, made)) == [("1", "a", 1), ("1", "sample", 1), ("1", "unpriced", 1)]


def test_a_paid_and_a_free_line_of_one_product(store: FileStore) -> None:
    """Two for the price of one: the paid unit counts, the free one does not."""
    made = snapshot(store, {"a": {}}, order_lines=[[line("1", "a", 1), line("1", "a", 1, cents=0)]])
    assert entries(derived(store, made)) == [("1", "a", 1)]


def test_an_empty_shop(store: FileStore) -> None:
    """Nothing at all still has every column with its type; its window ends at the watermark."""
    features = derived(store, snapshot(store, {}))
    assert features.baskets.schema == pl.Schema(BASKET)
    assert features.views.schema == pl.Schema(VIEW)
    assert (features.baskets.height, features.views.height, features.products.height) == (0, 0, 0)
    assert features.window_end == NIGHT


def test_days_without_rows(store: FileStore) -> None:
    """Empty partitions are no hindrance, alone or among others."""
    assert entries(derived(store, snapshot(store, {"a": {}}, order_lines=[[], []]))) == []
    made = snapshot(store, {"a": {}}, order_lines=[[], [line("1", "a")], []])
    assert entries(derived(store, made)) == [("1", "a", 1)]


def test_views_only(store: FileStore) -> None:
    """A shop that was only looked at has its views, and its window ends with the last of them."""
    made = snapshot(store, {"a": {}}, views=[[view("s", "a", END - timedelta(days=3)), view("s", "a", END - timedelta(days=9))]])
    features = derived(store, made)
    assert features.baskets.is_empty()
    assert features.views["viewed_at"].to_list() == [END - timedelta(days=9), END - timedelta(days=3)]
    assert features.window_end == END - timedelta(days=3)


@pytest.mark.parametrize(("ordered", "viewed"), [(0, 5), (5, 0)])
def test_the_window_ends_with_the_last_event(store: FileStore, ordered: int, viewed: int) -> None:
    """The later of the last order and the last view, not the watermark."""
    made = snapshot(
        store,
        {"a": {}},
        order_lines=[[line("1", "a", at=END - timedelta(days=ordered))]],
        views=[[view("s", "a", END - timedelta(days=viewed))]],
    )
    assert derived(store, made).window_end == END


def test_an_event_of_an_unknown_product_ends_no_window(store: FileStore) -> None:
    """What was set aside has no say."""
    made = snapshot(store, {"a": {}}, order_lines=[[line("1", "a", at=END - timedelta(days=2)), line("2", "theirs", at=END)]])
    assert derived(store, made).window_end == END - timedelta(days=2)


def test_configuration_is_the_snapshots_over_the_defaults(store: FileStore) -> None:
    """What the company set, and the defaults for the rest."""
    features = derived(store, snapshot(store, {}))
    assert (features.config.also_bought["maxResults"], features.config.also_bought["minCoOccurrences"]) == (3, 5)
    assert features.config.ignored == ["alsoBought.lookbackDays"]


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    """However the rows are spread over partitions and ordered within them, the features are the same bytes."""
    lines = [line(str(number % 4), "ab"[number % 2], number + 1) for number in range(8)]
    views = [
        {**view("s", "ab"[number % 2], END - timedelta(hours=number // 4)), "customer_id": f"c{number}"} for number in range(9)
    ]
    contents = []
    for name, days, seen in (("one", [lines], [views]), ("two", [lines[:1], lines[:0:-1]], [views[5:], views[:5]])):
        store = FileStore(tmp_path / name)
        derive(store, snapshot(store, {"a": {}, "b": {}}, order_lines=days, views=seen))
        contents.append([store.get(features_key("shop", NIGHT, member)) for member in ("baskets", "views", "products")])
    assert contents[0] == contents[1]


def test_deriving_again_replaces(store: FileStore) -> None:
    """The features of a watermark are those of its newest snapshot."""
    assert entries(derived(store, snapshot(store, {"a": {}}, order_lines=[[line("1", "a")]]))) == [("1", "a", 1)]
    assert entries(derived(store, snapshot(store, {"a": {}}, order_lines=[[line("2", "a")]]))) == [("2", "a", 1)]
