"""Feature flags."""

from __future__ import annotations

import pytest

from models.flags import BULK_DISCOUNTS, DEFAULTS, SMART_UPSELL, company_flags_key, flags


def test_defaults_are_the_contracts() -> None:
    """With nothing set: bulk discounts and recommendations on, the others off."""
    assert flags() == flags(None, None) == flags(b"", b"{}") == DEFAULTS
    assert {name for name, is_on in DEFAULTS.items() if is_on} == {"bulk_discounts_enabled", "recommendations_enabled"}
    assert len(DEFAULTS) == 5


def test_a_companys_own_go_over_the_global_ones() -> None:
    """The later document wins, flag by flag."""
    both = flags(b'{"smart_upsell_enabled":true,"bulk_discounts_enabled":false}', b'{"bulk_discounts_enabled":true}')
    assert (both[SMART_UPSELL], both[BULK_DISCOUNTS]) == (True, True)


@pytest.mark.parametrize(
    "slip", [b"nonsense", b"[]", b"7", b'{"bulk_discounts_enabled":"no"}', b'{"other":true}', b"[" * 9_999, b"\xff"]
)
def test_a_slip_switches_nothing(slip: bytes) -> None:
    """What is no document, no flag or no boolean counts as absent."""
    assert flags(slip) == DEFAULTS


def test_keys() -> None:
    """A company's key is its own."""
    assert company_flags_key("a:b c") == "upsell:a%3Ab%20c:flags"
