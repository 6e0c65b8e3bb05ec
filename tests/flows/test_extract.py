"""Extraction: what counts enters once, what changed is read again, what cannot be used is told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from flows.connections import Connection, postgres
from flows.copy_reader import CopyReader
from flows.errors import ServiceUnavailable, SettingsError, SnapshotError
from flows.extract import extract, latest_snapshot
from flows.layout import folder, quarantine_key
from flows.object_store import FileStore, ObjectStore, open_store
from flows.progress import silent
from flows.settings import Settings
from models.snapshot import Snapshot
from tests.shops import DAY, add_order, insert, make_shop

NOW = DAY + timedelta(days=1)
MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """The store of the test's settings."""
    return open_store(settings.snapshots, settings.local_dir / "cache")


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    """A connection that commits every statement, as a busy platform does."""
    with postgres(settings, autocommit=True) as opened:
        yield opened


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ranges of days of order lines that were read from Postgres, as `first..until`."""
    seen: list[str] = []
    read = CopyReader.read

    def watched(self: CopyReader, query: str, bound: dict[str, Any]) -> pl.DataFrame:
        if "as order_id" in query:
            seen.append(f"{bound['start']:%m-%d}..{bound['until']:%m-%d}")
        return read(self, query, bound)

    monkeypatch.setattr(CopyReader, "read", watched)
    return seen


def run(settings: Settings, company: str = "shop", at: datetime = NOW, **arguments: Any) -> Snapshot:
    """One extraction."""
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    return extract(settings, store, company, at, silent, **arguments)


def rows(store: ObjectStore, snapshot: Snapshot, member: str = "order_lines") -> pl.DataFrame:
    """All usable rows of a member."""
    frames = [pl.read_parquet(store.fetch(partition.key)) for partition in snapshot.members[member]]
    assert [frame.height for frame in frames] == [partition.n_rows for partition in snapshot.members[member]]
    return pl.concat(frames) if frames else pl.DataFrame(schema={"order_id": pl.String, "product_id": pl.String})


def orders(store: ObjectStore, snapshot: Snapshot) -> set[str]:
    """Short ids of the orders in a snapshot."""
    return {id.rpartition("-")[2] for id in rows(store, snapshot)["order_id"]}


def files(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def one_product(connection: Connection, company: str = "shop") -> None:
    """A company with the product `p`."""
    insert(connection, "Company", [{"id": company, "name": company, "slug": company}])
    insert(connection, "Product", [{"id": "p", "companyId": company, "name": "P", "slug": "p", "price": "10.00"}])


def test_counts_reconcile_with_the_source(settings: Settings, store: ObjectStore) -> None:
    """Every counted line is there once, in the partition of its day, with its amount in whole cents."""
    make_shop(settings, "shop", ["ab", "abc", "a"])
    snapshot = run(settings)
    assert [(row.day, row.n_rows, row.n_quarantined) for row in snapshot.members["order_lines"]] == [
        ("2026-04-29", 2, 0),
        ("2026-04-30", 3, 0),
        ("2026-05-01", 1, 0),
    ]
    lines = rows(store, snapshot)
    assert lines.unique(["order_id", "product_id"]).height == 6
    assert lines["unit_price_cents"].unique().to_list() == [1000]
    assert lines["ordered_at"].max() == DAY
    assert (snapshot.company, snapshot.watermark, snapshot.currency) == ("shop", "2026-05-02T12:00:00Z", "EUR")
    assert snapshot.quarantined == {}
    assert latest_snapshot(store, "shop") == snapshot


def test_a_second_night_reads_only_what_changed(
    settings: Settings, store: ObjectStore, connection: Connection, reads: list[str]
) -> None:
    """Nothing changed, nothing is read; one changed day is read alone; other partitions keep their files."""
    make_shop(settings, "shop", ["ab", "ab", "a", "b"])
    first = run(settings)
    assert reads == ["04-28..05-02"]
    reads.clear()
    assert run(settings).members == first.members
    assert reads == []
    add_order(connection, "shop", "late-1", ["shop-a"], DAY - timedelta(days=2))
    second = run(settings)
    assert reads == ["04-29..04-30"]
    assert "1" in orders(store, second)
    before, after = ({row.day: row.key for row in each.members["order_lines"]} for each in (first, second))
    assert {day for day in after if before[day] != after[day]} == {"2026-04-29"}


def test_two_changed_days_apart_are_read_apart(settings: Settings, connection: Connection, reads: list[str]) -> None:
    """An unchanged day between two changed ones is not read along with them; neighbours are read together."""
    make_shop(settings, "shop", ["a", "a", "a", "a", "a"])
    run(settings)
    reads.clear()
    for days in (4, 3, 0):
        add_order(connection, "shop", f"late-{days}", ["shop-a"], DAY - timedelta(days=days))
    run(settings)
    assert reads == ["04-27..04-29", "05-01..05-02"]


def test_reread_reads_unchanged_days_again(settings: Settings, reads: list[str]) -> None:
    """The named days, both ends included, are read whatever their fingerprint, and come out the same."""
    make_shop(settings, "shop", ["a", "a", "a", "a"])
    first = run(settings)
    reads.clear()
    assert run(settings, reread=("2026-04-29", "2026-04-30")).members == first.members
    assert reads == ["04-29..05-01"]


def test_an_order_that_ceases_to_count_disappears(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Refunded, canceled, deleted or moved to the sandbox after the first night: gone with the next."""
    make_shop(settings, "shop", ["a"] * 5)
    assert len(orders(store, run(settings))) == 5
    changes = ["status = 'REFUNDED'", "status = 'CANCELED'", '"deletedAt" = now()', "environment = 'sandbox'"]
    for number, change in enumerate(changes):
        connection.execute(f'update "Order" set {change}, "updatedAt" = now() where id = \'shop-order-000{number}\'')
    assert orders(store, run(settings)) == {"0004"}


