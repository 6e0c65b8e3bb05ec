"""Factors and the tiled search for the best products: exact, bounded, the same for shuffled rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models import als
from models.als import ByNorm, by_norm, fit, interactions, recommend_all
from tests.models.invented import QUICK, shuffled
from tests.models.shops_of_customers import random_shop, seasons, shop_of


def brute_force(customers: np.ndarray, products: np.ndarray, n: int, without: np.ndarray) -> np.ndarray:
    """The n highest scores of each customer, best first, from the whole matrix."""
    scores = np.where(without, -np.inf, customers @ products.T)
    best = -np.sort(-scores, axis=1)[:, :n]
    return np.pad(best, ((0, 0), (0, max(0, n - best.shape[1]))), constant_values=-np.inf)


@QUICK
@given(st.integers(0, 1_000), st.integers(1, 12), st.sampled_from([1, 3, 64]), st.sampled_from([1, 4, 64]))
def test_tiles_find_what_the_whole_matrix_has(seed: int, n: int, users: int, items: int) -> None:
    """Whatever the size of the tiles, scores are those of a full sort, and no product that is left out is among them."""
    rng = np.random.default_rng(seed)
    n_customers, n_products = int(rng.integers(1, 9)), int(rng.integers(1, 20))
    customers = rng.normal(size=(n_customers, 4)).astype(np.float32)
    products = (rng.normal(size=(n_products, 4)) * rng.exponential(size=(n_products, 1))).astype(np.float32)
    without = rng.random((n_customers, n_products)) < 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(als, "USERS", users)
        patch.setattr(als, "ITEMS", items)
        ids, scores = recommend_all(customers, by_norm(products), n, sparse.csr_matrix(without.astype(np.float32)))
    assert np.allclose(scores, brute_force(customers, products, n, without), atol=1e-5)
    row, place = np.nonzero(ids >= 0)
    assert np.allclose(scores[row, place], np.einsum("ij,ij->i", customers[row], products[ids[row, place]]), atol=1e-5)
    assert not without[row, ids[row, place]].any()
    assert np.isneginf(scores[ids < 0]).all()
    assert len(set(zip(row, ids[row, place], strict=True))) == len(row)


def test_the_scan_ends_where_no_product_can_be_better() -> None:
    """After the tile of the largest norms the others are not even looked at: here they hold no numbers."""
    products = np.concatenate([np.full((als.ITEMS, 2), 5.0), np.full((als.ITEMS, 2), np.nan)]).astype(np.float32)
    norms = np.concatenate([np.full(als.ITEMS, 7.1), np.full(als.ITEMS, 0.1)])
    codes = np.arange(len(products))
    _, scores = recommend_all(np.ones((3, 2), np.float32), ByNorm(products, norms, codes, codes), 4)
    assert (scores == 10).all()


def test_products_that_are_not_allowed_are_not_found() -> None:
    """Codes are those of all products, whichever are allowed."""
    products = np.array([[3.0], [2.0], [1.0]], np.float32)
    ids, _ = recommend_all(np.ones((1, 1), np.float32), by_norm(products, np.array([False, True, True])), 3)
    assert ids.tolist() == [[1, 2, -1]]


def test_worked_confidence() -> None:
    """A fresh order is 1; two fresh ones log2(3); a visit a fifth of an order; an event of long ago half of a fresh one."""
    shop = shop_of([("x", "a", 0), ("x", "b", 0), ("x", "b", 0), ("y", "a", 720)], visits=[("x", "c", 0)])
    known = interactions(shop)
    assert known.customers.to_list() == ["x", "y"]
    assert known.products.to_list() == ["a", "b", "c"]
    expected = np.log2([[2, 3, 1.2], [1.5, 1, 1]])
    assert np.allclose(known.confidence().toarray(), expected, atol=1e-3)
    assert known.n_events.tolist() == [4, 1]


@pytest.mark.parametrize("seed", range(6))
def test_rows_in_another_order_give_the_same_factors(seed: int) -> None:
    """Not about the same: the same bits."""
    shop = random_shop(seed)
    one, other = (fit(interactions(each).confidence(), factors=8) for each in (shop, shuffled(shop, seed)))
    assert (one.customers == other.customers).all()
    assert (one.products == other.products).all()


def test_two_tastes_are_told_apart() -> None:
    """A customer's best products are of their own taste: with f = 8 nine of ten in the two-taste shop."""
    known = interactions(seasons())
    factors = fit(known.confidence(), factors=8, regularization=1.0)
    ids, _ = recommend_all(factors.customers, by_norm(factors.products), 8)
    letters = known.products.to_numpy()[ids]
    own = (letters < "m") == (known.customers.str.slice(-3).cast(pl.Int64).to_numpy()[:, None] % 2 == 0)
    assert own.mean() > 0.9


def test_nobody_and_nothing() -> None:
    """Without customers or products there are factors of the right shape and empty answers."""
    known = interactions(shop_of())
    factors = fit(known.confidence())
    assert factors.customers.shape == (0, als.FACTORS)
    ids, scores = recommend_all(np.ones((2, als.FACTORS), np.float32), by_norm(factors.products), 3)
    assert (ids == -1).all()
    assert np.isneginf(scores).all()
