"""Loading into Postgres: once is enough, order does not matter, all or nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows import load as load_module
from flows.connections import postgres
from flows.errors import LoadError, ServiceUnavailable
from flows.load import CompanyRow, FileReport, LoadFiles, LoadReport, load
from flows.load_orders import NO_CUSTOMER, PARTLY_MATCHED, UNMATCHED
from flows.load_service_codes import REASON
from flows.settings import Settings

TABLES = ("Company", "Product", "Customer", "Order", "OrderItem", "Category", "ProductCategory", "ProductView")
NOW = ("createdAt", "updatedAt")
START = datetime(2024, 1, 1, 9)
_names = itertools.count()


def written(folder: Path, **columns: list[Any]) -> Path:
    """A Parquet file of these columns."""
    path = folder / f"file{next(_names)}.parquet"
    pl.DataFrame(columns, strict=False).write_parquet(path)
    return path


def orders_file(folder: Path, lines: list[tuple[str, str | None, str | None, int, float, int, bool]]) -> Path:
    """An orders file of (order, customer, product, quantity, price, day, is cancellation)."""
    names = ["order_id", "customer_id", "product_id", "quantity", "unit_price", "day", "is_cancellation"]
    columns = dict(zip(names, map(list, zip(*lines, strict=True)), strict=True))
    at = [START + timedelta(days=day) for day in columns.pop("day")]  # type: ignore[arg-type]
    return written(folder, **columns, ordered_at=at)


def asked(settings: Settings, question: str) -> list[dict[str, Any]]:
    """Rows of a query."""
    with postgres(settings) as connection:
        return connection.execute(question).fetchall()


def content(settings: Settings, *, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """All rows of the platform's tables as text, sorted."""
    return {
        table: sorted(
            str({k: v for k, v in row.items() if k not in without}) for row in asked(settings, f'select * from "{table}"')
        )
        for table in TABLES
    }


def lines_of(settings: Settings) -> list[tuple[str, str, int]]:
    """Order, product and quantity of every stored line."""
    rows = asked(settings, 'select "orderId", "productId", quantity from "OrderItem" order by 1, 2, 3')
    return [(row["orderId"], row["productId"], row["quantity"]) for row in rows]


def statuses(settings: Settings) -> dict[str, str]:
    """Status by order."""
    return {row["id"]: row["status"] for row in asked(settings, 'select id, status from "Order"')}


def only(report: LoadReport) -> FileReport:
    """The report of the only file."""
    (found,) = report.files.values()
    assert found.rows == found.loaded + found.already_there + sum(found.quarantined.values())
    return found


def test_rows_become_orders_products_and_customers(settings: Settings, tmp_path: Path) -> None:
    """Ids are the file's own, totals are sums of line totals, a guest's order has no customer, all in exact decimals."""
    path = orders_file(
        tmp_path,
        [("1", "c", "p", 3, 0.1, 0, False), ("1", "c", "q", 1, 2.675, 0, False), ("2", None, "p", 1, 0.3, 1, False)],
    )
    report = only(load(settings, "shop", LoadFiles(orders=path)))
    assert (report.rows, report.loaded, report.already_there, report.quarantined) == (3, 3, 0, {})
    orders = asked(settings, 'select * from "Order" order by id')
    assert [(row["id"], row["customerId"], str(row["total"]), row["status"]) for row in orders] == [
        ("shop:1", "c", "2.98", "COMPLETED"), ("shop:2", None, "0.30", "COMPLETED"),
    ]  # fmt: skip
    assert all(row["updatedAt"] == row["orderedAt"] and row["environment"] == "production" for row in orders)
    products = asked(settings, 'select id, name, price, "createdAt"::text as at from "Product" order by id')
    assert [(row["id"], row["name"], str(row["price"]), row["at"]) for row in products] == [
        ("p", "p", "0.10", "2024-01-01 09:00:00+00"), ("q", "q", "2.68", "2024-01-01 09:00:00+00"),
    ]  # fmt: skip


