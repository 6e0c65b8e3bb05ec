"""Products that are described alike."""

from __future__ import annotations

import numpy as np

from models.content import neighbours
from tests.models.invented import products

CATALOGUE = products(
    {
        "a": {"name": "Red lunch box", "category": "Lunch", "category_id": "1", "price_cents": 1500},
        "b": {"name": "Blue LUNCH BOX", "category": "Lunch", "category_id": "1", "price_cents": 1600},
        "c": {"name": "Garden spade", "category": "Garden", "category_id": "2", "price_cents": 9900},
        "d": {"name": "", "description": "A spade for the garden", "price_cents": 900},
    }
)


def test_shared_words_make_neighbours() -> None:
    """Words of name, category and description count, whatever their case: each product's nearest is the one like it."""
    near = neighbours(CATALOGUE, np.ones(4, dtype=bool)).toarray()
    assert near.argmax(axis=1).tolist() == [1, 0, 3, 2]
    assert (near.diagonal() == 0).all()
    assert near.min() >= 0
    assert near.max() <= 1


def test_price_band_and_category_without_words() -> None:
    """Where names say nothing, a category and a band of prices still do: 15 and 16 lie in one band, 99 does not."""
    bare = CATALOGUE.with_columns(name=None, description=None)
    near = neighbours(bare, np.ones(4, dtype=bool)).toarray()
    assert near[0, 1] > 0.9
    assert near[0, 2] == near[0, 3] == 0


def test_not_allowed_and_nothing_known() -> None:
    """A product that may not be shown is nobody's neighbour; products of which nothing is known have none."""
    near = neighbours(CATALOGUE, np.array([True, False, True, True]))
    assert near[:, [1]].nnz == 0
    blank = products({"a": {"name": None, "price_cents": None}, "b": {"name": "", "price_cents": None}})
    assert neighbours(blank, np.ones(2, dtype=bool)).nnz == 0
    assert neighbours(CATALOGUE.clear(), np.ones(0, dtype=bool)).shape == (0, 0)
