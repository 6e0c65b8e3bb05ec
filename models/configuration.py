"""A company's recommendation configuration: the contract's defaults, with what the company has set laid over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]
LARGEST = 2**31 - 1


def _whole(low: int, high: int = LARGEST) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed


# part -> field -> (default, what a value must satisfy); the ranges are contract.md 2.1's
FIELDS: dict[str, dict[str, tuple[Any, Check]]] = {
    "alsoBought": {
        "enabled": (True, _flag),
        "title": ("Customers Who Bought This Also Bought", _text),
        "minCoOccurrences": (5, _whole(1)),
        "lookbackDays": (90, _whole(7)),
        "maxResults": (10, _whole(1, 20)),
        "displayStyle": ("CAROUSEL", _one_of("CAROUSEL", "GRID")),
        "useAIRanking": (False, _flag),
        "excludeCategories": ([], _texts),
        "boostHighMargin": (False, _flag),
        "boostInStock": (False, _flag),
        "showRatings": (True, _flag),
        "showQuickAdd": (True, _flag),
    },
    "youMightLike": {
        "enabled": (True, _flag),
        "title": ("Recommended For You", _text),
        "titleForGuests": ("You Might Also Like", _text),
        "maxResults": (8, _whole(1, 20)),
        "displayStyle": ("CAROUSEL", _one_of("CAROUSEL", "GRID")),
        "browsingWeight": (0.3, _number(0, 1)),
        "purchaseWeight": (0.4, _number(0, 1)),
        "contentWeight": (0.3, _number(0, 1)),
        "diversityFactor": (0.5, _number(0, 1)),
        "excludeRecentlyViewed": (True, _flag),
        "excludePurchased": (True, _flag),
        "showPersonalizationBadge": (True, _flag),
    },
    "frequentlyViewed": {
        "enabled": (True, _flag),
        "title": ("Frequently Viewed Together", _text),
        "minSessionCoViews": (10, _whole(1)),
        "lookbackDays": (60, _whole(7)),
        "maxBundleSize": (3, _whole(2, 5)),
        "bundleDiscountPercent": (10, _number(0, 50)),
        "showBundleSavings": (True, _flag),
        "showAddAllButton": (True, _flag),
        "displayStyle": ("BUNDLE_CARDS", _one_of("BUNDLE_CARDS", "COMPACT")),
    },
    "global": {
        "maxSectionsPerPage": (3, _whole(1, 5)),
        "respectInventory": (True, _flag),
        "minRatingToShow": (0, _number(0, 5)),
        "trackImpressions": (True, _flag),
        "trackClicks": (True, _flag),
    },
}


@dataclass(frozen=True)
class Configuration:
    """The four parts, complete: every field of FIELDS has a value that satisfies its check. `ignored` names the fields whose
    stored value did not (or the part, where it was no object), and which therefore have their default."""

    parts: dict[str, dict[str, Any]]
    ignored: list[str] = field(default_factory=list)

    @property
    def also_bought(self) -> dict[str, Any]:
        """Fields of the also-bought section."""
        return self.parts["alsoBought"]

    @property
    def you_might_like(self) -> dict[str, Any]:
        """Fields of the you-might-like section."""
        return self.parts["youMightLike"]

    @property
    def frequently_viewed(self) -> dict[str, Any]:
        """Fields of the frequently-viewed section."""
        return self.parts["frequentlyViewed"]

    @property
    def everywhere(self) -> dict[str, Any]:
        """Fields that hold for every section."""
        return self.parts["global"]


def merge(stored: dict[str, Any]) -> Configuration:
    """Lay a company's stored parts over the defaults; a value outside its range keeps the default and is named."""
    parts: dict[str, dict[str, Any]] = {}
    ignored = []
    for part, fields in FIELDS.items():
        given = stored.get(part) or {}
        if not isinstance(given, dict):
            ignored.append(part)
            given = {}
        parts[part] = {name: given.get(name, default) for name, (default, _) in fields.items()}
        for name, (default, holds) in fields.items():
            if not holds(parts[part][name]):
                ignored.append(f"{part}.{name}")
                parts[part][name] = default
    return Configuration(parts, ignored)