def test_an_order_that_is_deleted_for_good_disappears(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """A row that leaves no trace is missed by its day's count, also where it was its day's only one."""
    make_shop(settings, "shop", ["a", "a", "a"])
    add_order(connection, "shop", "second-9", ["shop-a"], DAY)
    run(settings)
    connection.execute("delete from \"Order\" where id in ('shop-order-0001', 'second-9')")
    snapshot = run(settings)
    assert orders(store, snapshot) == {"0000", "0002"}
    assert [row.day for row in snapshot.members["order_lines"]] == ["2026-04-29", "2026-05-01"]


def test_only_orders_that_count_enter(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Of every status, environment and deletion the contract's purchases enter, no other."""
    one_product(connection)
    counted = ("CONFIRMED", "PROCESSING", "PARTIALLY_SHIPPED", "SHIPPED", "DELIVERED", "COMPLETED")
    for status in (*counted, "PENDING", "CANCELED", "REFUNDED"):
        add_order(connection, "shop", f"x-{status}", ["p"], DAY, status=status)
    add_order(connection, "shop", "x-sandbox", ["p"], DAY, environment="sandbox")
    add_order(connection, "shop", "x-deleted", ["p"], DAY, deletedAt=DAY)
    assert orders(store, run(settings)) == set(counted)


def test_an_old_order_that_comes_late_is_found(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """An order placed years ago that was written today is found, on a day that had none."""
    make_shop(settings, "shop", ["a"])
    run(settings)
    add_order(connection, "shop", "old-7", ["shop-a"], datetime(2019, 2, 28, 5, tzinfo=UTC), updatedAt=DAY)
    snapshot = run(settings)
    assert orders(store, snapshot) == {"0000", "7"}
    assert snapshot.members["order_lines"][0].day == "2019-02-28"


def test_an_order_that_moves_to_another_day_moves(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """A corrected orderedAt takes the order from its old day to the new one; it counts once."""
    make_shop(settings, "shop", ["a", "a"])
    run(settings)
    connection.execute(
        'update "Order" set "orderedAt" = %s, "updatedAt" = now() where id = \'shop-order-0001\'', [DAY - timedelta(days=5)]
    )
    snapshot = run(settings)
    assert rows(store, snapshot).height == 2
    assert [row.day for row in snapshot.members["order_lines"]] == ["2026-04-26", "2026-04-30"]


def test_events_at_or_after_the_watermark_are_not_looked_at(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """The watermark is exclusive, to the millisecond, for orders and views, and cuts within a day."""
    make_shop(settings, "shop", ["a"])
    moments = {"before": DAY - timedelta(milliseconds=1), "at": DAY, "after": DAY + timedelta(hours=1)}
    for name, at in moments.items():
        add_order(connection, "shop", f"x-{name}", ["shop-a"], at)
        view = {"productId": "shop-a", "companyId": "shop", "sessionId": name, "viewedAt": at}
        insert(connection, "ProductView", [view])
    snapshot = run(settings, at=DAY)
    assert orders(store, snapshot) == {"before"}
    assert rows(store, snapshot, "views")["session_id"].to_list() == ["before"]


def test_overlapping_watermarks_agree(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """A day seen half by one run is seen whole by the next, and half again by one that looks back; each is what a run from
    nothing would give."""
    make_shop(settings, "shop", ["a", "ab"])
    for hour in (1, 13, 22):
        add_order(connection, "shop", f"x-{hour}", ["shop-a"], MIDNIGHT + timedelta(hours=hour))
    marks = [MIDNIGHT + timedelta(hours=hours) for hours in (2, 14, 24, 12, 23, 2, 48)]
    for number, at in enumerate(marks):
        fresh = FileStore(settings.local_dir / f"fresh-{number}")
        assert run(settings, at=at) == extract(settings, fresh, "shop", at, silent)
    assert orders(store, run(settings, at=MIDNIGHT + timedelta(hours=14))) == {"0000", "0001", "1", "13"}


def test_quarantine_keeps_each_row_with_its_reason(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Rows that cannot be used are counted by reason, kept in a file beside their day, and absent from what is used."""
    one_product(connection)
    add_order(connection, "shop", "x-1", ["p", None, "p", "p", "p", "p"], DAY)
    changes = ["quantity = -2", "quantity = 0", "\"unitPrice\" = 'NaN'", '"unitPrice" = -0.01']
    for number, change in enumerate(changes, start=2):
        connection.execute(f"update \"OrderItem\" set {change} where id = 'x-1-{number}'")
    for number, (product, session) in enumerate([("p", "s"), ("p", "")]):
        view = {"id": str(number), "productId": product, "companyId": "shop", "sessionId": session, "viewedAt": DAY}
        insert(connection, "ProductView", [view])
    snapshot = run(settings)
    assert snapshot.quarantined == {
        "order_lines: quantity is not above zero": 2,
        "order_lines: the product was deleted": 1,
        "order_lines: unit price is negative": 1,
        "order_lines: unit price is no number": 1,
        "views: a view of no session": 1,
    }
    (day,) = snapshot.members["order_lines"]
    assert (day.n_rows, day.n_quarantined) == (1, 5)
    kept = pl.read_parquet(store.fetch(quarantine_key(day.key)))
    assert kept["order_id"].unique().to_list() == ["x-1"]
    assert sorted(kept["quantity"]) == [-2, 0, 1, 1, 1]
    assert kept["reason"].null_count() == 0
    assert run(settings).quarantined == snapshot.quarantined


def test_quarantine_of_a_cut_day_does_not_touch_the_whole_days(
    settings: Settings, store: ObjectStore, connection: Connection
) -> None:
    """A run that looks back to the middle of a day finds fewer bad rows; the next whole night still counts them all."""
    one_product(connection)
    for hour in (1, 13):
        add_order(connection, "shop", f"x-{hour}", [None], MIDNIGHT + timedelta(hours=hour))
    reason = "order_lines: the product was deleted"
    assert run(settings).quarantined == {reason: 2}
    assert run(settings, at=DAY).quarantined == {reason: 1}
    assert run(settings).quarantined == {reason: 2}


def test_instants_that_are_no_days_are_counted(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Minus infinity and years before Christ or 1970 are quarantined by count; infinity lies after every watermark."""
    make_shop(settings, "shop", ["a"])
    for number, moment in enumerate(["-infinity", "0044-03-15 BC", "1969-12-31 23:59:59.999+00", "infinity"]):
        add_order(connection, "shop", f"x-{number}", ["shop-a"], DAY)
        connection.execute('update "Order" set "orderedAt" = %s where id = %s', [moment, f"x-{number}"])
        connection.execute(
            'insert into "ProductView" ("productId", "companyId", "sessionId", "viewedAt") values (%s, %s, %s, %s)',
            ["shop-a", "shop", "s", moment],
        )
    snapshot = run(settings)
    assert snapshot.quarantined == {"order_lines: ordered_at is before 1970": 3, "views: viewed_at is before 1970": 3}
    assert orders(store, snapshot) == {"0000"}
    assert snapshot.members["views"] == []


def test_a_change_at_no_time_is_no_hindrance(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """An updatedAt that is no usable instant stops nothing, and its order counts."""
    make_shop(settings, "shop", ["a", "a", "a"])
    for number, moment in enumerate(["infinity", "-infinity", "0044-03-15 BC"]):
        connection.execute('update "Order" set "updatedAt" = %s where id = %s', [moment, f"shop-order-{number:04}"])
    assert len(orders(store, run(settings))) == 3


def test_nothing_of_another_company_enters(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Orders, views, products, categories and the configuration are the company's own, though ids are shared."""
    for company in ("shop", "shop2", "SHOP"):
        make_shop(settings, company, ["ab"])
        insert(connection, "Category", [{"id": f"cat-{company}", "companyId": company, "name": company, "slug": "c"}])
        insert(connection, "ProductCategory", [{"productId": "shop-a", "categoryId": f"cat-{company}"}])
        config = {"companyId": company, "alsoBought": psycopg.types.json.Jsonb({"title": company})}
        insert(connection, "RecommendationConfig", [config])
        view = {"productId": f"{company}-a", "companyId": company, "sessionId": company, "viewedAt": DAY}
        insert(connection, "ProductView", [view])
    snapshot = run(settings)
    assert set(rows(store, snapshot)["product_id"]) == {"shop-a", "shop-b"}
    assert rows(store, snapshot, "views")["session_id"].to_list() == ["shop"]
    catalogue = pl.read_parquet(store.fetch(snapshot.products_key))
    assert catalogue.select("product_id", "category_id").rows() == [("shop-a", "cat-shop"), ("shop-b", None)]
    assert snapshot.config["alsoBought"] == {"title": "shop"}
    assert all(key.startswith("shop/") for key in store.keys(""))


def test_the_catalogue_tells_states_apart(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """Draft, archived, hidden and deleted products are not shown, sold-out ones are; amounts are cents, NaN is none."""
    one_product(connection)
    states = {
        "draft": {"status": "DRAFT"},
        "archived": {"status": "ARCHIVED"},
        "sold-out": {"status": "OUT_OF_STOCK"},
        "hidden": {"isVisible": False},
        "deleted": {"deletedAt": DAY},
        "empty-shelf": {"trackInventory": True, "stockQuantity": 0},
        "untracked": {"stockQuantity": 0},
        "nan": {"price": "NaN"},
    }
    for id, columns in states.items():
        insert(connection, "Product", [{"id": id, "companyId": "shop", "name": id, "slug": id, "price": "0.29", **columns}])
    catalogue = pl.read_parquet(store.fetch(run(settings).products_key))
    found = {row["product_id"]: row for row in catalogue.rows(named=True)}
    assert {id for id, row in found.items() if not row["is_shown"]} == {"draft", "archived", "hidden", "deleted"}
    assert {id for id, row in found.items() if not row["in_stock"]} == {"sold-out", "empty-shelf"}
    assert (found["untracked"]["price_cents"], found["nan"]["price_cents"]) == (29, None)


def test_an_unknown_company_is_a_sentence(settings: Settings, store: ObjectStore) -> None:
    """It names the company, and no file is written."""
    with pytest.raises(SettingsError, match=r"Company 'nobody' does not exist"):
        run(settings, "nobody")
    assert store.keys("") == []


def test_a_company_of_any_name(settings: Settings, store: ObjectStore) -> None:
    """Its files lie in one folder below the root, and the second night finds the first one's."""
    companies = ["two words", "a/b", "..", "日本 – ü", "50%", 'it\'s "quoted" \\', "a:b*?", "-"]
    for company in companies:
        make_shop(settings, company, ["ab", "a"])
        first = run(settings, company)
        assert first.company == company
        assert rows(store, first).height == 3
        assert run(settings, company) == first
    made = {path.name for path in (settings.local_dir / "snapshots").iterdir()}
    assert made == {folder(company) for company in companies}


def test_days_are_those_of_utc(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """The last millisecond of a day and the first of the next fall on two days, in whatever zone they were written and
    whatever zone the database has."""
    name = str(settings.database_url).rpartition("/")[2]
    connection.execute(f"alter database {name} set timezone to 'Asia/Tokyo'")
    one_product(connection)
    moments = {
        "last": "2026-04-30T23:59:59.999+00",
        "first": "2026-05-01T00:00:00+00",
        "elsewhere": "2026-04-30T20:00:00-07",
        "new year": "2026-01-01T00:30:00+09",
    }
    for id, moment in moments.items():
        add_order(connection, "shop", id, ["p"], datetime.fromisoformat(moment))
    snapshot = run(settings)
    by_day = {row.day: sorted(pl.read_parquet(store.fetch(row.key))["order_id"]) for row in snapshot.members["order_lines"]}
    assert by_day == {"2025-12-31": ["new year"], "2026-04-30": ["last"], "2026-05-01": ["elsewhere", "first"]}
    lines = rows(store, snapshot)
    assert lines.schema["ordered_at"] == pl.Datetime("us", "UTC")
    assert lines.filter(order_id="last")["ordered_at"][0] == MIDNIGHT - timedelta(milliseconds=1)


def test_same_input_same_bytes(settings: Settings, connection: Connection) -> None:
    """Two extractions into two places write the same files, though the rows lie elsewhere in their tables by then."""
    make_shop(settings, "shop", ["abc", "ab", "cab"])
    for number in range(40):
        view = {"id": str(number), "productId": "shop-a", "companyId": "shop", "sessionId": f"s{number % 3}", "viewedAt": DAY}
        insert(connection, "ProductView", [view])
    for name in ("one", "two"):
        extract(settings, FileStore(settings.local_dir / name), "shop", NOW, silent)
        connection.execute('update "OrderItem" set sku = %s where id like %s', ["x", "%-1"])
        connection.execute('update "ProductView" set "durationSeconds" = 1 where id < \'25\'')
    one, two = files(settings.local_dir / "one"), files(settings.local_dir / "two")
    assert one == two
    assert len(one) > 5


def test_what_a_killed_run_left_behind_is_harmless(settings: Settings, store: ObjectStore) -> None:
    """Half-written files and partitions without a manifest change nothing."""
    make_shop(settings, "shop", ["ab", "a"])
    root = settings.local_dir / "snapshots"
    undisturbed = extract(settings, FileStore(settings.local_dir / "other"), "shop", NOW, silent)
    for partition in undisturbed.members["order_lines"]:
        place = root / partition.key
        place.parent.mkdir(parents=True, exist_ok=True)
        (place.parent / ".tmp1234").write_bytes(b"half")
        place.write_bytes(b"half a file that was never renamed")
    (root / "shop" / "snapshots").mkdir(parents=True)
    (root / "shop" / "snapshots" / ".tmp99").write_bytes(b"{")
    assert run(settings) == undisturbed
    assert rows(store, run(settings)).height == 3


def _disturbing(monkeypatch: pytest.MonkeyPatch, disturb: Callable[[int], None]) -> None:
    """Call `disturb` with the number of the reading right before order lines are read."""
    read = CopyReader.read
    numbers = iter(range(100))

    def disturbed(self: CopyReader, query: str, bound: dict[str, Any]) -> pl.DataFrame:
        if "as order_id" not in query:
            return read(self, query, bound)
        disturb(next(numbers))
        return read(self, query, bound)

    monkeypatch.setattr(CopyReader, "read", disturbed)


def test_a_change_during_the_extraction_is_reconciled(
    settings: Settings, store: ObjectStore, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that comes between counting and reading ends the run well, and the next night reads its day again."""
    make_shop(settings, "shop", ["a", "a"])

    def order_comes(number: int) -> None:
        if number == 0:
            add_order(connection, "shop", "x-new", ["shop-a", "shop-a"], DAY)

    with monkeypatch.context() as patch:
        _disturbing(patch, order_comes)
        assert orders(store, run(settings)) == {"0000", "0001", "new"}
    fresh = extract(settings, FileStore(settings.local_dir / "fresh"), "shop", NOW, silent)
    assert run(settings) == fresh


def test_a_source_that_never_rests_is_a_sentence(
    settings: Settings, store: ObjectStore, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts that never agree end the run with what to do; no snapshot is written."""
    make_shop(settings, "shop", ["a", "a"])
    _disturbing(monkeypatch, lambda number: add_order(connection, "shop", f"x-{number}", ["shop-a"], DAY))
    real = Connection.execute

    def later(self: Connection, query: Any, *arguments: Any, **named: Any) -> Any:
        if "count(*) as n\n" in str(query):
            with postgres(settings) as other:
                number = other.execute('select count(*) as n from "Order"').fetchone()
                assert number is not None
                add_order(other, "shop", f"y-{number['n']}", ["shop-a"], DAY)
        return real(self, query, *arguments, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", later)
    with pytest.raises(SnapshotError, match=r"shop: order_lines of 2026-04-30 to 2026-05-01 never agree .*run the same command"):
        run(settings)
    assert store.keys("shop/snapshots/") == []


def test_orders_without_lines_are_no_hindrance(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """An order without lines has nothing to extract; its day is there, empty."""
    one_product(connection)
    add_order(connection, "shop", "x-empty", [], DAY)
    snapshot = run(settings)
    assert [(row.day, row.n_rows) for row in snapshot.members["order_lines"]] == [("2026-05-01", 0)]
    assert rows(store, snapshot).is_empty()


def test_an_empty_company(settings: Settings, store: ObjectStore, connection: Connection) -> None:
    """No product, no order, no view: a snapshot with nothing in it."""
    insert(connection, "Company", [{"id": "shop", "name": "n", "slug": "s", "currency": "USD"}])
    snapshot = run(settings)
    assert snapshot.members == {"order_lines": [], "views": [], "impressions": []}
    assert snapshot.currency == "USD"
    assert pl.read_parquet(store.fetch(snapshot.products_key)).is_empty()


def test_many_days_are_read_in_runs(settings: Settings, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than one run holds are read in several, each day once."""
    make_shop(settings, "shop", ["abc"] * 10)
    whole = extract(settings, FileStore(settings.local_dir / "whole"), "shop", NOW, silent)
    reads.clear()
    monkeypatch.setattr("flows.extract.MIN_CHUNK_EVENTS", 3)
    monkeypatch.setattr("flows.extract.CHUNKS", 4)
    assert run(settings) == whole
    assert reads == ["04-22..04-25", "04-25..04-28", "04-28..05-01", "05-01..05-02"]


def test_progress_ends_with_everything(settings: Settings) -> None:
    """The last word on each member is that all of its days are done."""
    make_shop(settings, "shop", ["a"] * 3)
    told: list[tuple[str, int, int]] = []
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    extract(settings, store, "shop", NOW, lambda label, done, total: told.append((label, done, total)))
    assert told[-1] == ("extract shop order_lines", 3, 3)


def test_a_database_that_is_away_is_one_sentence(settings: Settings, store: ObjectStore) -> None:
    """It names host, port and setting, not the password, and nothing is written."""
    gone = Settings(settings.local_dir, "postgresql://user:secret@127.0.0.1:1/x", retry_seconds=0.2)
    with pytest.raises(ServiceUnavailable, match=r"Postgres at 127\.0\.0\.1:1 cannot be used .*DATABASE_URL") as away:
        extract(gone, store, "shop", NOW, silent)
    assert "secret" not in str(away.value)
    assert store.keys("") == []
