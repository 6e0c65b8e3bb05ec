"""Standardised parts, weighted sums, the best of each group, and diversity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blending import blended, diversified, largest, padded, standardised
from tests.models.invented import QUICK

NONE = -np.inf


def test_worked_standardised() -> None:
    """1 and 3 are one deviation below and above their mean; a group of equal scores says nothing."""
    group = np.array([0, 0, 1, 1])
    assert standardised(np.array([1.0, 3.0, 5.0, 5.0]), group, 3).tolist() == [-1, 1, 0, 0]


def test_worked_blend() -> None:
    """Weights are shares of their sum: 3 to 1 of 2 and 4 is 2.5. Without weights nothing is said."""
    parts = {"one": np.array([2.0]), "other": np.array([4.0])}
    assert blended(parts, {"one": 3.0, "other": 1.0}).tolist() == [2.5]
    assert blended(parts, {}).tolist() == [0]


def test_worked_padded() -> None:
    """The two best of each group, of equal ones the earlier; a group may be empty."""
    best, at = padded(np.array([1.0, 2.0, 2.0, 7.0]), np.array([0, 0, 0, 2]), 3, 2)
    assert best.tolist() == [[2, 2], [NONE, NONE], [7, NONE]]
    assert at.tolist() == [[1, 2], [-1, -1], [3, -1]]


@QUICK
@given(st.integers(0, 1_000), st.integers(1, 6))
def test_the_largest_are_those_of_a_full_sort(seed: int, n: int) -> None:
    """Whatever the groups and ties: the n first of each group by value, then by place."""
    rng = np.random.default_rng(seed)
    group = np.sort(rng.integers(0, 4, rng.integers(0, 25)))
    values = rng.integers(0, 4, len(group)).astype(float)
    expected = np.zeros(len(group), dtype=bool)
    for number in range(4):
        own = np.flatnonzero(group == number)
        expected[own[np.argsort(-values[own], kind="stable")][:n]] = True
    assert (largest(values, group, 4, n) == expected).all()


VALUES = np.array([[3.0, 2.9, 2.8, 1.0, NONE]])
CATEGORIES = np.array([[0, 0, 1, -1, -1]])
UNIT = np.array([1.0])


@pytest.mark.parametrize(("factor", "expected"), [(0.0, [0, 1, 2, 3]), (0.5, [0, 2, 1, 3]), (1.0, [0, 2, 1, 3])])
def test_worked_diversity(factor: float, expected: list[int]) -> None:
    """The second of a category gives way to the first of another that is nearly as good; at 0 nothing moves."""
    assert diversified(VALUES, CATEGORIES, factor, UNIT, 5).tolist() == [[*expected, -1]]


def test_a_category_that_fills_the_list_costs_the_factor() -> None:
    """At .5 one of the same category stays ahead if it is more than a deviation better, and only then."""
    categories = np.array([[0, 0, 1]])
    assert diversified(np.array([[3.0, 2.6, 1.5]]), categories, 0.5, UNIT, 3).tolist() == [[0, 1, 2]]
    assert diversified(np.array([[3.0, 2.4, 1.5]]), categories, 0.5, UNIT, 3).tolist() == [[0, 2, 1]]


@QUICK
@given(st.integers(0, 1_000), st.floats(0, 1), st.booleans())
def test_diversity_only_reorders(seed: int, factor: float, without: bool) -> None:
    """Asked for all, it gives all, the best first; without categories it changes nothing."""
    rng = np.random.default_rng(seed)
    values = -np.sort(-rng.normal(size=(3, 7)), axis=1)
    categories = np.full((3, 7), -1) if without else rng.integers(-1, 3, (3, 7))
    chosen = diversified(values, categories, factor, np.ones(3), 7)
    assert (np.sort(chosen, axis=1) == np.arange(7)).all()
    assert (chosen[:, 0] == 0).all()
    if without or factor == 0:
        assert (chosen == np.arange(7)).all()