def test_twice_is_once(settings: Settings, tmp_path: Path) -> None:
    """The same files again change no row, not even an instant, and the report says that all was there."""
    orders = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False), ("C1", "c", "p", -2, 1.0, 1, True)])
    products = written(tmp_path, product_id=["p", "q"], title=["Cup", "Cup"], category=["Tea", None], price=[None, "3"])
    views = written(tmp_path, session_id=[1, 1], product_id=["p", "p"], viewed_at=[START, START])
    files = LoadFiles(orders=orders, products=products, views=views)
    load(settings, "shop", files)
    before = content(settings)
    again = load(settings, "shop", files)
    assert content(settings) == before
    assert [(report.loaded, report.already_there) for report in again.files.values()] == [(0, 2), (0, 2), (0, 2)]
    assert lines_of(settings) == [("shop:1", "p", 3)] and len(before["ProductView"]) == 2
    assert len({row["slug"] for row in asked(settings, 'select slug from "Product"')}) == 2


line = st.tuples(
    st.sampled_from("123"), st.sampled_from(["a", "b", None]), st.sampled_from(["p", "q", "POST", None]), st.integers(-3, 9),
    st.sampled_from([1.0, 2.5, 0.0]), st.integers(0, 5), st.booleans(),
)  # fmt: skip


@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(line, min_size=1, max_size=14), data=st.data())
def test_row_order_does_not_matter_and_twice_is_once(
    settings: Settings, tmp_path: Path, lines: list[Any], data: st.DataObject
) -> None:
    """Two companies that load the same rows in another order hold the same; a second load adds nothing; units add up."""
    number = next(_names)
    shuffled = data.draw(st.permutations(lines))
    one, other = f"one{number}", f"two{number}"
    first = only(load(settings, one, LoadFiles(orders=orders_file(tmp_path, lines))))
    path = orders_file(tmp_path, shuffled)
    second, third = (only(load(settings, other, LoadFiles(orders=path))) for _ in range(2))
    assert first.quarantined == second.quarantined == third.quarantined and first.loaded == second.loaded
    assert (third.loaded, third.already_there) == (0, second.loaded)
    stored = [[row for row in text if f"'{one}" in row or f"'{other}" in row] for text in content(settings, without=NOW).values()]
    for rows in stored:
        assert sorted(row.replace(other, one) for row in rows if f"'{other}" in row) == sorted(
            row for row in rows if f"'{one}" in row
        )


def test_a_cancellation_removes_what_it_cancels(settings: Settings, tmp_path: Path) -> None:
    """A partly cancelled line keeps the rest, a cancelled line goes, an order of which nothing is left stays as CANCELED."""
    path = orders_file(
        tmp_path,
        [
            ("1", "c", "p", 5, 1.0, 0, False), ("1", "c", "q", 2, 1.0, 0, False), ("2", "c", "r", 4, 1.0, 0, False),
            ("C1", "c", "p", -2, 1.0, 1, True), ("C1", "c", "q", 2, 1.0, 1, True), ("C2", "c", "r", -4, 1.0, 2, True),
        ],
    )  # fmt: skip
    assert only(load(settings, "shop", LoadFiles(orders=path))).loaded == 6
    assert lines_of(settings) == [("shop:1", "p", 3), ("shop:2", "r", 4)]
    assert statuses(settings) == {"shop:1": "COMPLETED", "shop:2": "CANCELED"}
    assert asked(settings, "select total::text from \"Order\" where id = 'shop:1'") == [{"total": "3.00"}]


def test_a_later_file_cancels_what_an_earlier_one_brought(settings: Settings, tmp_path: Path) -> None:
    """Cancellations find stored lines too, move updatedAt, and do it once however often their file is loaded."""
    sold = [("1", "c", "p", 5, 2.0, 0, False), ("1", "c", "q", 1, 1.0, 0, False), ("2", "c", "r", 1, 1.0, 0, False)]
    load(settings, "shop", LoadFiles(orders=orders_file(tmp_path, sold)))
    back = [("C1", "c", "p", -2, 2.0, 1, True), ("C1", "c", "q", -1, 1.0, 1, True), ("C2", "c", "r", -3, 1.0, 1, True)]
    later = LoadFiles(orders=orders_file(tmp_path, back))
    for expected in ((2, 0), (0, 2)):
        report = only(load(settings, "shop", later))
        assert (report.loaded, report.already_there, report.quarantined) == (*expected, {PARTLY_MATCHED: 1})
        assert lines_of(settings) == [("shop:1", "p", 3), ("shop:2", "r", 1)]
    assert statuses(settings) == {"shop:1": "COMPLETED", "shop:2": "CANCELED"}
    assert asked(settings, 'select total::text, "updatedAt" > "orderedAt" as moved from "Order" order by id')[0] == {
        "total": "6.00", "moved": True,
    }  # fmt: skip
    cumulative = orders_file(tmp_path, [*sold, *back, ("C3", "c", "p", -1, 2.0, 2, True)])
    assert only(load(settings, "shop", LoadFiles(orders=cumulative))).loaded == 1
    assert lines_of(settings)[0] == ("shop:1", "p", 2)


