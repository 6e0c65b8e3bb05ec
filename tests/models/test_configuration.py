"""Defaults of the contract, and what happens to values that break its ranges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.configuration import FIELDS, faults, merge, own
from tests.models.invented import QUICK

# contract.md 2.1, by hand
NUMBERS = {
    "alsoBought": {"minCoOccurrences": 5, "lookbackDays": 90, "maxResults": 10, "displayStyle": "CAROUSEL"},
    "youMightLike": {"maxResults": 8, "browsingWeight": 0.3, "purchaseWeight": 0.4, "contentWeight": 0.3, "diversityFactor": 0.5},
    "frequentlyViewed": {"minSessionCoViews": 10, "lookbackDays": 60, "maxBundleSize": 3, "bundleDiscountPercent": 10},
    "global": {"maxSectionsPerPage": 3},
}
TITLES = {
    ("alsoBought", "title"): "Customers Who Bought This Also Bought",
    ("youMightLike", "title"): "Recommended For You",
    ("youMightLike", "titleForGuests"): "You Might Also Like",
    ("frequentlyViewed", "title"): "Frequently Viewed Together",
}
NAMES = {
    "alsoBought": "enabled title minCoOccurrences lookbackDays maxResults displayStyle useAIRanking excludeCategories "
    "boostHighMargin boostInStock showRatings showQuickAdd",
    "youMightLike": "enabled title titleForGuests maxResults displayStyle browsingWeight purchaseWeight contentWeight "
    "diversityFactor excludeRecentlyViewed excludePurchased showPersonalizationBadge",
    "frequentlyViewed": "enabled title minSessionCoViews lookbackDays maxBundleSize bundleDiscountPercent showBundleSavings "
    "showAddAllButton displayStyle",
    "global": "maxSectionsPerPage respectInventory minRatingToShow trackImpressions trackClicks",
}


def test_defaults_are_the_contracts() -> None:
    """Every field of the contract is there, no other, with its default."""
    parts = merge({}).parts
    assert {part: " ".join(fields) for part, fields in parts.items()} == NAMES
    for part, fields in NUMBERS.items():
        assert {name: parts[part][name] for name in fields} == fields
    assert {(part, name): parts[part][name] for part, name in TITLES} == TITLES
    assert parts["frequentlyViewed"]["displayStyle"] == "BUNDLE_CARDS"


def test_every_default_satisfies_its_own_check() -> None:
    """A default is a value that a company could have set."""
    for fields in FIELDS.values():
        for default, holds in fields.values():
            assert holds(default)


@pytest.mark.parametrize(
    ("part", "name", "good", "bad"),
    [
        ("alsoBought", "minCoOccurrences", [1, 1000], [0, -1, 1.0, "5", None, True, [], {}, 2**31, 10**40]),
        ("alsoBought", "lookbackDays", [7, 36500], [6, 7.5, True, "90", 10**12]),
        ("alsoBought", "maxResults", [1, 20], [0, 21, False, 10.0, None]),
        ("alsoBought", "displayStyle", ["CAROUSEL", "GRID"], ["grid", "", None, 1, ["GRID"], {}]),
        ("alsoBought", "excludeCategories", [[], ["a", ""]], ["a", [1], [None], None, {"a": 1}]),
        ("alsoBought", "enabled", [True, False], [0, 1, "true", None]),
        ("alsoBought", "title", ["x", "x" * 200], ["", "x" * 201, 5, None, ["x"]]),
        ("youMightLike", "diversityFactor", [0, 1, 0.25], [-0.1, 1.1, True, "0.5", float("nan"), float("inf")]),
        ("frequentlyViewed", "maxBundleSize", [2, 5], [1, 6, 3.0]),
        ("frequentlyViewed", "bundleDiscountPercent", [0, 50, 12.5], [-1, 51, True]),
        ("frequentlyViewed", "displayStyle", ["BUNDLE_CARDS", "COMPACT"], ["CAROUSEL"]),
        ("global", "maxSectionsPerPage", [1, 5], [0, 6]),
        ("global", "minRatingToShow", [0, 5, 3.5], [-1, 5.1, None]),
    ],
)
def test_ranges(part: str, name: str, good: list[Any], bad: list[Any]) -> None:
    """A value in range is taken and nothing is named; one out of range or of another type keeps the default and is named."""
    for value in good:
        merged = merge({part: {name: value}})
        assert merged.parts[part][name] == value
        assert merged.ignored == []
    for value in bad:
        merged = merge({part: {name: value}})
        assert merged.parts[part][name] == FIELDS[part][name][0], value
        assert merged.ignored == [f"{part}.{name}"]


def test_a_bad_field_spares_its_neighbours() -> None:
    """Only the bad field falls back."""
    merged = merge({"alsoBought": {"maxResults": 99, "minCoOccurrences": 2}, "global": {"respectInventory": False}})
    assert merged.also_bought["maxResults"] == 10
    assert merged.also_bought["minCoOccurrences"] == 2
    assert merged.everywhere["respectInventory"] is False
    assert merged.ignored == ["alsoBought.maxResults"]


def test_unknown_fields_and_parts_are_left_out() -> None:
    """What the contract does not know reaches nobody."""
    merged = merge({"alsoBought": {"surprise": 1}, "other": {"x": 1}})
    assert merged == merge({})


@pytest.mark.parametrize("part", [[1], "text", 5, True])
def test_a_part_that_is_no_object_is_named(part: Any) -> None:
    """A part of another type counts as not set, and is named."""
    merged = merge({"alsoBought": part})
    assert merged.parts == merge({}).parts
    assert merged.ignored == ["alsoBought"]


@pytest.mark.parametrize("part", [None, {}])
def test_a_part_that_is_not_set_is_no_fault(part: Any) -> None:
    """Null and the empty object are simply the defaults."""
    assert merge({"alsoBought": part}) == merge({})


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=3,
)
NAMED = st.sampled_from([(part, name) for part, fields in FIELDS.items() for name in fields])


@QUICK
@given(stored=st.dictionaries(NAMED, JSON, max_size=6))
def test_any_json_gives_a_complete_configuration(stored: dict[tuple[str, str], Any]) -> None:
    """Whatever is stored, every field has a value in range."""
    nested: dict[str, dict[str, Any]] = {}
    for (part, name), value in stored.items():
        nested.setdefault(part, {})[name] = value
    merged = merge(nested)
    for part, fields in FIELDS.items():
        for name, (_, holds) in fields.items():
            assert holds(merged.parts[part][name])


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "other"]), st.none() | st.dictionaries(st.text(max_size=9), st.integers() | st.text())
    )
)
@QUICK
def test_a_change_without_faults_is_followed(given_parts: dict[str, Any]) -> None:
    """Whatever is given, a change that has no faults is what the configuration says next, and nothing of it is ignored."""
    if not faults(given_parts):
        stored = own({}, given_parts)
        merged = merge(stored)
        assert not merged.ignored
        for part, fields in given_parts.items():
            for name, value in (fields or {}).items():
                assert merged.parts[part][name] == (FIELDS[part][name][0] if value is None else value)


def test_a_switch_is_no_number() -> None:
    """1 is not true, True is not 1, and 0.50 is the default .5 whatever it was read as."""
    assert [row["field"] for row in faults({"global": {"trackClicks": 1, "maxSectionsPerPage": True}})] == [
        "global.trackClicks",
        "global.maxSectionsPerPage",
    ]
    assert own({}, {"youMightLike": {"diversityFactor": Decimal("0.50")}})["youMightLike"] == {}
    # what the platform stores of its own stays
    assert own({"global": {"theirs": 1}}, {"global": {"trackClicks": False}})["global"] == {"theirs": 1, "trackClicks": False}
