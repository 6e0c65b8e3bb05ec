"""Similar titles: which names have rare words in common."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.similar_titles import FEW_PRODUCTS, Titles
from tests.models.invented import QUICK, products

NAMES = st.lists(st.lists(st.sampled_from(["red", "blue", "bag", "mug", "42", "x"]), max_size=4).map(" ".join), max_size=8)


def titles(*names: str | None) -> Titles:
    """Products a, b, c ... of these names."""
    return Titles(products({chr(97 + place): {"name": name} for place, name in enumerate(names)}))


def pairs(*rows: str) -> pl.DataFrame:
    """Each two letters are an anchor and a product."""
    return pl.DataFrame([tuple(row) for row in rows], schema=["anchor_id", "product_id"], orient="row")


def test_worked_example() -> None:
    """Of four names two share one of their two words: idf ln(4/2) squared over ln(4/2)^2 + ln(4/1)^2 is 1/5."""
    found = titles("Red Bag", "Blue BAG", "Mug", "Pen").similarity(pairs("ab", "ba", "ac", "aa", "cz"))
    assert found.to_list() == pytest.approx([0.2, 0.2, 0, 1, 0])


def test_words_that_say_nothing() -> None:
    """A word of every name, single letters and numbers make nothing alike; neither does a missing name."""
    assert titles("Mug A 12", "Mug A 12", None).similarity(pairs("ab", "ac", "ca")).to_list() == pytest.approx([1, 0, 0])
    assert titles("Mug A 12", "Mug A 12").similarity(pairs("ab")).to_list() == [0]
    crowd = [f"mug {chr(97 + place) * 3}" for place in range(FEW_PRODUCTS + 1)]
    assert titles(*crowd, "pen").similarity(pairs("ab")).to_list() == [0]


def test_nearest() -> None:
    """The candidates most like an anchor come first, equal ones by id, never the anchor itself, no more than asked for."""
    shop = titles("red bag", "red bag big", "bag", "mug", "red bag")
    every = pl.Series(list("abcde"))
    assert shop.nearest(pl.Series(["a"]), every, 2)["product_id"].to_list() == ["e", "c"]
    assert shop.nearest(pl.Series(["a"]), pl.Series(list("acd")), 5)["product_id"].to_list() == ["c"]
    assert shop.nearest(pl.Series(["d", "unknown"]), every, 5).is_empty()
    assert shop.nearest(pl.Series([], dtype=pl.String), every, 5).is_empty()


def test_words_in_common() -> None:
    """The shared words, in lower case and alphabetical order."""
    assert titles("Jumbo BAG Red", "red jumbo cup", "pen").in_common(pairs("ab", "bc")).to_list() == ["jumbo, red", ""]


@QUICK
@given(names=NAMES)
def test_laws(names: list[str]) -> None:
    """Similarity is symmetric, lies in 0..1, and `nearest` says the same as `similarity`."""
    shop = titles(*names)
    letters = [chr(97 + place) for place in range(len(names))]
    every = pl.DataFrame(
        [(x, y) for x in letters for y in letters], schema={"anchor_id": pl.String, "product_id": pl.String}, orient="row"
    )
    found = every.with_columns(shop.similarity(every))
    mirrored = shop.similarity(every.rename({"anchor_id": "product_id", "product_id": "anchor_id"}))
    assert found["similarity"].to_list() == pytest.approx(mirrored.to_list())
    assert found.filter(~pl.col("similarity").is_between(0, 1)).is_empty()
    near = shop.nearest(pl.Series(letters, dtype=pl.String), pl.Series(letters, dtype=pl.String), 3)
    assert near["similarity"].to_list() == pytest.approx(shop.similarity(near).to_list(), abs=1e-6)
