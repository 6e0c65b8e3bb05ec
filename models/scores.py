"""Scores of a pair of products: every one from the same sufficient statistics N_XY, N_X, N_Y and N, as expressions.

N_X: baskets with X. N_XY: baskets with both. N: all baskets. Any of them may be time-weighted sums instead of counts, except
where a docstring asks for counts. `n` below is a number or an expression.
"""

from __future__ import annotations

import polars as pl

# chi-square with one degree of freedom at p = .05 and .001: the LLR from which an association is more than chance
SIGNIFICANT_LLR = 3.841459
HIGHLY_SIGNIFICANT_LLR = 10.827566
DISCOUNT = 0.5


def share(w_xy: pl.Expr, w_x: pl.Expr, share_y: pl.Expr, prior: float = 0.0) -> pl.Expr:
    """P(Y | X), 0..1, shrunk towards Y's share of everything as if X had `prior` more baskets that hold what all hold.

    (w_xy + prior * share_y) / (w_x + prior): the mean of a Dirichlet posterior (Good, The Estimation of Probabilities, 1965);
    null where both w_x and prior are 0.
    """
    whole = w_x + prior
    return pl.when(whole > 0).then((w_xy + prior * share_y) / whole)


def lift(n_xy: pl.Expr, n_x: pl.Expr, n_y: pl.Expr, n: pl.Expr | float) -> pl.Expr:
    """How many times as often as by chance two products share a basket, N * N_XY / (N_X * N_Y), >= 0; 1 is chance."""
    return n_xy * n / (n_x * n_y)


def expected(n_x: pl.Expr, n_y: pl.Expr, n: pl.Expr | float) -> pl.Expr:
    """Baskets with both products if they were independent: N_X * N_Y / N."""
    return n_x * n_y / n


def discounted(n_xy: pl.Expr, n_x: pl.Expr, n_y: pl.Expr, d: float = DISCOUNT) -> pl.Expr:
    """Popularity-discounted count N_XY / (N_X^d * N_Y^d): d = 0 is the raw count, .5 is cosine (0..1), 1 orders like lift."""
    return n_xy / (n_x.cast(pl.Float64).pow(d) * n_y.cast(pl.Float64).pow(d))


def jaccard(n_xy: pl.Expr, n_x: pl.Expr, n_y: pl.Expr) -> pl.Expr:
    """Baskets with both over baskets with either, N_XY / (N_X + N_Y - N_XY), 0..1 (Jaccard 1901)."""
    return n_xy / (n_x + n_y - n_xy)


def llr(n_xy: pl.Expr, n_x: pl.Expr, n_y: pl.Expr, n: pl.Expr | float) -> pl.Expr:
    """Log-likelihood ratio of the 2 x 2 table of X and Y, >= 0, signed: negative where they shun each other.

    2 * sum of k * ln(k / expected) over the four cells (Dunning, Computational Linguistics 19(1), 1993). Of counts, not of
    weights: it is chi-square with one degree of freedom if the two are independent.
    """
    total = n if isinstance(n, pl.Expr) else pl.lit(float(n))
    cells = [
        (n_xy, n_x, n_y),
        (n_x - n_xy, n_x, total - n_y),
        (n_y - n_xy, total - n_x, n_y),
        (total - n_x - n_y + n_xy, total - n_x, total - n_y),
    ]
    ratio = (2 * pl.sum_horizontal(_information(k, row * column / total) for k, row, column in cells)).clip(0)
    return pl.when(n_xy * total < n_x * n_y).then(-ratio).otherwise(ratio)


def corrected(n_xy: pl.Expr, expected_xy: pl.Expr) -> pl.Expr:
    """(N_XY - E_XY) / sqrt(E_XY): 0 at chance, in standard deviations above it (Smith & Linden, IEEE Internet Computing 21(3),
    2017); null where nothing is expected."""
    return pl.when(expected_xy > 0).then((n_xy - expected_xy) / expected_xy.sqrt())


def expected_of_others(pairs: pl.DataFrame, sizes: pl.DataFrame) -> pl.Series:
    """E_XY of Smith & Linden (2017) for each row of `pairs`: sum over baskets c of X of 1 - (1 - P_Y)^|c|.

    pairs: anchor_id, share_y (P_Y: Y's share of all purchases). sizes: anchor_id, others (|c|: how many other products a basket
    has), n (baskets of X with that many). A basket with many others would hold Y by chance where a small one would not, so heavy
    buyers do not pass for taste. 0 where an anchor has no basket with others.
    """
    by_chance = pl.col("n") * (1 - (1 - pl.col("share_y")).pow(pl.col("others")))
    asked = pairs.select("anchor_id", "share_y").with_row_index("row")
    sums = asked.join(sizes, on="anchor_id").group_by("row").agg(by_chance.sum().alias("expected"))
    return asked.join(sums, on="row", how="left", maintain_order="left")["expected"].fill_null(0.0)


def _information(k: pl.Expr, by_chance: pl.Expr) -> pl.Expr:
    # 0 * ln 0 is 0
    return pl.when(k > 0).then(k * (k / by_chance).log()).otherwise(0.0)
