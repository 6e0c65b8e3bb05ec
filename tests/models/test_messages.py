"""Messages: placeholders that are filled, and those that go without a trace."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.messages import PLACEHOLDERS, fill
from tests.models.invented import QUICK

KNOWN = {"firstName": "Ann", "discount": "10 %", "remaining": "4.50 EUR", "productName": "Tea"}


@pytest.mark.parametrize(
    ("template", "without", "with_all"),
    [
        ("{{firstName}}, save {{discount}}", "Save", "Ann, save 10 %"),
        ("Hi {{firstName}}, save {{discount}}!", "Hi, save!", "Hi Ann, save 10 %!"),
        ("Welcome back, {{firstName}}", "Welcome back", "Welcome back, Ann"),
        ("Hello, {{firstName}}, save", "Hello, save", "Hello, Ann, save"),
        ("Hello, {{firstName}}! Save {{ discount }} now.", "Hello! Save now.", "Hello, Ann! Save 10 % now."),
        ("Spend {{remaining}} more, {{firstName}}.", "Spend more.", "Spend 4.50 EUR more, Ann."),
        ("Add {{productName}} ({{discount}} off)", "Add", "Add Tea (10 % off)"),
        ("Try “{{productName}}” now", "Try now", "Try “Tea” now"),
        ("{{firstName}}'s pick", "Pick", "Ann's pick"),
        ("Get {{discount}}% off", "Get off", "Get 10 % off"),
        ("Hi {{firstName}} {{nickname}}, you save", "Hi, you save", "Hi Ann, you save"),
        ("Great. {{firstName}}, you save", "Great. You save", "Great. Ann, you save"),
        ("Hi {{firstName}},\nsave", "Hi,\nsave", "Hi Ann,\nsave"),
        ("{{firstName}}!", "", "Ann!"),
        ("{{firstName}} {{discount}}", "", "Ann 10 %"),
        ("No placeholder , as it is", "No placeholder , as it is", "No placeholder , as it is"),
        ("", "", ""),
    ],
)
def test_worked_examples(template: str, without: str, with_all: str) -> None:
    """A value stands where its placeholder stood; without values the rest still reads as a sentence."""
    assert fill(template, {}) == without
    assert fill(template, dict.fromkeys(PLACEHOLDERS, " ")) == without
    assert fill(template, KNOWN) == with_all


def test_values_are_text_and_nothing_more() -> None:
    """A value that looks like a placeholder is not filled, and a name that only we do not know is no value."""
    assert fill("Hi {{firstName}}", {"firstName": "{{discount}}", "discount": "5 %"}) == "Hi {{discount}}"
    assert fill("Hi {{secret}}", {"secret": "x"}) == "Hi"
    assert fill("{{firstName}}\0", {"firstName": "A\0nn"}) == "Ann"


WORDS = st.sampled_from(["Hi", "save", "more", "your cart", "Great"])
PARTS = st.one_of(WORDS, st.sampled_from([*PLACEHOLDERS, "unknown"]).map("{{{{{}}}}}".format))
ENDS = st.sampled_from([" ", ", ", "! ", ". "])


@QUICK
@given(st.lists(st.tuples(PARTS, ENDS), max_size=6), st.sets(st.sampled_from(PLACEHOLDERS)))
def test_whatever_is_missing_leaves_clean_text(parts: list[tuple[str, str]], missing: set[str]) -> None:
    """No braces, no space twice or before a comma or a full stop, no two commas, nothing but a sentence's letter at its start."""
    said = fill("".join(part + end for part, end in parts), {name: KNOWN[name] for name in PLACEHOLDERS if name not in missing})
    assert not re.search(r"[{}\0]|\s\s|\s[,.!?]|,\s*[,.!?]|^[\s,.!]|\s$", said)
    assert set(re.findall(r"\w+", said.lower())) <= {
        "hi",
        "great",
        "save",
        "more",
        "your",
        "cart",
        "ann",
        "10",
        "4",
        "50",
        "eur",
        "tea",
    }
