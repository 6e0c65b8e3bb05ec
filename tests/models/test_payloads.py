"""Payload bytes against the same thing built the slow way."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation import ROWS, split_extras, split_payload
from models.payloads import bundle_extras, payloads, product_fragments, product_payloads, references, rows
from models.recommenders import RECOMMENDERS
from tests.models.invented import PRODUCT, QUICK, features, products, random_features

HOSTILE = [
    "plain",
    "",
    'quote " and \\ backslash',
    "line\nfeed\rtab\t",
    "\x00\x01\x1f\x7f",
    "\u2028\u2029\u0085",
    "emoji 😀 é ǆ 日本",
    "</script><!--",
    '{"v":',
    '"}',
    '"}}',
    "\ufeff\ufffd\ud7ff\ue000",
    "a" * 3000,
]
# every code point but surrogates, which no UTF-8 text can hold
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
CENTS = st.one_of(st.none(), st.integers(0, 10**10))


def reference(item: dict[str, Any], product: dict[str, Any]) -> dict[str, Any]:
    """One item of the public line, amounts as Decimal."""

    def amount(cents: int | None) -> Decimal | None:
        return None if cents is None else Decimal(cents).scaleb(-2)

    optional = {
        "compareAtPrice": amount(product["compare_at_cents"]),
        "imageUrl": product["image_url"],
        "averageRating": product["average_rating"],
        "category": product["category"],
        "coOccurrenceCount": item.get("n_xy"),
    }
    always = {
        "id": product["product_id"],
        "name": product["name"],
        "slug": product["slug"],
        "price": amount(product["price_cents"]),
        "reviewCount": product["n_reviews"],
        "inStock": product["in_stock"],
        "score": item["score"],
        "reason": item["reason"],
    }
    return always | {name: value for name, value in optional.items() if value is not None}


def parsed(line: bytes) -> list[dict[str, Any]]:
    """JSON without losing a digit; a key that stands twice, NaN and Infinity are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(line.decode(), parse_float=Decimal, parse_constant=refuse, object_pairs_hook=unique)


def published(frame: pl.DataFrame, catalogue: pl.DataFrame, evidence: tuple[str, ...]) -> dict[str, bytes]:
    """Payload by anchor, in the frame's order."""
    return dict(payloads(frame, product_fragments(catalogue), evidence).rows())


def item(anchor: str, rank: int, product: str, **columns: Any) -> dict[str, Any]:
    """One row of a recommendations frame."""
    return {"anchor_id": anchor, "rank": rank, "product_id": product, "score": 0.5, "source": "s", "reason": "r", **columns}


@QUICK
@given(data=st.data())
def test_payloads_equal_the_slow_way(data: st.DataObject) -> None:
    """Both lines parse, hold no other newline, and say what json would say of the same rows, in the order of rank."""
    ids = data.draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    optional = st.one_of(st.none(), TEXT)
    rows = {
        id: {
            "name": data.draw(TEXT),
            "slug": data.draw(TEXT),
            "image_url": data.draw(optional),
            "category": data.draw(optional),
            "price_cents": data.draw(CENTS),
            "compare_at_cents": data.draw(CENTS),
            "average_rating": data.draw(st.one_of(st.none(), st.floats(0, 5))),
            "n_reviews": data.draw(st.integers(0, 2**40)),
            "in_stock": data.draw(st.booleans()),
        }
        for id in ids
    }
    catalogue = products(rows)
    counts = st.one_of(st.none(), st.integers(0, 2**50))
    items = [
        item(anchor, rank, product, reason=data.draw(TEXT), score=data.draw(st.floats(0, 1)), n_xy=data.draw(counts))
        for anchor in ids
        for rank, product in enumerate(ids, start=1)
    ]
    frame = pl.DataFrame(items, schema_overrides={"n_xy": pl.Int64, "score": pl.Float64})
    by_id = {row["product_id"]: row for row in catalogue.rows(named=True)}
    done = published(frame.sample(fraction=1.0, shuffle=True, seed=1), catalogue, ("n_xy",))
    assert list(done) == sorted(ids)
    for anchor, payload in done.items():
        assert payload.count(b"\n") == 1
        shown, evidence = (parsed(line) for line in split_payload(payload))
        expected = [row for row in items if row["anchor_id"] == anchor]
        assert [{**row, "score": float(row["score"]), **_rating(row)} for row in shown] == [
            reference(row, by_id[row["product_id"]]) for row in expected
        ]
        assert evidence == [{"source": "s"} | ({} if row["n_xy"] is None else {"nXy": row["n_xy"]}) for row in expected]


