"""Neighbours by cosine, and what a customer's products score by them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from models.item_knn import MAX_PRODUCTS, neighbours, scores

EVENTS = sparse.csr_matrix(np.array([[1, 5, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]], np.float32))
ALL = np.ones(4, dtype=bool)


def test_worked_cosine() -> None:
    """a with b: 2 of 3 and 2 units share 2, 2 / sqrt(6); weights do not count, nor does a unit of one product."""
    near = neighbours(EVENTS, ALL).toarray()
    # the unit that holds nothing but a says nothing of pairs, so a is in 2
    assert near[0, 1] == pytest.approx(2 / np.sqrt(2 * 2))
    assert near[0, 2] == pytest.approx(1 / np.sqrt(2 * 2))
    assert near[2, 3] == pytest.approx(1 / np.sqrt(2 * 1))
    assert (near.diagonal() == 0).all()


def test_only_allowed_products_and_the_nearest_of_them() -> None:
    """A product that may not be shown is nobody's neighbour but has its own; `top_n` cuts the farther ones."""
    near = neighbours(EVENTS, np.array([True, False, True, True]), top_n=1).toarray()
    assert (near[:, 1] == 0).all()
    assert near[1].nonzero()[0].tolist() == [0]
    assert (np.count_nonzero(near, axis=1) <= 1).all()


def test_wholesalers_make_no_pairs() -> None:
    """A unit of more than MAX_PRODUCTS products is left out."""
    wide = sparse.csr_matrix(np.ones((1, MAX_PRODUCTS + 1), np.float32))
    assert neighbours(wide, np.ones(MAX_PRODUCTS + 1, dtype=bool)).nnz == 0


def test_scores_add_up() -> None:
    """Two products that both have a third as their neighbour: its score is the weighted sum, its count 2."""
    near = sparse.csr_matrix(np.array([[0, 0, 0.5], [0, 0, 0.25], [0, 0, 0]], np.float32))
    history = sparse.csr_matrix(np.array([[1, 2, 0]], np.float32))
    weighed, counts = scores(history, near)
    assert weighed.toarray().tolist() == [[0, 0, 1]]
    assert counts.toarray().tolist() == [[0, 0, 2]]


def test_nothing() -> None:
    """No unit, no neighbour."""
    assert neighbours(sparse.csr_matrix((0, 3), dtype=np.float32), np.ones(3, dtype=bool)).shape == (3, 3)
