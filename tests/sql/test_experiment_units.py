"""The units of experiments: one DuckDB statement against the same rules written out row by row."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sql
from tests.models.invented import QUICK

START = datetime(2026, 5, 1, tzinfo=UTC)
Row = dict[str, Any]
COUNTS = ("n_impressions", "n_clicks", "n_adds", "n_accepts", "n_declines", "n_orders", "n_placed_orders", "n_refunds")
VALUES = (
    *COUNTS,
    "uncapped_revenue_cents",
    "n_items",
    "discount_cents",
    "claimed_revenue_cents",
    "pre_n_orders",
    "pre_revenue_cents",
)
DESIGN: Row = {
    "experiment_id": "exp", "unit": "session", "started_at": START, "ended_at": START + timedelta(days=20),
    "mature_until": START + timedelta(days=30), "watermark": START + timedelta(days=30), "window_days": 7.0, "covariate_days": 28.0,
    "max_per_day": 500.0, "cap_quantile": 1.0, "cap_cents": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the tables that the statement reads."""
    with duckdb.connect() as opened:
        opened.execute("set timezone = 'UTC'")
        opened.execute(sql.load("features/experiment_tables"))
        yield opened


def at(days: float) -> datetime:
    """An instant that many days after START."""
    return START + timedelta(days=days)


def exposure(session: str | None, days: float, variant: str | None = "a", **more: Any) -> Row:
    """One exposure; `more` overrides its columns."""
    empty = dict.fromkeys(("clicked_at", "added_at", "accepted_at", "declined_at", "claimed_revenue_cents", "customer_id"))
    row = {"experiment_id": "exp", "variant": variant, "session_id": session, "placement": "CART_PAGE", "subject_id": "rule"}
    return {**row, "happened_at": at(days), **empty, **more}


def order(name: str, days: float, session: str | None = None, customer: str | None = None, **more: Any) -> Row:
    """One order of 10.00; `more` overrides its columns."""
    row = {"order_id": name, "customer_id": customer, "session_id": session, "is_taken_back": False, "total_cents": 1000}
    return {**row, "discount_cents": 0, "n_items": 1, "ordered_at": at(days), **more}