def _rating(row: dict[str, Any]) -> dict[str, float]:
    return {"averageRating": float(row["averageRating"])} if "averageRating" in row else {}


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "0.00"), (5, "0.05"), (50, "0.50"), (99, "0.99"), (100, "1.00"), (255, "2.55"), (100_000_000, "1000000.00")],
)
def test_amounts_have_two_decimals(cents: int, text: str) -> None:
    """Amounts are written digit for digit, for the price and for the price compared with."""
    fragment = product_fragments(products({"a": {"price_cents": cents, "compare_at_cents": cents}}))["fragment"][0]
    assert f'"price":{text},' in fragment
    assert f'"compareAtPrice":{text},' in fragment


def test_a_price_that_is_none_is_null() -> None:
    """No price and a negative one are null, never another number; a negative price to compare with is absent."""
    for cents in (None, -5, -100):
        fragment = product_fragments(products({"a": {"price_cents": cents, "compare_at_cents": cents}}))["fragment"][0]
        assert '"price":null,' in fragment
        assert "compareAtPrice" not in fragment


def test_numbers_that_json_does_not_know_are_absent() -> None:
    """NaN or infinite ratings and evidence never reach a payload."""
    catalogue = products({"a": {"average_rating": float("nan")}, "b": {"average_rating": float("inf")}})
    frame = pl.DataFrame([item("x", 1, "a", lift=float("nan")), item("x", 2, "b", lift=1.5)])
    shown, evidence = split_payload(published(frame, catalogue, ("lift",))["x"])
    assert all("averageRating" not in row for row in parsed(shown))
    assert parsed(evidence) == [{"source": "s"}, {"source": "s", "lift": Decimal("1.5")}]


def test_keys_are_the_contracts_in_its_order() -> None:
    """All fields of a full product stand in the contract's order; a bare one has the required fields alone."""
    full = {"compare_at_cents": 1, "image_url": "u", "average_rating": 4.5, "category": "c"}
    frame = pl.DataFrame([item("x", 1, "a", n_xy=3), item("x", 2, "b", n_xy=None)])
    shown, _ = split_payload(published(frame, products({"a": full, "b": {}}), ("n_xy",))["x"])
    complete, bare = parsed(shown)
    assert list(complete) == [
        *("id", "name", "slug", "price", "compareAtPrice", "imageUrl", "averageRating", "reviewCount", "inStock", "category"),
        *("score", "reason", "coOccurrenceCount"),
    ]
    assert list(bare) == ["id", "name", "slug", "price", "reviewCount", "inStock", "score", "reason"]


def test_items_stand_in_order_of_rank() -> None:
    """Ranks order the lines as numbers: 10 comes after 9."""
    ids = [f"p{rank}" for rank in range(12, 0, -1)]
    frame = pl.DataFrame([item("x", rank, f"p{rank}") for rank in (10, 9, 2, 1, 12, 11, 3, 4, 5, 6, 7, 8)])
    shown, evidence = split_payload(published(frame, products({id: {} for id in ids}), ())["x"])
    assert [row["id"] for row in parsed(shown)] == [f"p{rank}" for rank in range(1, 13)]
    assert len(parsed(evidence)) == 12


def test_no_rows_no_payloads() -> None:
    """An empty frame makes no payload."""
    frame = pl.DataFrame([item("x", 1, "a")]).clear()
    assert published(frame, pl.DataFrame(schema=PRODUCT), ()) == {}


