"""Live sessions: ranks products for a session while it runs, from published neighbour lists; standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

# what holds where a manifest carries no choice: the last product counts in full, each one before it less
LAG_WEIGHTS = (1.0, 0.3, 0.09, 0.027)
DECIMALS = 9
MARGIN = 1e-8


def last_viewed(viewed: Sequence[str], n_last: int) -> list[str]:
    """The `n_last` products that a session looked at last, each once, the latest first; `viewed` is oldest first."""
    return list(dict.fromkeys(reversed(viewed)))[:n_last]


def rank(
    viewed: Sequence[str],
    neighbours: Mapping[str, Collection[tuple[str, float]]],
    exclude: Collection[str],
    n: int,
    lag_weights: Sequence[float] = LAG_WEIGHTS,
) -> list[tuple[str, float]]:
    """The `n` products of highest score for a session, as (product id, score > 0), highest first, equal ones by id.

    viewed: product ids, oldest first. neighbours: product -> (neighbour, weight > 0), at least for `last_viewed`; a product
    that is missing adds nothing. exclude: ids that are not to be shown, the page's own among them.
    The score of y is the sum over the last distinct products x_0, x_1, ... of lag_weights[lag] * weight(x_lag, y), rounded.
    """
    scores: dict[str, float] = {}
    known = scores.get
    for product, lag_weight in zip(last_viewed(viewed, len(lag_weights)), lag_weights, strict=False):
        for neighbour, weight in neighbours.get(product, ()):
            scores[neighbour] = known(neighbour, 0.0) + lag_weight * weight
    for product in exclude:
        scores.pop(product, None)
    # floats sort several times as fast as pairs: only what may be among the first n is rounded and compared by id
    floor = sorted(scores.values(), reverse=True)[n - 1] - MARGIN if 0 < n < len(scores) else 0.0
    ranked = sorted((-round(score, DECIMALS), product) for product, score in scores.items() if score >= floor)
    return [(product, -score) for score, product in ranked[:n]]