def measured(
    duck: duckdb.DuckDBPyConnection, shown: list[Row], bought: list[Row], designs: list[Row] | None = None, query: str = ""
) -> list[Row]:
    """Units of the statement by experiment and unit, or the answer of another query over them."""
    tables = {"designs": designs or [DESIGN], "exposures": shown, "outcomes": bought}
    for name, rows in tables.items():
        duck.execute(f"delete from {name}")
        for row in rows:
            duck.execute(f"insert into {name} ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values()))
    duck.execute("delete from assigned")
    for design in tables["designs"]:
        duck.execute("insert into assigned values (?, 'a'), (?, 'b')", [design["experiment_id"]] * 2)
    duck.execute("create or replace table units as " + sql.load("features/experiment_units").rstrip().removesuffix(";"))
    rows = duck.sql(query or "from units order by experiment_id, unit_id").pl().to_dicts()
    assert isinstance(rows, list)
    return rows


def test_a_unit_is_counted_from_its_first_exposure_to_the_end_of_its_window(duck: duckdb.DuckDBPyConnection) -> None:
    """By hand: one session, two exposures, clicks and orders inside and outside of [first, + 7 days), one order before."""
    shown = [
        exposure("s", 1.0, clicked_at=at(1.1), accepted_at=at(1.2), claimed_revenue_cents=999, customer_id="c"),
        exposure("s", 7.5, clicked_at=at(8.5), declined_at=at(7.9), customer_id="c", placement="CHECKOUT"),
        exposure("s", 9.0, clicked_at=at(9.1), customer_id="c"),
    ]
    bought = [
        order("before", 0.5, customer="c"),
        order("long-before", -40, customer="c"),
        order("first", 1.0, "s", n_items=3, discount_cents=50),
        order("refunded", 2.0, customer="c", is_taken_back=True),
        order("last", 7.999, customer="c", total_cents=500),
        order("late", 8.0, "s"),
        order("a-stranger's", 2.0, "t", "d"),
    ]
    [unit] = measured(duck, shown, bought)
    expected = {
        "n_impressions": 2, "n_clicks": 1, "n_adds": 0, "n_accepts": 1, "n_declines": 1, "n_orders": 2, "n_placed_orders": 3,
        "n_refunds": 1, "is_buyer": 1, "revenue_cents": 1500, "n_items": 4, "discount_cents": 50, "claimed_revenue_cents": 999,
        "pre_n_orders": 1, "pre_revenue_cents": 1000, "segment_placement": "CART_PAGE", "segment_visitor": "RETURNING",
        "segment_customer": "repeat", "reason": None, "exposed_at": at(1.0), "variant": "a",
    }  # fmt: skip
    assert {name: unit[name] for name in expected} == expected


def test_an_order_counts_for_one_unit(duck: duckdb.DuckDBPyConnection) -> None:
    """Of a customer's three sessions the order's own takes it, and where it has none of these, the one exposed last before it."""
    shown = [exposure(session, day, customer_id="c") for session, day in (("early", 1), ("late", 2), ("later", 4))]
    found = measured(duck, shown, [order("own", 3, "early", "c"), order("other", 3, "elsewhere", "c"), order("none", 5, None, "c")])
    assert {unit["unit_id"]: unit["n_orders"] for unit in found} == {"early": 1, "late": 1, "later": 1}
    assert {unit["unit_id"]: unit["pre_n_orders"] for unit in found} == {"early": 0, "late": 0, "later": 2}


def test_what_may_not_be_compared_is_named(duck: duckdb.DuckDBPyConnection) -> None:
    """Units in two variants, bots and open windows keep their row with a reason; rows of no variant, another one, another time or
    experiment make no unit; each is counted once."""
    shown = [
        exposure("mixed", 1), exposure("mixed", 2, "b"), *(exposure("bot", 3 + n / 1e4) for n in range(600)), exposure("open", 19),
        exposure("ok", 2, clicked_at=at(1.5)), exposure("ok", 2, clicked_at=at(2.5)), exposure("lost", 2, None),
        exposure("odd", 2, "purple"), exposure("early", -1), exposure("late", 20), exposure("far", 2, experiment_id="other"),
    ]  # fmt: skip
    design = {**DESIGN, "mature_until": at(25), "watermark": at(25)}
    found = measured(duck, shown, [], [design])
    assert {unit["unit_id"]: unit["reason"] for unit in found} == {
        "mixed": "unitsInSeveralVariants", "bot": "bots", "open": "unitsWithOpenWindow", "ok": None,
    }  # fmt: skip
    counted = measured(duck, shown, [], [design], sql.load("checks/experiment_rows"))
    assert {(row["experiment_id"], row["name"]): int(row["n"]) for row in counted} == {
        ("exp", "unitsInSeveralVariants"): 1, ("exp", "bots"): 1, ("exp", "unitsWithOpenWindow"): 1, ("exp", "missingVariant"): 1,
        ("exp", "unknownVariant"): 1, ("exp", "outsidePeriod"): 2, ("other", "unknownExperiment"): 1, ("exp", "repeatedEvents"): 1,
        ("exp", "exposureAfterOutcome"): 1,
    }  # fmt: skip


def test_revenue_is_capped_at_the_pooled_quantile_or_the_stated_amount(duck: duckdb.DuckDBPyConnection) -> None:
    """Of 20 units, ten of them buyers of 1..10 euros, the 90 % quantile is the 18th from below: 8 euros. A stated cap goes first,
    and a quantile at which nobody buys caps nothing."""
    shown = [exposure(f"s{number:02}", 1) for number in range(20)]
    bought = [order(f"o{number}", 2, f"s{number:02}", total_cents=100 * (number + 1)) for number in range(10)]
    for quantile, cap, expected in ((0.9, None, 800), (0.9, 250, 250), (0.4, None, 1000)):
        found = measured(duck, shown, bought, [{**DESIGN, "cap_quantile": quantile, "cap_cents": cap}])
        assert max(unit["revenue_cents"] for unit in found) == expected
        assert max(unit["uncapped_revenue_cents"] for unit in found) == 1000


def test_a_customer_as_the_unit_owns_the_orders_of_its_sessions(duck: duckdb.DuckDBPyConnection) -> None:
    """Exposures without a customer are no unit; an order as a guest counts for the customer whose session it came from."""
    shown = [exposure("s", 1, customer_id="c"), exposure("t", 2, customer_id="c"), exposure("guest", 2)]
    [unit] = measured(duck, shown, [order("guest", 3, "t"), order("own", 3, None, "c")], [{**DESIGN, "unit": "customer"}])
    assert (unit["unit_id"], unit["n_impressions"], unit["n_orders"]) == ("c", 2, 2)


def plainly(shown: list[Row], bought: list[Row], design: Row) -> dict[str, Row]:
    """The rules of the statement, one row after the other."""
    window, watermark = timedelta(days=design["window_days"]), design["watermark"]
    of_unit: dict[str, list[Row]] = defaultdict(list)
    for row in shown:
        unit = row["customer_id"] if design["unit"] == "customer" else row["session_id"]
        in_time = design["started_at"] <= row["happened_at"] < min(design["ended_at"], watermark)
        if row["experiment_id"] == design["experiment_id"] and row["variant"] in ("a", "b") and in_time and unit is not None:
            of_unit[unit].append(row)
    found = {unit: _plain_unit(unit, rows, window, design) for unit, rows in of_unit.items()}
    for bill in bought:
        if bill["ordered_at"] < watermark:
            _plain_order(bill, found, of_unit, shown, design)
    return found


def _plain_unit(unit: str, rows: list[Row], window: timedelta, design: Row) -> Row:
    first = min(row["happened_at"] for row in rows)
    until = min(first + window, design["watermark"])
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in ("variant", "session_id", "customer_id", "placement", "subject_id", "happened_at"))
        there = merged.setdefault(key, dict(row))
        for name in ("clicked_at", "added_at", "accepted_at", "declined_at"):
            there[name] = min(filter(None, (there[name], row[name])), default=None)
        claims = [claim for claim in (there["claimed_revenue_cents"], row["claimed_revenue_cents"]) if claim is not None]
        there["claimed_revenue_cents"] = max(claims, default=None)
    inside = [row for row in merged.values() if row["happened_at"] < until]

    def done(name: str) -> list[Row]:
        return [row for row in inside if row[name] is not None and row["happened_at"] <= row[name] < until]

    is_mixed = len({row["variant"] for row in rows}) > 1
    is_open = first + window > design["mature_until"]
    return {
        **dict.fromkeys(VALUES, 0),
        "first": first,
        "reason": "unitsInSeveralVariants" if is_mixed else "unitsWithOpenWindow" if is_open else None,
        "n_impressions": len(inside),
        "n_clicks": len(done("clicked_at")),
        "n_adds": len(done("added_at")),
        "n_accepts": len(done("accepted_at")),
        "n_declines": len(done("declined_at")),
        "claimed_revenue_cents": sum(row["claimed_revenue_cents"] or 0 for row in done("accepted_at")),
    }


