"""Candidates of customers and what each component says of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from models import als, candidates
from models.candidates import PARTS, Scored, fit, tiles
from models.you_might_like import left_out
from tests.models.shops_of_customers import random_shop, seasons, shop_of


def of_customer(found: list[Scored], size: int) -> dict[int, dict[int, list[float]]]:
    """Customer -> product -> its parts, from tiles of `size` customers."""
    said: dict[int, dict[int, list[float]]] = {}
    for number, tile in enumerate(found):
        for at, (row, product) in enumerate(zip(tile.row, tile.product, strict=True)):
            said.setdefault(number * size + int(row), {})[int(product)] = [float(tile.parts[part][at]) for part in PARTS]
    return said


@pytest.mark.parametrize("size", [1, 7])
def test_the_size_of_tiles_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept from tile to tile leaves no trace: one customer at a time gives what all at once give."""
    shop = seasons(20)
    known = als.interactions(shop)
    model, without = fit(shop, known, {}), left_out(shop, known)
    rows = np.arange(len(known.customers))
    whole = of_customer(list(tiles(model, rows, without)), candidates.CUSTOMERS)
    monkeypatch.setattr(candidates, "CUSTOMERS", size)
    each = of_customer(list(tiles(model, rows, without)), size)
    assert {row: set(said) for row, said in each.items()} == {row: set(said) for row, said in whole.items()}
    for row, said in each.items():
        assert np.allclose([said[product] for product in sorted(said)], [whole[row][product] for product in sorted(said)])


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_is_left_out_or_may_not_be_shown(seed: int) -> None:
    """No candidate is a product that may not be recommended or that its customer must not be shown; each is one once."""
    shop = random_shop(seed)
    known = als.interactions(shop)
    model, without = fit(shop, known, {}), left_out(shop, known)
    for tile in tiles(model, np.arange(len(known.customers)), without):
        assert model.allowed[tile.product].all()
        assert not np.asarray(without[tile.row, tile.product]).any()
        assert len({*zip(tile.row, tile.product, strict=True)}) == len(tile.row)


def test_how_many_of_the_customers_products_lead_to_it() -> None:
    """a and b are both bought with c by others: for who has a and b, c is a neighbour of two."""
    shop = shop_of([("y", "abc", 1.0), ("z", "abc", 1.0), ("x", "ab", 0.0)])
    known = als.interactions(shop)
    tile = next(tiles(fit(shop, known, {}), np.array([0]), left_out(shop, known)))
    assert known.products.gather(tile.product.tolist()).to_list() == ["c"]
    assert tile.n_alike["orders"].tolist() == [2]


def test_nobody() -> None:
    """Without customers there is no tile."""
    shop = shop_of(catalogue={"a": {}})
    known = als.interactions(shop)
    assert list(tiles(fit(shop, known, {}), np.arange(0), sparse.csr_matrix((0, 1)))) == []
