"""Counters of offers and claimed revenue against Postgres, on real servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from flows.connections import Connection, postgres
from flows.nightly import night
from flows.progress import silent
from flows.reconcile import ORDER_DAYS, Reconciled, reconcile
from flows.settings import Settings
from models.offer_counters import accepted_key, counts_command, declined_key, read_counts, shown_key, subject
from models.targeting_facts import Counts
from tests.shops import DAY, add_order, insert, make_shop

TODAY = DAY.date().isoformat()
HOUR = timedelta(hours=1)
ANN, GUEST = subject("ann", "s"), subject("", "s")


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """The Redis that is put right."""
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as opened:
        yield opened


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    """A shop with two customers and a rule of every cap, on a connection that commits every statement."""
    make_shop(settings, "shop", ["ab"])
    with postgres(settings, autocommit=True) as opened:
        insert(opened, "Customer", [{"id": id, "companyId": "shop"} for id in ("ann", "bob")])
        rule(opened, "capped", maxAcceptances=2, maxImpressions=5)
        rule(opened, "free", maxAcceptances=None, maxImpressions=None)
        yield opened


def rule(connection: Connection, id: str, company: str = "shop", **columns: Any) -> None:
    """A rule with columns of its own."""
    insert(connection, "UpsellTargetingRule", [{"id": id, "companyId": company, "name": id, "upsellType": "CROSS_SELL", **columns}])


def shown(connection: Connection, id: str, rule_id: str = "capped", company: str = "shop", **columns: Any) -> None:
    """An impression in session s, an hour before DAY, written when it was viewed."""
    viewed = columns.pop("viewedAt", DAY - HOUR)
    at = {"viewedAt": viewed, "createdAt": viewed, "updatedAt": viewed}
    row = {"id": id, "ruleId": rule_id, "companyId": company, "sessionId": "s", "placement": "CART_PAGE", **at, **columns}
    insert(connection, "UpsellImpression", [row])


def checks(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Order, claim and what was ordered by impression."""
    rows = connection.execute('select * from "UpsellRevenueCheck" order by "impressionId"')
    return {row["impressionId"]: (row["orderId"], row["claimed"], row["ordered"]) for row in rows}


def counted(client: redis.Redis, whom: str) -> Mapping[str, Counts]:
    """What the API reads of a visitor."""
    reply = client.execute_command(*counts_command("shop", TODAY, whom, ["capped"]))  # type: ignore[no-untyped-call]
    return read_counts(reply, ["capped"])


def test_what_redis_lost_is_put_back(settings: Settings, connection: Connection, client: redis.Redis) -> None:
    """Ids that were accepted up to the cap, counts of today per customer or session, and declines come back as the API reads them;
    a second time changes nothing, and rules without a cap are not counted."""
    for number in range(3):
        shown(connection, f"a{number}", customerId="ann", acceptedAt=DAY - timedelta(minutes=9 - number))
    shown(connection, "g", declinedAt=DAY - HOUR)
    shown(connection, "old", viewedAt=DAY - timedelta(days=1))
    shown(connection, "uncapped", "free", acceptedAt=DAY)
    done = reconcile(settings, "shop", DAY)
    assert (done.accepted, done.shown, done.declined) == (2, 2, 1)
    assert client.smembers(accepted_key("shop", "capped")) == {b"a0", b"a1"}
    assert client.exists(accepted_key("shop", "free")) == 0
    ann, guest = counted(client, ANN), counted(client, GUEST)
    assert (ann["capped"].impressions_today, ann["capped"].acceptances, ann["capped"].declined_at) == (3, 2, None)
    assert (guest["capped"].impressions_today, guest["capped"].declined_at) == (1, DAY - HOUR)
    assert set(ann) | set(guest) == {"capped"}
    again = reconcile(settings, "shop", DAY)
    assert (again.accepted, again.shown, again.declined) == (0, 0, 0)


