"""Shops of all kinds through a whole night: lists, evidence recounted from the files, and what the company's rules leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.connections import postgres
from flows.errors import CheckFailed
from flows.evaluate import evaluate_company
from flows.load import LoadFiles, load
from flows.nightly import CompanyNight, company_night
from flows.object_store import open_store
from flows.progress import silent
from flows.publish import read_kind, read_manifest
from flows.settings import Settings
from models.co_occurrence import MAX_BASKET_PRODUCTS
from models.generation import ROWS

SHARED = Path(__file__).parents[3] / "shared" / "data"
NOON = datetime(2026, 5, 1, 12)
WATERMARK = datetime(2026, 6, 1, tzinfo=UTC)
ODD_IDS = [
    "it's",
    'say "hi"',
    "a/b",
    "../etc",
    "100%",
    "?x=1&y",
    "#f",
    "日本語",
    "🎂",
    "tab\tin",
    "new\nline",
    "back\\slash",
    "null",
    ".",
]


@dataclass(frozen=True)
class Shop:
    """The files of a shop as frames."""

    orders: pl.DataFrame | None = None
    views: pl.DataFrame | None = None
    products: pl.DataFrame | None = None

    def write(self, folder: Path) -> LoadFiles:
        """Write them."""
        paths = {}
        for name in ("orders", "views", "products"):
            frame = getattr(self, name)
            if frame is not None:
                frame.write_parquet(folder / f"{name}.parquet")
                paths[name] = folder / f"{name}.parquet"
        return LoadFiles(**paths)


def orders_of(ids: list[str], n_orders: int = 120, customer: str | None = "c") -> pl.DataFrame:
    """Orders of a product and the next one, an hour apart; customers take turns, or there are none."""
    rows = [
        (f"o{number}", customer and f"{customer}{number % 7}", ids[(number + step) % len(ids)], NOON - timedelta(hours=number))
        for number in range(n_orders)
        for step in range(2)
    ]
    columns = ("order_id", "customer_id", "product_id", "ordered_at")
    named = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"customer_id": pl.String})
    return named.with_columns(pl.lit(1).alias("quantity"), pl.lit(2.5).alias("unit_price"))


def views_of(ids: list[str], n_sessions: int = 120, length: int = 3) -> pl.DataFrame:
    """Sessions that look at some products in a row."""
    rows = [
        (f"s{number}", ids[(number + step) % len(ids)], NOON - timedelta(hours=number) + timedelta(seconds=2 * step))
        for number in range(n_sessions)
        for step in range(length)
    ]
    return pl.DataFrame(rows, schema=("session_id", "product_id", "viewed_at"), orient="row")


def named(ids: list[str]) -> pl.DataFrame:
    """A catalogue of no category and no price."""
    return pl.DataFrame({"product_id": ids, "title": [f"Thing {id}" for id in ids]})


def groceries() -> Shop:
    """9,835 baskets without times and customers."""
    orders = pl.read_parquet(source("groceries/orders.parquet"))
    return Shop(orders.with_columns(pl.lit(1).alias("quantity"), pl.lit(NOON).alias("ordered_at")))


def pages_of_a_site() -> Shop:
    """113,845 visits of pages, without times."""
    views = pl.read_parquet(source("msweb/views.parquet")).with_columns(pl.lit(NOON).alias("viewed_at"))
    return Shop(views=views, products=pl.read_parquet(source("msweb/products.parquet")))


def source(name: str) -> Path:
    """A file of the shared data, or a skip where they do not lie beside this checkout."""
    if not (SHARED / name).exists():
        pytest.skip("the shared data do not lie beside this checkout")
    return SHARED / name


LETTERS = list("abcdefghijklmnop")
SHOPS: dict[str, Callable[[], Shop]] = {
    "groceries": groceries,
    "pages-of-a-site": pages_of_a_site,
    "orders-only": lambda: Shop(orders_of(LETTERS)),
    "views-only": lambda: Shop(views=views_of(LETTERS)),
    "nobody": lambda: Shop(orders_of(LETTERS, customer=None), views_of(LETTERS)),
    "no-events": lambda: Shop(products=named(LETTERS)),
    "one-product": lambda: Shop(orders_of(["a"]).unique("order_id"), views_of(["a"]), named(["a"])),
    "one-that-sells": lambda: Shop(orders_of(["a"]).unique("order_id"), products=named(LETTERS)),
    "bots": lambda: Shop(orders_of(LETTERS), pl.concat([views_of(LETTERS), views_of([f"p{n}" for n in range(300)], 2, 10_000)])),
    "odd-ids": lambda: Shop(orders_of(ODD_IDS), views_of(ODD_IDS), named(ODD_IDS)),
}


def night_of(settings: Settings, company: str, shop: Shop, folder: Path) -> CompanyNight:
    """The shop loaded and one night over it."""
    load(settings, company, shop.write(folder))
    return company_night(settings, company, WATERMARK, silent)


def kinds_of(settings: Settings, night: CompanyNight) -> dict[str, pl.DataFrame]:
    """The published lists by kind."""
    assert night.error is None and night.generation is not None
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    manifest = read_manifest(store, night.company, night.generation)
    lists = [row.kind for row in manifest.kinds if row.form != ROWS]
    return {kind: read_kind(store, night.company, manifest.id, kind) for kind in lists}


@pytest.mark.parametrize("name", SHOPS)
def test_every_shop_has_its_night(settings: Settings, tmp_path: Path, name: str) -> None:
    """Every list is dense, without its own product or repetition; a page has best sellers, or the assortment, to fall back on;
    every judged kind says how it stands."""
    shop = SHOPS[name]()
    night = night_of(settings, name, shop, tmp_path)
    kinds = kinds_of(settings, night)
    for frame in kinds.values():
        for (anchor,), rows in frame.group_by("anchor_id"):
            assert rows["rank"].sort().to_list() == list(range(1, rows.height + 1))
            assert rows["product_id"].n_unique() == rows.height and anchor not in rows["product_id"].to_list()
        assert (
            frame["score"].is_between(0, 1).all()
            and not frame["reason"].str.contains(r"\b(NaN|inf|null|None) (times|of|orders)").any()
        )
    n_products = night.counts["products"]
    assert kinds["popular"].filter(anchor_id="").height == min(40, n_products)
    assert len(night.readiness) == 7


def test_pairs_of_groceries_are_those_of_the_file(settings: Settings, tmp_path: Path) -> None:
    """n_xy, n_x, n_y and lift of published pairs, counted once more from the file; reasons say the same numbers."""
    shop = groceries()
    assert shop.orders is not None
    lists = kinds_of(settings, night_of(settings, "groceries", shop, tmp_path))["also-bought"]
    # trimmed as ids are when they are loaded
    baskets = shop.orders.select("order_id", pl.col("product_id").str.strip_chars()).unique()
    assert baskets.group_by("order_id").len().filter(pl.col("len") > MAX_BASKET_PRODUCTS).is_empty()
    with_product = {key: set(rows["order_id"]) for (key,), rows in baskets.group_by("product_id")}
    pairs = lists.filter(pl.col("source") == "co-purchase")
    assert pairs.height > 1_000
    for row in pairs.gather_every(20).iter_rows(named=True):
        x, y = with_product[row["anchor_id"]], with_product[row["product_id"]]
        assert (row["n_xy"], row["n_x"], row["n_y"], row["n_baskets"]) == (len(x & y), len(x), len(y), 9_835)
        assert row["lift"] == pytest.approx(len(x & y) * 9_835 / (len(x) * len(y)), abs=1e-5) and row["n_xy"] >= 5
        assert row["reason"].startswith(f"{len(x & y)} of {len(x)} orders; ")


@pytest.mark.parametrize("respects", [True, False])
def test_what_may_not_be_shown_is_in_no_list(settings: Settings, tmp_path: Path, respects: bool) -> None:
    """Hidden, deleted, draft and archived products are in no kind; sold-out ones only where the inventory is not respected."""
    load(settings, "shop", Shop(orders_of(LETTERS), views_of(LETTERS), named(LETTERS)).write(tmp_path))
    states = {
        "a": "\"isVisible\" = false", "b": "\"deletedAt\" = now()", "c": "status = 'DRAFT'", "d": "status = 'ARCHIVED'",
        "e": "status = 'OUT_OF_STOCK'", "f": "\"trackInventory\" = true, \"stockQuantity\" = 0",
    }  # fmt: skip
    rules = f'{{"respectInventory": {str(respects).lower()}}}'
    with postgres(settings) as connection:
        for product, state in states.items():
            connection.execute(f'update "Product" set {state} where id = %s', [product])
        connection.execute('insert into "RecommendationConfig" ("companyId", global) values (\'shop\', %s)', [rules])
    kinds = kinds_of(settings, company_night(settings, "shop", WATERMARK, silent))
    shown = set(LETTERS) - set("abcdef" if respects else "abcd")
    for frame in kinds.values():
        assert set(frame["product_id"]) <= shown
    assert set(kinds["popular"].filter(anchor_id="")["product_id"]) == shown


def test_two_shops_of_the_same_ids_share_nothing(settings: Settings, tmp_path: Path) -> None:
    """What the second one sells is neither counted in the first one's lists nor does it change them."""
    first = Shop(orders_of(LETTERS), views_of(LETTERS), named(LETTERS))
    before = kinds_of(settings, night_of(settings, "first", first, tmp_path))
    night_of(settings, "second", Shop(orders_of(LETTERS[::-1], 300), products=named(LETTERS)), tmp_path)
    after = kinds_of(settings, company_night(settings, "first", WATERMARK, silent))
    assert all(before[kind].equals(after[kind]) for kind in before)


def test_a_shop_without_times_is_judged_by_a_share_of_its_orders(settings: Settings, tmp_path: Path) -> None:
    """What needs a time is not judged, pairs of a fifth of the orders are; a shop without an event says so in one sentence."""
    load(settings, "groceries", groceries().write(tmp_path))
    verdicts = evaluate_company(settings, "groceries", None, silent).verdicts
    assert [row.task for row in verdicts if row.ours] == ["anchor to partner, a fifth of the orders"]
    load(settings, "new", Shop(products=named(LETTERS)).write(tmp_path))
    with pytest.raises(CheckFailed, match="new has no event yet"):
        evaluate_company(settings, "new", None, silent)