def test_orders_dropped_and_loaded_afresh_are_netted_again(settings: Settings, tmp_path: Path) -> None:
    """Where a company's orders were deleted, the same file works as it did the first time."""
    path = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False), ("C1", "c", "p", -2, 1.0, 1, True)])
    load(settings, "shop", LoadFiles(orders=path))
    with postgres(settings) as connection:
        connection.execute('delete from "Order"')
    assert only(load(settings, "shop", LoadFiles(orders=path))).loaded == 2
    assert lines_of(settings) == [("shop:1", "p", 3)]


def test_bad_rows_are_quarantined_with_their_reason(settings: Settings, tmp_path: Path) -> None:
    """Each kind of bad row is counted under its reason, and an order without a good line is not made."""
    path = orders_file(
        tmp_path,
        [
            ("1", "c", None, 1, 1.0, 0, False), ("2", "c", "p", -1, 1.0, 0, False), ("3", "c", "p", 1, 0.0, 0, False),
            ("4", "c", "post", 1, 1.0, 0, False), ("5", None, "p", -1, 1.0, 0, True), ("6", "c", "p", -1, 1.0, 0, True),
            ("7", "c", "p", 10**9, 99_999_999.0, 0, False),
        ],
    )  # fmt: skip
    report = only(load(settings, "shop", LoadFiles(orders=path)))
    assert report.quarantined == dict.fromkeys(
        [
            REASON, NO_CUSTOMER, UNMATCHED, "line total is above 9,999,999,999.99",
            "not a sale: unit_price is not above 0 and up to 99,999,999.99", "product_id is missing", "quantity is not above 0",
        ], 1,
    )  # fmt: skip
    assert report.quarantine_file is not None and report.quarantine_file.is_relative_to(settings.local_dir / "quarantine" / "shop")
    assert sorted(pl.read_parquet(report.quarantine_file)["reason"]) == sorted(report.quarantined)
    assert statuses(settings) == {} and asked(settings, 'select * from "Product"') == []


def test_short_service_codes_need_a_witness(settings: Settings, tmp_path: Path) -> None:
    """ "M" is a product like any other, unless its title says Manual or the file has postage too."""
    sizes = [("1", "c", "M", 1, 1.0, 0, False), ("1", "c", "S", 1, 1.0, 0, False)]
    assert only(load(settings, "sizes", LoadFiles(orders=orders_file(tmp_path, sizes)))).quarantined == {}
    with_postage = orders_file(tmp_path, [*sizes, ("1", "c", "POST", 1, 1.0, 0, False)])
    assert only(load(settings, "coded", LoadFiles(orders=with_postage))).quarantined == {REASON: 3}
    products = written(tmp_path, product_id=["M", "S", "x"], title=["Manual", "Small shirt", "Vintage postage stamps"])
    titled = load(settings, "titled", LoadFiles(products=products, orders=orders_file(tmp_path, sizes)))
    assert [report.quarantined for report in titled.files.values()] == [{REASON: 1}, {REASON: 1}]


def test_companies_may_share_every_id(settings: Settings, tmp_path: Path) -> None:
    """Two companies load the same file side by side, and a third load of one leaves the other alone."""
    path = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False)])
    for company in ("a", "b"):
        assert only(load(settings, company, LoadFiles(orders=path))).loaded == 1
    load(settings, "a", LoadFiles(orders=orders_file(tmp_path, [("C1", "c", "p", -5, 1.0, 1, True)])))
    assert statuses(settings) == {"a:1": "CANCELED", "b:1": "COMPLETED"}