def test_what_the_api_counts_meanwhile_stays(settings: Settings, connection: Connection, client: redis.Redis) -> None:
    """Ids that are not in Postgres yet, larger counts and later declines are left as they are."""
    shown(connection, "g", declinedAt=DAY - HOUR)
    client.sadd(accepted_key("shop", "capped"), "on its way")
    client.hset(shown_key("shop", TODAY, GUEST), "capped", 4)
    client.hset(declined_key("shop", GUEST), "capped", 9_999_999_999_999)
    reconcile(settings, "shop", DAY)
    assert client.smembers(accepted_key("shop", "capped")) == {b"on its way"}
    assert client.hget(shown_key("shop", TODAY, GUEST), "capped") == b"4"
    assert client.hget(declined_key("shop", GUEST), "capped") == b"9999999999999"


@pytest.mark.parametrize(("whose", "days", "found"), [(None, 2, 0), ("shop", 4, 1), (None, 4, 1), ("shop", 0, 0)])
def test_the_cool_down_is_the_companys(
    settings: Settings, connection: Connection, client: redis.Redis, whose: str | None, days: int, found: int
) -> None:
    """Declines count for as long as the company, or the settings for all, want, and are kept for what is left of it."""
    insert(connection, "UpsellSettings", [{"companyId": whose, "settings": f'{{"declineCoolDownDays": {days}}}'}])
    shown(connection, "g", viewedAt=DAY - timedelta(days=3), declinedAt=DAY - timedelta(days=3))
    assert reconcile(settings, "shop", DAY).declined == found
    ttl = client.pttl(declined_key("shop", GUEST))
    assert isinstance(ttl, int) and 0 < ttl <= 86_400_000 if found else ttl == -2


def test_a_later_acceptance_ends_a_decline(settings: Settings, connection: Connection) -> None:
    """Whoever accepted an offer of the rule after declining one is shown it again."""
    shown(connection, "no", declinedAt=DAY - HOUR)
    shown(connection, "yes", acceptedAt=DAY)
    assert reconcile(settings, "shop", DAY).declined == 0


def test_no_company_counts_for_another(settings: Settings, connection: Connection, client: redis.Redis) -> None:
    """What is not the company's own, by its rule or by its row, is neither counted nor checked."""
    make_shop(settings, "other", ["a"])
    rule(connection, "theirs", "other", maxAcceptances=9, maxImpressions=9)
    shown(connection, "x", "theirs", "other", acceptedAt=DAY, declinedAt=DAY)
    shown(connection, "y", "theirs", "shop", acceptedAt=DAY, declinedAt=DAY)
    assert reconcile(settings, "shop", DAY + timedelta(days=9)) == Reconciled("shop")
    assert client.keys("*") == [] and checks(connection) == {}


def cart(connection: Connection, id: str, order_id: str | None, session: str | None = None, company: str = "shop") -> None:
    """A cart that has become an order."""
    insert(connection, "Cart", [{"id": id, "companyId": company, "orderId": order_id, "sessionToken": session}])


