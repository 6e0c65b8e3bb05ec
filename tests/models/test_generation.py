"""Keys and the manifest."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation import (
    COMPANIES_KEY,
    ITEMS,
    NEIGHBOURS,
    REFERENCES,
    Kind,
    Manifest,
    Section,
    kept_key,
    live_key,
    manifest_key,
    payload_prefix,
    session_key,
    split_extras,
    split_payload,
)
from tests.models.invented import QUICK

ID = "20260501T120000.000000Z-0123456789ab"
HOSTILE = ["", "a", "a:b", "a:live", "companies", ":", "::", "a/b", "..", "%3A", "a%3Ab", "a b", "ü", "日本", "{a}", "*", "a\n"]
COMPANY = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
GENERATION = st.builds("20260501T120000.000000Z-{:012x}".format, st.integers(0, 3))
KIND = st.sampled_from(["popular", "also-bought", "manifest-like"])


def keys(company: str, generation: str, kind: str, anchor: str) -> dict[tuple[str, ...], str]:
    """Every key that a company's generation may have, by what it is for."""
    return {
        ("companies",): COMPANIES_KEY,
        ("live", company): live_key(company),
        ("kept", company): kept_key(company),
        ("manifest", company, generation): manifest_key(company, generation),
        ("payload", company, generation, kind, anchor): payload_prefix(company, generation, kind) + anchor,
        ("session", company, anchor): session_key(company, anchor),
    }


@QUICK
@given(one=st.tuples(COMPANY, GENERATION, KIND, COMPANY), two=st.tuples(COMPANY, GENERATION, KIND, COMPANY))
def test_no_two_things_share_a_key(one: tuple[str, str, str, str], two: tuple[str, str, str, str]) -> None:
    """Different company, generation, kind or anchor: different key, whatever stands in an id."""
    first, second = keys(*one), keys(*two)
    for what, key in first.items():
        for other, other_key in second.items():
            assert (key == other_key) == (what == other)


@QUICK
@given(one=COMPANY, two=COMPANY)
def test_no_company_lies_below_another(one: str, two: str) -> None:
    """The prefix of one company's keys never begins another's."""
    if one != two:
        assert not live_key(two).startswith(live_key(one).removesuffix("live"))


def manifest() -> Manifest:
    """One with everything in it."""
    section = Section("ALSO_BOUGHT", "Zusammen gekauft – “ja”", 1, {"displayStyle": "GRID"}, subtitle="s", fallback="popular")
    rules = {"maxResults": 8, "titleForGuests": "Für Gäste", "lagWeights": [1, 0.5]}
    liked = Section("YOU_MIGHT_LIKE", "t", 2, {}, extras=["bundles"], rules=rules)
    return Manifest(
        id=ID,
        company='sh"op/ü',
        watermark="2026-05-01T12:00:00Z",
        kinds=[
            Kind("popular", 1, 40),
            Kind("also-bought", 3, 30, section),
            Kind("you-might-like", 9, 90, liked, REFERENCES),
            Kind("session-neighbours", 3, 9, form=NEIGHBOURS),
        ],
        counts={"orders": 5},
        figures={"quarantined": {"views: a view of no product": 2}, "ignoredConfiguration": ["alsoBought.title"]},
        code_version="0.1.0",
        page={"maxSections": 2},
    )


def test_round_trip() -> None:
    """What was written is read back, from bytes and from text, with the same bytes again."""
    document = manifest().to_json()
    assert Manifest.from_json(document) == manifest()
    assert Manifest.from_json(document.decode()).to_json() == document
    assert "ü".encode() in document


def test_document_is_camel_case_and_canonical() -> None:
    """Keys are sorted and camelCase, without spaces: the bytes follow from the content alone."""
    document = json.loads(manifest().to_json())
    assert list(document) == sorted(["id", "company", "watermark", "counts", "figures", "codeVersion", "page", "kinds"])
    assert set(document["kinds"][0]) == {"kind", "nAnchors", "nItems", "section", "form"}
    assert json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() == manifest().to_json()


def test_a_manifest_from_before_there_were_forms() -> None:
    """What an earlier version published is still read: all of its kinds are items, and nothing is said of whole pages."""
    document = json.loads(manifest().to_json())
    del document["page"]
    for row in document["kinds"]:
        del row["form"]
        for name in ("extras", "rules"):
            (row["section"] or {}).pop(name, None)
    read = Manifest.from_json(json.dumps(document))
    assert ({kind.form for kind in read.kinds}, read.page, read.has_fragments) == ({ITEMS}, {}, False)
    assert read.kinds[1] == manifest().kinds[1]


def test_products_are_published_for_whoever_names_them() -> None:
    """Products stand by themselves as soon as one kind holds references or neighbours."""
    kinds = manifest().kinds
    assert not replace(manifest(), kinds=kinds[:2]).has_fragments
    assert replace(manifest(), kinds=kinds[:3]).has_fragments
    assert replace(manifest(), kinds=[kinds[3]]).has_fragments


def test_section_of_a_kind() -> None:
    """A kind that shows on a page has its section; another kind, and an unknown one, has none."""
    assert manifest().section("also-bought") == manifest().kinds[1].section
    assert manifest().section("popular") is None
    assert manifest().section("nothing") is None


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not json",
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b"{}",
        b"\xff\xfe",
        json.dumps({**json.loads(manifest().to_json()), "kinds": None}),
        json.dumps({**json.loads(manifest().to_json()), "kinds": [1]}),
        json.dumps({**json.loads(manifest().to_json()), "kinds": ["text"]}),
        json.dumps({**json.loads(manifest().to_json()), "kinds": [{"kind": "k", "nAnchors": 1, "nItems": 1, "section": 5}]}),
        json.dumps({**json.loads(manifest().to_json()), "kinds": [{"kind": "k", "nAnchors": 1, "nItems": 1, "section": {"x": 1}}]}),
        json.dumps({key: value for key, value in json.loads(manifest().to_json()).items() if key != "watermark"}),
    ],
)
def test_what_is_no_manifest_is_refused(document: bytes | str) -> None:
    """Anything else than a manifest is a ValueError, never another error."""
    with pytest.raises(ValueError, match=r"."):
        Manifest.from_json(document)


def test_payload_splits_into_two_lines() -> None:
    """Products before the newline, evidence after it."""
    assert split_payload(b'[{"id":"a"}]\n[{}]') == (b'[{"id":"a"}]', b"[{}]")
    assert split_payload(b"[]") == (b"[]", b"")


def test_what_stands_behind_the_products_is_a_third_line() -> None:
    """A payload with extras splits into three, one without has none; products and evidence are the same by either way."""
    three = b'[{"id":"a"}]\n[{}]\n{"bundles":[]}'
    assert split_extras(three) == (b'[{"id":"a"}]', b"[{}]", b'{"bundles":[]}')
    assert split_payload(three) == split_extras(three)[:2]
    assert split_extras(b"[]\n[]") == (b"[]", b"[]", b"")
