"""Carts that Postgres holds: whose they are, what is in them, and what happens without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis

from tests.serving.api import Answer, Api
from tests.serving.carts import CartShop, rule

NOTHING: dict[str, Any] = {"upsells": [], "bulkRecommendations": [], "subscriptionOffers": []}
PRICES: dict[str, str | None] = {"a": "10.00", "b": "5.00"}


@pytest.fixture
def carts(writing_api: Api, client: redis.Redis, company: str) -> CartShop:
    """A shop of this test's own."""
    shop = CartShop(writing_api, client, company)
    shop.sells(PRICES)
    return shop


def keep(
    database_url: str,
    company: str,
    cart: str,
    lines: Sequence[tuple[str, int, str]],
    status: str = "ACTIVE",
    customer: str | None = None,
    name: str | None = None,
    session: str | None = None,
) -> None:
    """A cart with lines of (product, units, unit price), and its customer where one is named."""
    with psycopg.connect(database_url) as connection:
        if customer is not None:
            statement = (
                'insert into "Customer" (id, "companyId", email, "firstName") values (%s, %s, %s, %s) on conflict do nothing'
            )
            connection.execute(statement, [customer, company, "someone@example.invalid", name])
        connection.execute(
            'insert into "Cart" (id, "companyId", status, "customerId", "sessionToken") values (%s, %s, %s, %s, %s)',
            [cart, company, status, customer, session],
        )
        for number, line in enumerate(lines):
            connection.execute(
                'insert into "CartItem" (id, "cartId", "productId", quantity, "unitPrice") values (%s, %s, %s, %s, %s)',
                [str(number), cart, *line],
            )


def ask(shop: CartShop, cart: str, **query: Any) -> Answer:
    """The offers of a stored cart."""
    return shop.api.get(shop.path(f"/api/upsell/cart/{quote(cart, safe='')}", **query))


def test_a_stored_cart(carts: CartShop, offers_database: str) -> None:
    """It is asked about as if its lines had been sent, at the prices that it says; the customer is called by name, nothing more."""
    cart = f"{carts.company}/1"
    keep(offers_database, carts.company, cart, [("a", 2, "9.00"), ("gone", 1, "3.00")], customer="ann", name="Ann", session="s1")
    conditions = {"cartValueMin": 21, "cartValueMax": 21, "isNewCustomer": True}
    carts.decides(rule("r", conditions=conditions, message="{{firstName}}, look", offer={"bonusProduct": "b"}), rule("plain"))
    for _ in range(4):
        answer = ask(carts, cart, maxUpsells=1)
        assert [(row["ruleId"], row["message"]) for row in answer.json()["upsells"]] == [("plain", "")]
        answer = ask(carts, cart)
        assert [row["message"] for row in answer.json()["upsells"]] == ["", "Ann, look"]
        assert b"example.invalid" not in answer.body
    preview = carts.preview(cartId=cart).json()
    assert (preview["cartValue"], [row["ruleId"] for row in preview["upsells"]]) == (21.0, ["plain", "r"])
    assert "Ann" not in carts.api.log.read_text()


def test_only_the_companys_own_active_carts(carts: CartShop, offers_database: str, client: redis.Redis) -> None:
    """An unknown cart, an empty one, one that is not active any more, and another company's are all offered nothing."""
    carts.decides(rule("r"))
    other = CartShop(carts.api, client, f"{carts.company} too")
    other.sells(PRICES)
    other.decides(rule("theirs"))
    names = {status: f"{carts.company}/{status}" for status in ("ACTIVE", "CONVERTED", "ABANDONED", "MERGED", "EXPIRED")}
    for status, cart in names.items():
        keep(offers_database, carts.company, cart, [("a", 1, "10.00")], status=status)
    keep(offers_database, carts.company, f"{carts.company}/empty", [])
    assert [row["ruleId"] for row in ask(carts, names["ACTIVE"]).json()["upsells"]] == ["r"]
    for cart in (f"{carts.company}/nowhere", f"{carts.company}/empty", *list(names.values())[1:]):
        assert ask(carts, cart).json() == NOTHING
    assert ask(other, names["ACTIVE"]).json() == NOTHING
    assert other.preview(cartId=names["ACTIVE"]).json()["cartValue"] == 0
    assert ask(CartShop(carts.api, client, "unheard-of"), names["ACTIVE"]).status == 404


def test_lines_that_are_sent_are_asked_for_alone(carts: CartShop, offers_database: str) -> None:
    """Where the query has items, however it spells the name, the stored cart is not read."""
    cart = f"{carts.company}/1"
    keep(offers_database, carts.company, cart, [("a", 1, "10.00")])
    carts.decides(rule("r", conditions={"hasProduct": ["b"]}))
    for name in ("items", "%69tems"):
        answer = carts.api.get(carts.path(f"/api/upsell/cart/{quote(cart, safe='')}") + f"&{name}=b:1")
        assert [row["ruleId"] for row in answer.json()["upsells"]] == ["r"]
    assert ask(carts, cart).json() == NOTHING


def test_without_a_database(api: Api, client: redis.Redis) -> None:
    """A process that only reads says so, and how to ask it; carts whose lines are sent are answered."""
    shop = CartShop(api, client, "no carts here")
    shop.sells(PRICES)
    answer = ask(shop, "c1")
    assert (answer.status, "items=" in answer.json()["detail"]) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    assert shop.asks("a:1").status == 200
