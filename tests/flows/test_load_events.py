"""Rules, impressions, experiments, exposures, carts and subscriptions: what refers to nothing stays out."""

from __future__ import annotations

from pathlib import Path

from flows.load import LoadFiles, load
from flows.settings import Settings
from tests.flows.test_load import START, asked, only, written


def test_impressions_need_their_rule(settings: Settings, tmp_path: Path) -> None:
    """Impressions find rules by the file's id, unknown ones are quarantined, and a later outcome is taken over once."""
    rules = written(tmp_path, rule_id=["r"], name=["Ten off"], upsell_type=["BUNDLE"], placements=["CART_PAGE, CHECKOUT"])
    load(settings, "shop", LoadFiles(rules=rules))
    shown = {"rule_id": ["r", "x"], "session_id": ["s", "s"], "placement": ["CART_PAGE"] * 2, "viewed_at": [START] * 2}
    report = only(load(settings, "shop", LoadFiles(impressions=written(tmp_path, **shown, customer_id=["c", None]))))
    assert (report.loaded, report.quarantined) == (1, {"rule_id is not one of the company's rules": 1})
    accepted = written(tmp_path, **shown, customer_id=["c", None], accepted_at=[START] * 2, revenue=["12.345", None])
    assert [only(load(settings, "shop", LoadFiles(impressions=accepted))).loaded for _ in range(2)] == [1, 0]
    row = asked(settings, 'select "ruleId", revenue::text, "acceptedAt" is not null as won, "customerId" from "UpsellImpression"')
    assert row == [{"ruleId": "shop:r", "revenue": "12.35", "won": True, "customerId": "c"}]
    assert asked(settings, 'select placements from "UpsellTargetingRule"') == [{"placements": ["CART_PAGE", "CHECKOUT"]}]


def test_exposures_need_their_product(settings: Settings, tmp_path: Path) -> None:
    """Exposures of a product that the company does not have are quarantined; experiments get the company's id for them."""
    products = written(tmp_path, product_id=["p"], title=["Cup"])
    experiments = written(tmp_path, experiment_id=["e"], name=["Test"], primary_metric=["click_rate"], variants=['[{"id": "a"}]'])
    load(settings, "shop", LoadFiles(products=products, experiments=experiments))
    exposures = written(
        tmp_path, experiment_id=["e", "e"], variant=["a", "a"], session_id=["s", "s"], product_id=["p", "q"],
        exposed_at=[START] * 2, added_at=[START] * 2,
    )  # fmt: skip
    report = only(load(settings, "shop", LoadFiles(exposures=exposures)))
    assert (report.loaded, report.quarantined) == (1, {"product_id is not one of the company's products": 1})
    row = asked(settings, 'select "experimentId", variant, "addedToCart", type from "RecommendationImpression"')
    assert row == [{"experimentId": "shop:e", "variant": "a", "addedToCart": True, "type": "ALSO_BOUGHT"}]


def test_carts_are_totalled_and_subscriptions_kept(settings: Settings, tmp_path: Path) -> None:
    """A cart's total is the sum of its items at given or known prices; a subscription's new status replaces the old."""
    products = written(tmp_path, product_id=["p", "q"], price=["1.10", "2.20"])
    carts = written(tmp_path, cart_id=[1], customer_id=["c"], status=["CONVERTED"], order_id=["9"], updated_at=[START])
    items = written(tmp_path, cart_id=[1, 1, 2], product_id=["p", "q", "p"], quantity=[3, 1, 1], unit_price=[None, "2.00", None])
    files = LoadFiles(products=products, carts=carts, cart_items=items)
    report = load(settings, "shop", files).files["cart_items"]
    assert (report.loaded, report.quarantined) == (2, {"cart_id is not one of the company's carts": 1})
    row = asked(settings, 'select "grandTotal"::text as total, "itemCount" as n, "orderId" from "Cart"')
    assert row == [{"total": "5.30", "n": 4, "orderId": "shop:9"}]
    for status, expected in (("ACTIVE", 1), ("ACTIVE", 0), ("PAUSED", 1)):
        kept = written(
            tmp_path, subscription_id=[1], customer_id=["d"], product_id=["p"], frequency=["MONTHLY"], status=[status],
            created_at=[START],
        )  # fmt: skip
        assert only(load(settings, "shop", LoadFiles(subscriptions=kept))).loaded == expected
    assert asked(settings, 'select id, status from "Subscription"') == [{"id": "shop:1", "status": "PAUSED"}]