def test_claims_stand_beside_orders(settings: Settings, connection: Connection) -> None:
    """The cart's order comes before the customer's, and that one or the session's is the first within the days; an offer of a
    product counts its lines alone; what was canceled counts for nothing. More claimed than ordered is a mismatch."""
    later = DAY + HOUR
    for order, products, columns in (
        ("of-cart", ["shop-a", "shop-b"], {}),
        ("of-ann", ["shop-a"], {"customerId": "ann"}),
        ("of-session", ["shop-a"], {}),
        ("back", ["shop-a"], {"customerId": "bob", "status": "REFUNDED"}),
    ):
        add_order(connection, "shop", order, [*products], later, **columns)
    cart(connection, "cart-1", "of-cart")
    cart(connection, "cart-2", "of-session", "visit")
    accepted: dict[str, Any] = {"acceptedAt": DAY}
    shown(connection, "1", **accepted, cartId="cart-1", customerId="ann", revenue="20.00")
    shown(connection, "2", **accepted, customerId="ann", revenue="10.01")
    shown(connection, "3", **accepted, sessionId="visit", revenue="10.00")
    shown(connection, "4", **accepted, customerId="bob", revenue="5.00")
    shown(connection, "5", **accepted, cartId="cart-1", offer='{"bonusProduct": "shop-b"}', revenue="12.00")
    shown(connection, "6", **accepted, sessionId="nowhere", revenue="1.00")
    shown(connection, "7", cartId="cart-1")
    done = reconcile(settings, "shop", DAY + timedelta(days=1))
    ten, nothing = Decimal("10.00"), Decimal("0.00")
    found = {
        "1": ("of-cart", Decimal("20.00"), Decimal("20.00")),
        "2": ("of-ann", Decimal("10.01"), ten),
        "3": ("of-session", ten, ten),
        "4": ("back", Decimal("5.00"), nothing),
        "5": ("of-cart", Decimal("12.00"), ten),
    }
    assert checks(connection) == found
    assert (done.revenue_checked, done.revenue_mismatches, done.revenue_without_order) == (5, 3, 0)
    again = reconcile(settings, "shop", DAY + timedelta(days=1))
    assert (again.revenue_checked, again.revenue_mismatches) == (5, 3) and checks(connection) == found
    # when its days have passed, a claim without an order is told of, too
    late = reconcile(settings, "shop", DAY + timedelta(days=ORDER_DAYS))
    assert (late.revenue_mismatches, late.revenue_without_order) == (4, 1)
    assert checks(connection)["6"] == (None, Decimal("1.00"), None)


def test_an_order_that_changes_is_looked_at_again(settings: Settings, connection: Connection) -> None:
    """A refund within the days takes back what was ordered; long afterwards the row stays as it was last."""
    add_order(connection, "shop", "order", ["shop-a"], DAY, customerId="ann")
    shown(connection, "1", acceptedAt=DAY, customerId="ann", revenue="10.00")
    assert reconcile(settings, "shop", DAY + HOUR).revenue_mismatches == 0
    connection.execute("""update "Order" set status = 'REFUNDED' where id = 'order'""")
    assert reconcile(settings, "shop", DAY + timedelta(days=30)).revenue_mismatches == 1
    connection.execute("""update "Order" set status = 'COMPLETED' where id = 'order'""")
    assert reconcile(settings, "shop", DAY + timedelta(days=300)).revenue_checked == 0
    assert checks(connection)["1"][2] == 0


def test_the_night_learns_and_reconciles(settings: Settings, connection: Connection, client: redis.Redis) -> None:
    """Impressions become acceptance rates of the generation, with their calibration, and the night counts its mismatches."""
    at = datetime.now(DAY.tzinfo) - timedelta(days=20)
    add_order(connection, "shop", "order", ["shop-a"], at, customerId="ann")
    shown(connection, "1", viewedAt=at - HOUR, acceptedAt=at - HOUR, customerId="ann", revenue="99.00")
    shown(connection, "2", "free", viewedAt=at - HOUR, placement="")
    [done] = night(settings, ["shop"], datetime.now(DAY.tzinfo), silent)
    assert (done.error, done.reconcile_error) == (None, None)
    assert (done.n_revenue_checked, done.n_revenue_mismatches) == (1, 1)
    assert done.quarantined == {"impressions: an impression in no placement": 1}
    assert client.smembers(accepted_key("shop", "capped")) == {b"1"}
    [key] = client.keys("upsell:shop:*:upsell-acceptance:capped")
    assert b'"nViewed":1,"nAccepted":1' in (client.get(key) or b"")
    [manifest] = client.keys("upsell:shop:*:manifest")
    assert b'"acceptanceCalibration"' in (client.get(manifest) or b"")