def test_all_files_or_none(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second file that is refused, or a loss half-way, leaves nothing of the first one behind."""
    orders = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False)])
    with pytest.raises(LoadError, match="lacks the column viewed_at"):
        load(settings, "shop", LoadFiles(orders=orders, views=written(tmp_path, session_id=["s"], product_id=["p"])))

    def lost(*_: object) -> None:
        raise ServiceUnavailable("lost")

    monkeypatch.setattr(load_module, "load_store", lost)
    views = written(tmp_path, session_id=["s"], product_id=["p"], viewed_at=[START])
    with pytest.raises(ServiceUnavailable):
        load(settings, "shop", LoadFiles(orders=orders, views=views))
    assert not any(content(settings).values())


@pytest.mark.parametrize("company", ["", "a b", "x" * 65, "a/b", "é", "a\n", ".."])
def test_company_ids_that_cannot_be(tmp_path: Path, company: str) -> None:
    """An id that could not stand in a path or a key is refused in one sentence, before the database is asked."""
    with pytest.raises(LoadError, match="company id"):
        load(Settings(local_dir=tmp_path), company, LoadFiles(orders=tmp_path))


def test_nothing_to_do_and_no_schema(empty_settings: Settings, tmp_path: Path) -> None:
    """No file at all, and a database without tables, are told with what to do; the database stays empty."""
    with pytest.raises(LoadError, match="No file is given"):
        load(Settings(local_dir=tmp_path), "shop", LoadFiles())
    path = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False)])
    with pytest.raises(LoadError, match="migrate up"):
        load(empty_settings, "shop", LoadFiles(orders=path))
    assert asked(empty_settings, "select * from pg_tables where schemaname = current_schema()") == []


def test_a_header_alone_and_one_product(settings: Settings, tmp_path: Path) -> None:
    """A file without rows loads nothing and creates the company; one product, one order is a shop."""
    path = tmp_path / "orders.csv"
    path.write_text("order_id,product_id,quantity,ordered_at\n")
    assert only(load(settings, "shop", LoadFiles(orders=path))).rows == 0
    path.write_text("order_id,product_id,quantity,ordered_at\n1,p,1,2024-01-01T00:30:00+02:00\n")
    assert only(load(settings, "shop", LoadFiles(orders=path))).loaded == 1
    row = asked(settings, 'select "orderedAt"::text as at, total::text from "Order"')[0]
    assert row == {"at": "2023-12-31 22:30:00+00", "total": "0.00"}


def test_products_are_corrected_but_never_emptied(settings: Settings, tmp_path: Path) -> None:
    """A second file changes titles, prices and categories that it gives and leaves what it does not."""
    row = CompanyRow("My shop", "GBP", "Europe/London")
    first = written(
        tmp_path, product_id=["p", "p", "q"], title=["Cup", "Mug", "Pot"], category=["Tea", "Tea", "Tea"], price=[1, 2, 3]
    )
    report = only(load(settings, "shop", LoadFiles(products=first), company_row=row))
    assert report.quarantined == {"another row has the same product_id": 1}
    second = written(tmp_path, product_id=["p", "q"], title=[None, "Teapot"], category=["Coffee", None], price=[None, 4])
    load(settings, "shop", LoadFiles(products=second), company_row=replace(row, name="Other"))
    found = asked(
        settings,
        'select p.id, p.name, p.slug, p.price::text, p.currency, c.name as category from "Product" p '
        'join "ProductCategory" pc on pc."productId" = p.id join "Category" c on c.id = pc."categoryId" order by p.id',
    )
    assert [tuple(row.values()) for row in found] == [
        ("p", "Cup", "cup", "1.00", "GBP", "Coffee"), ("q", "Teapot", "teapot", "4.00", "GBP", "Tea"),
    ]  # fmt: skip
    assert asked(settings, 'select name, timezone from "Company"') == [{"name": "My shop", "timezone": "Europe/London"}]


def test_progress_is_told(settings: Settings, tmp_path: Path) -> None:
    """Progress comes as label, rows done and rows in all, and ends with all of them."""
    told: list[tuple[str, int, int]] = []
    path = orders_file(tmp_path, [("1", "c", "p", 5, 1.0, 0, False)])
    load(settings, "shop", LoadFiles(orders=path), progress=lambda *step: told.append(step))
    assert told == [("orders", 0, 1), ("orders", 1, 1)]