def _plain_order(bill: Row, found: dict[str, Row], of_unit: dict[str, list[Row]], shown: list[Row], design: Row) -> None:
    owners, window = [], timedelta(days=design["window_days"])
    # a customer's sessions are all in which the log has seen them
    column = "customer_id" if design["unit"] == "customer" else "session_id"
    seen = {(row[column], row["session_id"]) for row in shown}
    for unit, values in found.items():
        known = {row["customer_id"] for row in of_unit[unit]} - {None}
        # a session that was used by several customers is the first one's by name
        customer = min(known, default=None)
        by_session = (unit, bill["session_id"]) in seen
        by_customer = bill["customer_id"] is not None and bill["customer_id"] == customer
        if not (by_session or by_customer):
            continue
        if values["first"] <= bill["ordered_at"] < values["first"] + window:
            owners.append((not by_session, -values["first"].timestamp(), unit))
        elif values["first"] - timedelta(days=design["covariate_days"]) <= bill["ordered_at"] < values["first"]:
            values["pre_n_orders"] += not bill["is_taken_back"]
            values["pre_revenue_cents"] += 0 if bill["is_taken_back"] else bill["total_cents"]
    if owners:
        values = found[min(owners)[2]]
        values["n_placed_orders"] += 1
        if bill["is_taken_back"]:
            values["n_refunds"] += 1
        else:
            values["n_orders"] += 1
            for name, column in (
                ("uncapped_revenue_cents", "total_cents"),
                ("n_items", "n_items"),
                ("discount_cents", "discount_cents"),
            ):
                values[name] += bill[column]