@pytest.mark.parametrize("recommender", [row for row in RECOMMENDERS if row.form != ROWS], ids=lambda row: row.kind)
@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_a_random_shop(recommender: Any, seed: int) -> None:
    """Each anchor of each kind gets one payload; its lines parse and are as long as the list."""
    shop = random_features(seed)
    frame = recommender.recommend(shop)
    done = published(frame, shop.products, recommender.evidence)
    assert list(done) == sorted(set(frame["anchor_id"]))
    for anchor, payload in done.items():
        shown, evidence = (parsed(line) for line in split_payload(payload))
        of_anchor = frame.filter(anchor_id=anchor).sort("rank")
        assert [row["id"] for row in shown] == of_anchor["product_id"].to_list()
        assert [row["source"] for row in evidence] == of_anchor["source"].to_list()


def test_evidence_names_are_camel_case() -> None:
    """n_baskets becomes nBaskets, window_days windowDays; what an item does not have is absent."""
    shop = features(["ab"] * 5 + ["c"])
    frame = next(row for row in RECOMMENDERS if row.kind == "also-bought").recommend(shop)
    names = next(row.evidence for row in RECOMMENDERS if row.kind == "also-bought")
    own, filled = parsed(split_payload(published(frame, shop.products, names)["a"])[1])
    assert {"source", "nXy", "nX", "nY", "nBaskets", "windowDays"} <= set(own)
    assert {"source", "nEvents", "windowDays"} <= set(filled)
    assert all(key.isalnum() for key in (*own, *filled))
    assert ("nEvents" in own, "nXy" in filled) == (False, False)


@QUICK
@given(data=st.data())
def test_references_equal_the_slow_way(data: st.DataObject) -> None:
    """One line per anchor: ids with score, and reason where asked for, by rank, whatever text an id or a reason holds."""
    ids = data.draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    items = [
        item(anchor, rank, product, reason=data.draw(TEXT), score=data.draw(st.floats(0, 1)))
        for anchor in ids
        for rank, product in enumerate(ids, start=1)
    ]
    frame = pl.DataFrame(items).sample(fraction=1.0, shuffle=True, seed=2)
    for reasons in (True, False):
        done = dict(references(frame, reasons=reasons).rows())
        assert list(done) == sorted(ids)
        for anchor, payload in done.items():
            assert b"\n" not in payload
            expected = [[row["product_id"], row["score"], row["reason"]] for row in items if row["anchor_id"] == anchor]
            assert json.loads(payload) == [row if reasons else row[:2] for row in expected]


def test_references_are_short() -> None:
    """What a reference costs, byte for byte: no evidence, no product."""
    frame = pl.DataFrame([item("ann", 2, "b", score=0.25), item("ann", 1, "a", score=1.0)])
    assert references(frame, reasons=True)["payload"].to_list() == [b'[["a",1.0,"r"],["b",0.25,"r"]]']
    assert references(frame, reasons=False)["payload"].to_list() == [b'[["a",1.0],["b",0.25]]']
    assert references(frame.clear(), reasons=True).rows() == []


@QUICK
@given(id=TEXT, name=TEXT, category=st.none() | TEXT, stock=st.none() | st.integers(-5, 10**9), cost=st.none() | CENTS)
def test_products_by_themselves(id: str, name: str, category: str | None, stock: int | None, cost: int | None) -> None:
    """The product as in any list, without score and reason; then its name, its category's id, what is in stock, and what a unit
    costs, to the cent."""
    catalogue = products({id: {"name": name, "category_id": category, "price_cents": 1250, "cost_cents": cost}})
    catalogue = catalogue.with_columns(stock=pl.lit(stock, dtype=pl.Int64))
    ((anchor, payload),) = product_payloads(catalogue, product_fragments(catalogue)).rows()
    product, described = payload.split(b"\n")
    shown = published(pl.DataFrame([item("x", 1, id)]), catalogue, ())["x"].split(b"\n")[0]
    assert shown == b"[" + product[:-1] + b',"score":0.5,"reason":"r"}]'
    exact = None if cost is None else Decimal(cost) / 100
    assert (anchor, json.loads(described, parse_float=Decimal)) == (id, [name, category, stock, exact])
    assert b"costs" not in product and described.endswith(b"null]" if cost is None else b"%02d]" % (cost % 100))


