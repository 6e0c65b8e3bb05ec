"""Conversion lift: how much likelier a visit that viewed all of something is to end in a purchase, with its interval."""

from __future__ import annotations

import polars as pl

# each arm of the comparison, and the purchases of both together, must have at least this many
MIN_VISITS = 30
MIN_PURCHASES = 10
PRIOR_VISITS = 20.0
Z = 1.959964
LIFT = ("conversion_lift", "conversion_lift_low", "conversion_lift_high")


def conversion_lift(n_with: pl.Expr, bought_with: pl.Expr, n_without: pl.Expr, bought_without: pl.Expr) -> list[pl.Expr]:
    """The columns LIFT: purchase rate of the visits with over that of those without, minus 1, and the ends of its 95 % interval.

    Both rates are shrunk towards the rate of all these visits together, by PRIOR_VISITS visits; the interval is normal on the
    logarithm of their ratio (Katz et al., Biometrics 34, 1978), with the shrunk rates. Null with fewer than MIN_VISITS visits on
    either side or MIN_PURCHASES purchases in all: then the data do not carry it.
    """
    pooled = (bought_with + bought_without) / (n_with + n_without)
    rates = [
        ((bought + PRIOR_VISITS * pooled) / (n + PRIOR_VISITS), n + PRIOR_VISITS)
        for n, bought in ((n_with, bought_with), (n_without, bought_without))
    ]
    (rate, weight), (base, base_weight) = rates
    error = ((1 - rate) / (rate * weight) + (1 - base) / (base * base_weight)).sqrt()
    enough = (n_with >= MIN_VISITS) & (n_without >= MIN_VISITS) & (bought_with + bought_without >= MIN_PURCHASES)
    ends = (0.0, -Z, Z)
    return [
        pl.when(enough).then(((rate / base).log() + end * error).exp() - 1).round(6).alias(name)
        for name, end in zip(LIFT, ends, strict=True)
    ]
