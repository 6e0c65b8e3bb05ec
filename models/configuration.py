"""A company's recommendation configuration: the contract's defaults, with what the company has set laid over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from models.bulk_fields import Fault, fault

LARGEST = 2**31 - 1


class Check(NamedTuple):
    """What a value must satisfy, and a phrase that says so."""

    holds: Callable[[Any], bool]
    due: str

    def __call__(self, value: Any) -> bool:
        """Whether the value does."""
        return self.holds(value)


def _whole(low: int, high: int = LARGEST) -> Check:
    return Check(lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}")


def _number(low: float, high: float) -> Check:
    return Check(lambda value: type(value) in (int, float, Decimal) and low <= value <= high, f"a number from {low} to {high}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) <= MOST_LISTED and all(isinstance(item, str) and len(item) <= 200 for item in value)
    )


def _one_of(*allowed: str) -> Check:
    return Check(lambda value: value in allowed, " or ".join(allowed))


MOST_LISTED = 500
_text = Check(_is_text, "a text of 1 to 200 characters")
_flag = Check(lambda value: isinstance(value, bool), "true or false")
_texts = Check(_are_texts, f"a list of at most {MOST_LISTED} texts of 200 characters at most")

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


def faults(given: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a change of a configuration: parts, each of some fields; null, of a part or a field, is the default."""
    return [found for part, fields in given.items() for found in _faults_of(str(part), fields)]


def _faults_of(part: str, fields: Any) -> Iterator[Fault]:
    if part not in FIELDS:
        yield {"field": f"{part:.40}", "message": f"{part!r:.40} is no part of the configuration; there are {', '.join(FIELDS)}."}
    elif fields is not None and not isinstance(fields, Mapping):
        yield fault(part, f"{part} must be an object", fields)
    else:
        for name, value in (fields or {}).items():
            at = f"{part}.{name:.40}"
            if name not in FIELDS[part]:
                yield {"field": at, "message": f"{name!r:.40} is no field of {part}; there are {', '.join(FIELDS[part])}."}
            elif value is not None and not FIELDS[part][name][1](value):
                yield fault(at, f"{name} must be {FIELDS[part][name][1].due}", value)


def own(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is stored after a change that has no faults: of each part the fields that are neither null nor the default."""
    changed = {}
    for part, fields in FIELDS.items():
        earlier = stored.get(part)
        fresh = given.get(part, {})
        merged = {**(earlier if isinstance(earlier, Mapping) and fresh is not None else {}), **(fresh or {})}
        changed[part] = {
            name: value for name, value in merged.items() if value is not None and not _is_default(fields, name, value)
        }
    return changed


def _is_default(fields: Mapping[str, tuple[Any, Check]], name: str, value: Any) -> bool:
    default = fields[name][0] if name in fields else None
    plain = float(value) if isinstance(value, Decimal) else value
    return bool(plain == default) and isinstance(plain, bool) == isinstance(default, bool)