@QUICK
@given(product=TEXT, reason=TEXT, figure=st.none() | st.floats())
def test_rows_say_all_they_have(product: str, reason: str, figure: float | None) -> None:
    """An object per row in rank order: evidence in camelCase, instants and days as text, null for what is no number."""
    at = datetime(2026, 6, 30, 12, tzinfo=UTC)
    facts = {"n_gaps": 3, "expected_days": figure, "next_at": at, "next_on": at.date(), "level": "personal"}
    frame = pl.DataFrame([{**item("ann", 2, "b"), **facts}, {**item("ann", 1, product, reason=reason), **facts}])
    ((anchor, payload),) = rows(frame.with_columns(pl.col("expected_days").cast(pl.Float64)), tuple(facts)).rows()
    first, second = json.loads(payload)
    assert (anchor, second["productId"], b"\n" in payload) == ("ann", "b", False)
    known = figure if figure is not None and math.isfinite(figure) else None
    assert first == {
        "productId": product, "score": 0.5, "source": "s", "reason": reason, "nGaps": 3, "expectedDays": known,
        "nextAt": "2026-06-30T12:00:00.000000+00:00", "nextOn": "2026-06-30", "level": "personal",
    }  # fmt: skip


BUNDLES = {
    "anchor_id": pl.String,
    "bundle_rank": pl.Int64,
    "product_ids": pl.List(pl.String),
    "co_view_frequency": pl.Int64,
    "conversion_lift": pl.Float64,
    "individual_cents": pl.Int64,
    "bundle_cents": pl.Int64,
    "savings_cents": pl.Int64,
    "discount_percent": pl.Float64,
}


def test_bundles_stand_behind_the_products() -> None:
    """By rank, whole products with the page's own first, amounts with two decimals, no lift where there is none; pages without
    bundles keep their two lines byte for byte."""
    catalogue = products({"a": {"price_cents": 999}, "b": {"price_cents": 1}, "c": {}})
    fragments = product_fragments(catalogue)
    frame = pl.DataFrame([item("a", 1, "b", reason="of b"), item("a", 2, "c", reason="of c"), item("c", 1, "a")])
    rows = [
        ("a", 2, ["a", "c"], 5, None, 1999, 1799, 200, 10.0),
        ("a", 1, ["a", "b", "c"], 41, 0.25, 2000, 1795, 205, 10.25),
    ]
    extras = bundle_extras(pl.DataFrame(rows, schema=BUNDLES, orient="row"), fragments, frame)
    done = dict(payloads(frame, fragments, (), extras).rows())
    assert done["c"] == published(frame, catalogue, ())["c"]
    assert b"\n".join(split_extras(done["a"])[:2]) == published(frame, catalogue, ())["a"]
    assert b'"individualTotal":20.00,"bundlePrice":17.95,"savings":2.05,' in done["a"]
    first, second = parsed(split_extras(done["a"])[2])["bundles"]
    assert [list(first), list(second)] == [
        ["products", "coViewFrequency", "conversionLift", "individualTotal", "bundlePrice", "savings", "discountPercent"],
        ["products", "coViewFrequency", "individualTotal", "bundlePrice", "savings", "discountPercent"],
    ]
    assert (first["coViewFrequency"], first["conversionLift"], first["discountPercent"]) == (41, Decimal("0.25"), Decimal("10.25"))
    assert [(row["id"], row["reason"]) for row in first["products"]] == [("a", "This product"), ("b", "of b"), ("c", "of c")]
    assert first["products"][1] == parsed(split_payload(done["a"])[0])[0]
    assert [row["price"] for row in second["products"]] == [Decimal("9.99"), Decimal("10.00")]


def test_no_bundles_no_extras() -> None:
    """An empty frame of bundles changes nothing."""
    catalogue = products({"a": {}, "b": {}})
    frame, fragments = pl.DataFrame([item("a", 1, "b")]), product_fragments(catalogue)
    extras = bundle_extras(pl.DataFrame(schema=BUNDLES), fragments, frame)
    assert payloads(frame, fragments, (), extras).rows() == payloads(frame, fragments, ()).rows()
