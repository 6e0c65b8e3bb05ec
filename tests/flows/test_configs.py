"""Configurations republished by night."""

from __future__ import annotations

import json

import psycopg
import pytest
import redis

from flows.configs import publish_configs
from flows.settings import Settings
from models.flags import flags_key
from models.published_configs import BULK_DISCOUNT, RULES, SUBSCRIPTION_CONFIG, config_key, index_key, publish_command, split_config
from tests.shops import make_shop

TIERS = '[{"minQuantity": 2, "maxQuantity": null, "discountType": "FIXED_AMOUNT", "discountValue": 0.10, "label": ""}]'


@pytest.fixture
def store(settings: Settings) -> redis.Redis:
    """The Redis that is published to."""
    assert settings.redis_url
    return redis.Redis.from_url(settings.redis_url)


def execute(settings: Settings, statement: str, *parameters: object) -> None:
    """Write as the platform does, past the API."""
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(statement, parameters)


def configure(settings: Settings, product_id: str, company: str = "acme") -> None:
    """A row of either table."""
    execute(
        settings,
        'insert into "ProductBulkDiscount" ("productId", "companyId", tiers) values (%s, %s, %s)',
        product_id,
        company,
        TIERS,
    )
    execute(settings, 'insert into "ProductSubscriptionConfig" ("productId", "companyId") values (%s, %s)', product_id, company)


def test_everything_is_published_and_nothing_else_is_left(settings: Settings, store: redis.Redis) -> None:
    """Rows of the platform's own are published as they stand; what Postgres does not hold any more is taken away."""
    make_shop(settings, "acme", ["ab"])
    make_shop(settings, "other", ["a"])
    for product_id, company in (("acme-a", "acme"), ("acme-b", "acme"), ("other-a", "other")):
        configure(settings, product_id, company)
    assert publish_configs(settings, "acme") == 4
    version, document = split_config(store.get(config_key("acme", BULK_DISCOUNT, "acme-a")))
    assert version > 1_600_000_000_000
    assert b'"discountValue":0.10' in document, "numbers stay as they are stored"
    assert json.loads(document)["productId"] == "acme-a"
    assert (
        json.loads(split_config(store.get(config_key("acme", SUBSCRIPTION_CONFIG, "acme-b")))[1])["defaultFrequency"] == "MONTHLY"
    )
    assert store.get(config_key("other", BULK_DISCOUNT, "other-a")) is None
    execute(settings, 'delete from "ProductBulkDiscount" where "productId" = %s', "acme-a")
    assert publish_configs(settings, "acme") == 3
    assert split_config(store.get(config_key("acme", BULK_DISCOUNT, "acme-a")))[1] == b""
    assert store.ttl(config_key("acme", BULK_DISCOUNT, "acme-a")) > 0
    assert store.smembers(index_key("acme")) == {
        b"bulk-discount:acme-b",
        b"subscription-config:acme-a",
        b"subscription-config:acme-b",
    }
    store.flushall()
    assert publish_configs(settings, "acme") == 3
    assert split_config(store.get(config_key("acme", BULK_DISCOUNT, "acme-b")))[1] != b""


def test_a_younger_one_stays(settings: Settings, store: redis.Redis) -> None:
    """What the API has published meanwhile is neither replaced nor taken away."""
    make_shop(settings, "acme", ["ab"])
    configure(settings, "acme-a")
    for product_id in ("acme-a", "acme-b"):
        store.execute_command(*publish_command("acme", BULK_DISCOUNT, product_id, 9_999_999_999_999, b'{"younger":true}'))
    publish_configs(settings, "acme")
    for product_id in ("acme-a", "acme-b"):
        assert store.get(config_key("acme", BULK_DISCOUNT, product_id)) == b'9999999999999\n{"younger":true}'


def test_a_company_without_any(settings: Settings) -> None:
    """Nothing configured is nothing published."""
    make_shop(settings, "acme", ["a"])
    assert publish_configs(settings, "acme") == 0


def test_a_deleted_product_is_not_configured(settings: Settings, store: redis.Redis) -> None:
    """The configuration of a product that the platform has deleted is none."""
    make_shop(settings, "acme", ["a"])
    configure(settings, "acme-a")
    publish_configs(settings, "acme")
    execute(settings, 'update "Product" set "deletedAt" = now()')
    assert publish_configs(settings, "acme") == 0
    assert split_config(store.get(config_key("acme", BULK_DISCOUNT, "acme-a")))[1] == b""


def test_what_a_company_decides_is_published_too(settings: Settings, store: redis.Redis) -> None:
    """Rules in their order and the company's flags, as the platform's own writes left them; flags of all beside them."""
    make_shop(settings, "acme", ["ab"])
    rule = 'insert into "UpsellTargetingRule" (id, "companyId", name, priority, "upsellType") values (%s, %s, %s, %s, %s)'
    for name, priority in (("late", 9), ("early", 1)):
        execute(settings, rule, f"acme:{name}", "acme", name, priority, "CROSS_SELL")
    switched = 'insert into "UpsellSettings" ("companyId", flags) values (%s, %s)'
    execute(settings, switched, "acme", '{"smart_upsell_enabled": true}')
    execute(settings, switched, None, '{"bulk_discounts_enabled": false}')
    publish_configs(settings, "acme")
    version, stored = split_config(store.get(config_key("acme", RULES, "")))
    assert [row["name"] for row in json.loads(stored)] == ["early", "late"]
    assert json.loads(store.get(flags_key("acme")) or b"") == {"smart_upsell_enabled": True}
    assert json.loads(store.get(flags_key("")) or b"") == {"bulk_discounts_enabled": False}
    execute(settings, 'delete from "UpsellTargetingRule" where id = %s', "acme:early")
    publish_configs(settings, "acme")
    later, stored = split_config(store.get(config_key("acme", RULES, "")))
    assert later > version
    assert [row["name"] for row in json.loads(stored)] == ["late"]
