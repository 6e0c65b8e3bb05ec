"""A manifest made ready to be shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.generation import NEIGHBOURS, REFERENCES, Kind, Manifest, Section
from serving.sections import Live, objects
from tests.models.invented import QUICK
from tests.serving.shelf import ALSO_BOUGHT, CONFIG, SECTIONS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def live(sections: dict[str, Section], generation: str = "g1") -> Live:
    """A live generation of these sections."""
    kinds = [Kind(kind, 1, 1, section) for kind, section in sections.items()]
    return Live("acme", Manifest(generation, "acme", "2011-12-01T00:00:00Z", [*kinds, Kind("popular", 1, 1)]))


def test_page_is_ordered_by_position() -> None:
    """Enabled sections by position; kinds without a section are on no page."""
    shown = live(SECTIONS)
    assert [section.kind for section in shown.page] == ["also-bought", "you-might-like"]
    assert set(shown.sections) == set(SECTIONS)


@given(title=TEXT, subtitle=st.none() | TEXT, product_id=TEXT, generation=TEXT, personalized=st.booleans())
def test_spliced_bytes_are_json(title: str, subtitle: str | None, product_id: str, generation: str, personalized: bool) -> None:
    """Whatever text a manifest and an address hold, what is spliced reads back as the same values."""
    section = Section("T", title, 1, CONFIG, subtitle=subtitle, personalized=personalized)
    shown = live({"kind": section}, generation)
    page = json.loads(shown.whole(product_id, [shown.page[0].around(b"id", b'[{"id":1}]')]))
    expected = {"type": "T", "title": title, "subtitle": subtitle, "impressionId": "id.kind", "personalized": personalized}
    expected |= {"config": CONFIG, "products": [{"id": 1}]}
    if subtitle is None:
        del expected["subtitle"]
    assert page == {"productId": product_id, "generation": generation, "sections": [expected]}


@given(TEXT, TEXT, TEXT)
def test_etag_is_a_fit_header(generation: str, product_id: str, sections: str) -> None:
    """A validator holds visible ASCII only and tells generations apart."""
    etag = live(SECTIONS, generation).etag(product_id, sections)
    assert etag.startswith(b'W/"') and etag.endswith(b'"')
    assert all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in etag[3:-1])
    assert etag != live(SECTIONS, generation + "x").etag(product_id, sections)


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@given(product_ids=st.lists(TEXT, max_size=9), product_id=TEXT)
def test_best_sellers_stand_in(ensure_ascii: bool, separators: tuple[str, str], product_ids: list[str], product_id: str) -> None:
    """The first maxResults of them but the page's own, in whichever spelling of JSON they were published."""
    rows = [{"id": each, "name": product_id} for each in dict.fromkeys(product_ids)]
    published = json.dumps(rows, ensure_ascii=ensure_ascii, separators=separators).encode()
    shown = live({"kind": Section("T", "t", 1, {}, fallback="popular", rules={"maxResults": 3})}).page[0]
    assert json.loads(shown.stand_in(objects(published), product_id)) == [row for row in rows if row["id"] != product_id][:3]


def test_objects_change_no_byte() -> None:
    """Amounts keep their decimals, and text its spelling."""
    published = b'[{"id":"a","price":12.50,"name":"\\u00e9]}"}, {"id":"c","tags":[{"id":"b"}]}]'
    assert objects(published) == [("a", b'{"id":"a","price":12.50,"name":"\\u00e9]}"}'), ("c", b'{"id":"c","tags":[{"id":"b"}]}')]
    assert objects(b"[]") == []


def test_best_sellers_are_divided_once() -> None:
    """A generation divides its best sellers when they are first needed, and knows that they have not been read."""
    made = live(SECTIONS)
    assert made.best_of(None) is None and made.best_of(b"key") is None
    made.fallbacks[b"key"] = b'[{"id":"a"}]'
    assert made.best_of(b"key") == [("a", b'{"id":"a"}')]
    assert made.best_of(b"key") is made.best_of(b"key")


def test_what_stands_behind_the_products() -> None:
    """Extras of a payload follow its products; without any there are empty ones, also behind what stands in and behind nothing."""
    shown = live({"kind": Section("T", "t", 1, {}, fallback="popular", extras=["bundles"])}).page[0]

    def read(products: bytes | None) -> Any:
        return json.loads(shown.around(b"id", products))

    for payload, products, bundles in (
        (b'[{"id":"a"}]\n[{}]\n{"bundles":[{"savings":1.50}]}', [{"id": "a"}], [{"savings": 1.5}]),
        (b'[{"id":"a"}]\n[{}]', [{"id": "a"}], []),
        (b"[]\n[]", [], []),
    ):
        answer = read(shown.shown(payload))
        assert (answer["products"], answer["bundles"]) == (products, bundles)
        assert list(answer)[-2:] == ["products", "bundles"]
    assert read(shown.stand_in(objects(b'[{"id":"a"},{"id":"b"}]'), "a"))["products"] == [{"id": "b"}]
    assert read(shown.stand_in([], "a"))["bundles"] == []
    assert read(None) == read(b"")


@pytest.mark.parametrize("rules", [{"maxResults": "many"}, {"lagWeights": "abc"}, {"lagWeights": 3}, {"sessionWeight": None}])
def test_rules_that_cannot_be_followed(rules: dict[str, Any]) -> None:
    """They make the generation unreadable, which leaves the earlier one in place, instead of failing each request."""
    manifest = Manifest("g", "acme", "2011-12-01T00:00:00Z", [Kind("k", 1, 1, Section("T", "t", 1, {}, rules=rules), REFERENCES)])
    with pytest.raises((TypeError, ValueError)):
        Live("acme", manifest)


def test_only_neighbours_rank_a_live_session() -> None:
    """A manifest whose rules name a kind of another form, or none that it has, ranks nothing; neighbours are no section."""
    section = Section("T", "t", 1, {}, rules={"neighbours": "near"})
    for near, form, expected in (("near", NEIGHBOURS, True), ("near", REFERENCES, False), ("far", NEIGHBOURS, False)):
        kinds = [Kind("k", 1, 1, section, REFERENCES), Kind(near, 1, 1, form=form)]
        shown = Live("acme", Manifest("g", "acme", "2011-12-01T00:00:00Z", kinds)).sections["k"]
        assert shown.personal is not None
        assert bool(shown.personal.neighbours) == expected
    kinds = [Kind("near", 1, 1, section, NEIGHBOURS)]
    assert Live("acme", Manifest("g", "acme", "2011-12-01T00:00:00Z", kinds)).sections == {}


@QUICK
@given(
    ids=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=6),
    name=st.sampled_from(["plain", '{"id":"x"}', 'a\\"{"id":"y"', '","bundles":[', "],"]),
    has_bundles=st.booleans(),
)
def test_ids_of_what_is_shown(ids: list[str], name: str, has_bundles: bool) -> None:
    """Each product's id as it was published, whatever it and its texts hold; none of the bundles'."""
    section = replace(ALSO_BOUGHT, extras=["bundles"] if has_bundles else [])
    shown = live({"k": section}).sections["k"]
    rows = [{"id": id, "name": name} for id in ids]
    written = [json.dumps(rows, separators=(",", ":"), ensure_ascii=ascii).encode() for ascii in (True, False)]
    for products in written:
        extras = b'\n{"bundles":[{"products":%b}]}' % products if has_bundles else b""
        assert shown.ids(shown.shown(products + b"\n[]" + extras)) == ids
    assert shown.ids(shown.nothing) == []
