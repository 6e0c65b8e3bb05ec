"""The live scorer: what it adds up, what it leaves out, and that it stands by itself."""

from __future__ import annotations

import ast
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import live_session
from models.live_session import last_viewed, rank
from tests.models.invented import QUICK

LISTS = {"a": [("b", 0.4), ("c", 0.2)], "b": [("c", 0.3), ("a", 0.5)]}


def test_a_session_by_hand() -> None:
    """Viewed a, then b, weights 1 and .5: c gets .3 + .5 * .2, b and a get their own; without those that were viewed, c stays."""
    assert rank(["a", "b"], LISTS, set(), 5, (1.0, 0.5)) == [("a", 0.5), ("c", 0.4), ("b", 0.2)]
    assert rank(["a", "b"], LISTS, {"a", "b"}, 5, (1.0, 0.5)) == [("c", 0.4)]
    assert rank(["a", "b"], LISTS, {"b"}, 1, (1.0, 0.5)) == [("a", 0.5)]


def test_each_product_counts_once_and_as_late_as_it_was_viewed() -> None:
    """The last products are the latest distinct ones; more than there are weights do not count."""
    assert last_viewed(["a", "b", "a", "c", "c"], 2) == ["c", "a"]
    assert rank(["b", "a"], LISTS, set(), 5, (1.0,)) == [("b", 0.4), ("c", 0.2)]
    assert rank(["a", "a"], LISTS, set(), 5, (1.0, 1.0)) == [("b", 0.4), ("c", 0.2)]


@pytest.mark.parametrize("viewed", [[], ["unknown"]])
def test_nothing_known_nothing_ranked(viewed: list[str]) -> None:
    """No views, or views of products without neighbours, give an empty list."""
    assert rank(viewed, LISTS, set(), 5) == []


def test_equal_scores_stand_by_id() -> None:
    """Of equal scores the lesser id is first, whatever the order of the lists."""
    assert rank(["x"], {"x": [("q", 0.5), ("p", 0.5)]}, (), 1) == [("p", 0.5)]


@QUICK
@given(
    lists=st.dictionaries(
        st.sampled_from("abcdef"), st.dictionaries(st.sampled_from("abcdefgh"), st.floats(1e-6, 1)).map(lambda d: list(d.items()))
    ),
    viewed=st.lists(st.sampled_from("abcdefgh"), max_size=12),
    seed=st.integers(0, 9),
)
def test_laws(lists: dict[str, list[tuple[str, float]]], viewed: list[str], seed: int) -> None:
    """Shuffled lists give the same answer; scores fall; nothing excluded is shown; a shorter answer is the longer one's head."""
    shuffled = {product: random.Random(seed).sample(pairs, len(pairs)) for product, pairs in lists.items()}
    found = rank(viewed, lists, set(viewed), 8)
    assert found == rank(viewed, shuffled, set(viewed), 8)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert not {product for product, _ in found} & set(viewed)
    assert rank(viewed, lists, set(viewed), 2) == found[:2]


def test_it_imports_the_standard_library_alone() -> None:
    """The serving process loads this module: it may import nothing that is heavy."""
    tree = ast.parse(Path(live_session.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert {str(name).split(".")[0] for name in imported} <= sys.stdlib_module_names
