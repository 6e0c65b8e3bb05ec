"""The bytes of a cart's answer: what was written before is what would be written now."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from models import exact_json
from models.impression_ids import MOST_REF_BYTES, OFFER, Signer
from models.targeting import Targeting
from models.targeting_facts import Offer
from serving.cart_answers import MOST_WRITTEN, impression_token, offer_document, written_offer
from serving.cart_requests import CartRequest
from serving.cart_visits import Targeted
from serving.reply import Identifiers
from tests.models.invented import QUICK
from tests.models.visits_to_carts import LETTERS, random_rules, random_visit, rule, visit


def rule_set() -> Any:
    """A rule set that nothing was said of yet."""
    return SimpleNamespace(written={})


def targeted(rules: Any, variants: dict[str, tuple[str, str]]) -> Targeted:
    """What offers of LETTERS are written from."""
    products = {letter: SimpleNamespace(shown={"id": letter, "name": f'Product "{letter}"', "price": 1}) for letter in LETTERS}
    return Targeted(rules, cast(Any, None), variants, cast(Any, None), cast(Any, products))


def test_a_token_that_can_be_read() -> None:
    """With the secret the token names rule, visitor, first product and experiment; before it, and where it would be too long to be
    read back, the offer comes without one."""
    (offered,) = Targeting([rule(offer=Offer(bonus_product="b"))]).offers(visit("a"))
    signer = Signer(b"s" * 32)
    lookup: Any = SimpleNamespace(signer=None, ids=Identifiers())
    shown, request = targeted(rule_set(), {"r": ("x", "more")}), CartRequest("acme", session="s1")
    assert impression_token(lookup, request, shown, offered) == ""
    assert "impressionToken" not in offer_document(shown, offered, "")
    lookup.signer = signer
    token = impression_token(lookup, request, shown, offered)
    assert signer.read(OFFER, "acme", token) == ["r", "s:s1", "b", "x", "more"]
    assert signer.read(OFFER, "other", token) is None
    assert impression_token(lookup, request, targeted(rule_set(), {"r": ("x" * MOST_REF_BYTES, "more")}), offered) == ""


@QUICK
@given(st.integers(0, 10_000))
def test_written_once_is_written_anew(seed: int) -> None:
    """Offers of one visit after the other, of variants and of none, with a token and without, are the bytes of their documents."""
    rng, held = random.Random(seed), rule_set()
    rules = random_rules(rng, 20)
    for _ in range(6):
        seen = random_visit(rng, rules)
        variant = rng.choice([None, "plain", "more"])
        shown = targeted(held, {row.id: ("x", variant) for row in rules} if variant else {})
        for offered in Targeting(rules).offers(seen):
            for token in ("", "t0ken"):
                assert written_offer(shown, offered, token) == exact_json.write(offer_document(shown, offered, token))


def test_what_is_kept_is_bounded() -> None:
    """Amounts that differ from cart to cart fill no memory, and what was forgotten is written again."""
    rng, held = random.Random(1), rule_set()
    rules = random_rules(rng, 20)
    shown = targeted(held, {})
    offers = [offered for _ in range(60) for offered in Targeting(rules).offers(random_visit(rng, rules))]
    held.written = {(at,): (b"", b"") for at in range(MOST_WRITTEN)}
    for offered in offers:
        assert written_offer(shown, offered, "") == exact_json.write(offer_document(shown, offered, ""))
    assert 0 < len(held.written) <= len(offers)
