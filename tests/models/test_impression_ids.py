"""Ids of what was shown: who holds the secret reads them back, and nobody else makes one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.impression_ids import LONGEST, MOST_REF_BYTES, OFFER, PAGE, UPSELL, Signer, derived_nonce
from tests.models.invented import QUICK

SIGNER, ANOTHER = Signer(b"a" * 32), Signer(b"b" * 32)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NONCES = st.binary(max_size=40)


@QUICK
@given(st.sampled_from([UPSELL, OFFER, PAGE]), TEXTS, st.lists(TEXTS, min_size=1, max_size=5), NONCES)
def test_what_was_issued_is_read_back(kind: str, company: str, ref: list[str], nonce: bytes) -> None:
    """The reference comes back part by part; another kind, company or secret reads nothing."""
    issued = SIGNER.issue(kind, company, ref, nonce)
    assert SIGNER.read(kind, company, issued) == ref
    assert SIGNER.issue(kind, company, ref, nonce) == issued
    assert SIGNER.read(PAGE if kind == UPSELL else UPSELL, company, issued) is None
    assert SIGNER.read(kind, company + "x", issued) is None
    assert ANOTHER.read(kind, company, issued) is None


@QUICK
@given(st.integers(0, 90), st.characters(codec="ascii"))
def test_no_other_spelling_is_read(at: int, letter: str) -> None:
    """An id with any letter changed, added or left out is unknown: base64 has several spellings for the same bytes."""
    issued = SIGNER.issue(UPSELL, "acme", ["rule", "c:customer", "product", "", ""], b"twelve bytes")
    at %= len(issued)
    changed = issued[:at] + letter + issued[at + 1 :]
    assert (SIGNER.read(UPSELL, "acme", changed) is None) == (changed != issued)
    assert SIGNER.read(UPSELL, "acme", issued[:at] + letter + issued[at:]) is None
    assert SIGNER.read(UPSELL, "acme", issued[:at] + issued[at + 1 :]) is None


@QUICK
@given(st.text(max_size=80))
def test_anything_else_is_unknown(text: str) -> None:
    """No text of somebody's own is read, nor is it an error."""
    assert SIGNER.read(UPSELL, "acme", text) is None
    assert SIGNER.read_page("acme", text) is None


def test_a_page() -> None:
    """A page is signed once; each of its sections is told apart behind a dot, without which nothing is read."""
    base = SIGNER.page("acme", "p é", b"nonce").decode()
    assert SIGNER.read_page("acme", f"{base}.also-bought") == ("p é", "also-bought")
    assert SIGNER.read_page("acme", base) is None
    assert SIGNER.read_page("another", f"{base}.also-bought") is None
    assert SIGNER.page("acme", "p é", b"other").decode() != base


def test_parts_are_told_apart() -> None:
    """The same letters divided otherwise are another id, over every joint: nonce, company and parts."""
    issued = {
        SIGNER.issue(UPSELL, "acme", ["ab", "c"], b"n"),
        SIGNER.issue(UPSELL, "acme", ["a", "bc"], b"n"),
        SIGNER.issue(UPSELL, "acmea", ["b", "c"], b"n"),
        SIGNER.issue(UPSELL, "cme", ["ab", "c"], b"na"),
    }
    assert len({each[:40] for each in issued}) == 4
    assert derived_nonce("ab", "c") != derived_nonce("a", "bc")


def test_the_longest_reference() -> None:
    """A reference of MOST_REF_BYTES fits LONGEST letters and is read; a longer one is refused by its length."""
    issued = SIGNER.issue(UPSELL, "acme", ["x" * MOST_REF_BYTES], b"n" * 24)
    assert len(issued) <= LONGEST
    assert SIGNER.read(UPSELL, "acme", issued) == ["x" * MOST_REF_BYTES]
    with pytest.raises(ValueError, match=f"of {MOST_REF_BYTES + 1} bytes"):
        SIGNER.issue(UPSELL, "acme", ["x" * (MOST_REF_BYTES + 1)], b"")


@pytest.mark.parametrize("secret", [b"", b"x" * 31, b"x" * 65])
def test_a_secret_that_is_none(secret: bytes) -> None:
    """A secret that could be guessed, or that the hash cannot take, is refused without being shown."""
    with pytest.raises(ValueError, match=f"has {len(secret)} bytes"):
        Signer(secret)
