"""The sample shops: their files are the published data, and they load to the same figures each time."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.load import load
from flows.load_orders import NO_CUSTOMER, PARTLY_MATCHED, UNMATCHED
from flows.load_service_codes import REASON
from flows.samples import FOLDER, SAMPLES
from flows.settings import Settings
from tests.flows.test_load import asked

SHARED = Path(__file__).parents[3] / "shared" / "data"
NOT_A_SALE = "not a sale: unit_price is not above 0 and up to 99,999,999.99"


def test_the_retail_file_is_whole() -> None:
    """541,909 lines whose sums over every number, and counts of every id, are those of the published table."""
    orders = pl.read_parquet(SAMPLES["online-retail"].files.orders)
    cents = (pl.col("unit_price") * 1000).round().cast(pl.Int64)
    sums = orders.select(
        pl.len(), pl.col("quantity").sum(), mills=(cents * pl.col("quantity")).sum(), orders=pl.col("order_id").n_unique(),
        customers=pl.col("customer_id").drop_nulls().n_unique(), products=pl.col("product_id").n_unique(),
        seconds=(pl.col("ordered_at").dt.epoch("s") % 1_000_003).sum(), cancelled=pl.col("is_cancellation").sum(),
    )  # fmt: skip
    assert sums.row(0) == (541_909, 5_176_450, 9_747_747_934, 25_900, 4_372, 4_070, 273_308_358_558, 9_288)


def test_the_clothing_files_are_whole() -> None:
    """165,474 views of 217 products in 24,026 sessions; each product has a title and a price in dollars."""
    files = SAMPLES["clothing"].files
    views, products = pl.read_parquet(files.views), pl.read_parquet(files.products)
    assert (views.height, views["session_id"].n_unique(), views["product_id"].n_unique()) == (165_474, 24_026, 217)
    assert (products.height, products["title"].n_unique(), products["price"].sum()) == (217, 217, 8_984)
    assert "Trousers 17" in products["title"].to_list()


def test_they_are_small_and_say_whose_they_are() -> None:
    """No file is above 3 MB, and the notice names source, licence and what was changed."""
    assert max(path.stat().st_size for path in FOLDER.rglob("*.parquet")) < 3_000_000
    notice = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    assert all(word in notice for word in ("10.24432/C5BW33", "CC BY 4.0", "Changed:", "Online Retail", "Clickstream"))


def test_nothing_was_lost_against_the_source() -> None:
    """Where the source lies beside the checkout, the samples equal it row by row."""
    if not SHARED.exists():
        pytest.skip("the source data do not lie beside this checkout")
    for kind in ("orders", "products"):
        source = pl.read_parquet(SHARED / "online_retail_2011" / f"{kind}.parquet")
        assert source.equals(pl.read_parquet(FOLDER / "online-retail" / f"{kind}.parquet"))
    views = pl.read_parquet(FOLDER / "clothing" / "views.parquet")
    source = pl.read_parquet(SHARED / "eshop_clothing_2008" / "views.parquet").select(views.columns)
    assert source.cast(dict(views.schema)).equals(views)


def test_the_retail_year_loads(settings: Settings) -> None:
    """Lines, orders, customers and products that remain, and every rejected row by its reason."""
    sample = SAMPLES["online-retail"]
    report = load(settings, sample.company, sample.files, company_row=sample.row)
    assert report.files["orders"].quarantined == {
        REASON: 3_009, NOT_A_SALE: 2_517, UNMATCHED: 1_054, NO_CUSTOMER: 165, PARTLY_MATCHED: 51,
    }  # fmt: skip
    counts = asked(
        settings,
        'select (select count(*) from "OrderItem") as lines, (select count(*) from "Customer") as customers,'
        ' (select count(*) from "Product") as products, count(*) as orders,'
        " count(*) filter (where status = 'CANCELED') as canceled from \"Order\"",
    )
    assert counts == [{"lines": 525_883, "customers": 4_334, "products": 3_921, "orders": 19_773, "canceled": 135}]
    assert (
        asked(settings, "select * from \"Product\" where id in ('POST', 'DOT', 'M', 'm', 'D', 'S', 'B', 'C2', 'AMAZONFEE')") == []
    )
    assert asked(settings, 'select sum("totalPrice") - (select sum(total) from "Order") as gap from "OrderItem"')[0]["gap"] == 0
    assert asked(settings, 'select name, currency, timezone from "Company"') == [
        {"name": "Online Retail", "currency": "GBP", "timezone": "Europe/London"}
    ]