@QUICK
@given(st.integers(0, 2**32 - 1), st.sampled_from(["session", "customer"]))
def test_the_statement_and_the_rules_agree(duck: duckdb.DuckDBPyConnection, seed: int, unit: str) -> None:
    """On random logs, full of ties, repeats, stray variants and outcomes at any time, every value of every unit is the one that the
    rules give, whatever the order of the rows."""
    drawn = random.Random(seed)
    shown, bought = _random_log(drawn)
    design = {**DESIGN, "unit": unit, "window_days": drawn.choice([0.5, 3.0, 7.0]), "mature_until": at(24), "watermark": at(24)}
    expected = plainly(shown, bought, design)
    for _ in range(2):
        found = {row["unit_id"]: row for row in measured(duck, shown, bought, [design])}
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert {key: found[name][key] for key in (*VALUES, "reason")} == {key: values[key] for key in (*VALUES, "reason")}, name
        drawn.shuffle(shown)
        drawn.shuffle(bought)


def _random_log(drawn: random.Random) -> tuple[list[Row], list[Row]]:
    def moment() -> float:
        return drawn.choice([math.floor(drawn.uniform(-1, 26)), drawn.uniform(-1, 26)])

    def later(day: float) -> datetime | None:
        return drawn.choice([None, at(day), at(day + drawn.uniform(-0.5, 9))])

    sessions, customers = ["s1", "s2", "s3", "s4"], [None, "c1", "c2", "c3"]
    shown: list[Row] = []
    for _ in range(drawn.randint(0, 14)):
        day = moment()
        events = {name: later(day) for name in ("clicked_at", "added_at", "accepted_at", "declined_at")}
        shown.append(exposure(
            drawn.choice(sessions), day, drawn.choice(["a", "a", "a", "b", None, "purple"]), customer_id=drawn.choice(customers),
            placement=drawn.choice(["CART_PAGE", "CHECKOUT"]), claimed_revenue_cents=drawn.choice([None, 100, 250]), **events,
        ))  # fmt: skip
    shown += [dict(drawn.choice(shown)) for _ in range(3) if shown]
    bought = [
        order(
            f"o{number}", drawn.uniform(-30, 26), drawn.choice([None, *sessions]), drawn.choice(customers),
            is_taken_back=drawn.random() < 0.2, total_cents=drawn.randint(0, 5000), n_items=drawn.randint(1, 4),
        )
        for number in range(drawn.randint(0, 8))
    ]  # fmt: skip
    return shown, bought


def test_no_exposures_no_units(duck: duckdb.DuckDBPyConnection) -> None:
    """A company whose experiments were shown to nobody has no units, and the frames keep their columns."""
    assert measured(duck, [], [order("o", 1, "s")]) == []
    assert isinstance(duck.sql("from units").pl(), pl.DataFrame)
