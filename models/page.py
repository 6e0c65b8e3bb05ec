"""How kinds show on a product's page: one section each, from the company's configuration and what its held-out days chose."""

from __future__ import annotations

from typing import Any

from models import frequently_viewed as together
from models import session_neighbours
from models.features import Features
from models.generation import Section

# a live session and what a customer did before have equal say
SESSION_WEIGHT = 0.5


def page(features: Features) -> dict[str, Any]:
    """What holds for the whole page: at most `maxSections` sections."""
    return {"maxSections": features.config.everywhere["maxSectionsPerPage"]}


def also_bought(features: Features) -> Section:
    """ALSO_BOUGHT: whole lists by page."""
    rules = features.config.also_bought
    shown = {name: rules[name] for name in ("displayStyle", "showRatings", "showQuickAdd")}
    most = {"maxResults": rules["maxResults"]}
    return Section("ALSO_BOUGHT", rules["title"], 1, shown, enabled=rules["enabled"], fallback="popular", rules=most)


def you_might_like(features: Features) -> Section:
    """YOU_MIGHT_LIKE: lists by customer, put together with the live session while they are read.

    A storefront shows ratings and quick-add as in the also-bought section, since this one has no settings of its own for them.
    """
    rules = features.config.you_might_like
    shown = {
        "displayStyle": rules["displayStyle"],
        **{name: features.config.also_bought[name] for name in ("showRatings", "showQuickAdd")},
        "showPersonalizationBadge": rules["showPersonalizationBadge"],
    }
    while_read = {
        "maxResults": rules["maxResults"],
        "titleForGuests": rules["titleForGuests"],
        "excludeRecentlyViewed": rules["excludeRecentlyViewed"],
        "neighbours": session_neighbours.KIND,
        "lagWeights": list(session_neighbours.chosen(features)["lagWeights"]),
        "sessionWeight": SESSION_WEIGHT,
    }
    return Section("YOU_MIGHT_LIKE", rules["title"], 2, shown, enabled=rules["enabled"], fallback="popular", rules=while_read)


def frequently_viewed(features: Features) -> Section:
    """FREQUENTLY_VIEWED: whole lists by page, bundles behind them."""
    rules = features.config.frequently_viewed
    shown = {
        "displayStyle": rules["displayStyle"],
        **{name: features.config.also_bought[name] for name in ("showRatings", "showQuickAdd")},
        **{name: rules[name] for name in ("showBundleSavings", "showAddAllButton")},
    }
    return Section(
        "FREQUENTLY_VIEWED",
        rules["title"],
        position=3,
        config=shown,
        enabled=rules["enabled"],
        fallback="popular",
        extras=["bundles"],
        rules={"maxResults": together.MAX_RESULTS},
    )
