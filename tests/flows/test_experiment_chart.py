"""The picture of an experiment's interval over its days."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from flows.experiment_chart import chart

SVG = "{http://www.w3.org/2000/svg}"


def entry(**arms: tuple[float, float, float] | None) -> dict[str, Any]:
    """A day: variant -> low, difference, high, or None where nothing could be compared."""
    return {
        "arms": {
            variant: {"difference": ends and ends[1], "interval": ends and [ends[0], ends[2]]} for variant, ends in arms.items()
        }
    }


def test_every_day_and_variant_is_drawn() -> None:
    """Two variants over three days, one of them missing a day: a band of as many corners, a line and a last point each; the names
    are text, whatever they hold."""
    history = {
        "2026-05-03": entry(a=(0.0, 1.0, 2.0), b=(-1.0, 0.0, 1.0)),
        "2026-05-01": entry(a=(-2.0, 1.0, 4.0), b=None),
        "2026-05-02": entry(a=(-1.0, 1.0, 3.0), b=(-2.0, 0.0, 2.0)),
    }
    drawn = chart("<Price> & offer", history)
    root = ElementTree.fromstring(drawn)
    corners = [len(band.get("points", "").split()) for band in root.iter(f"{SVG}polygon")]
    assert corners == [6, 4] and len(list(root.iter(f"{SVG}circle"))) == 2
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"<Price> & offer", "2026-05-01", "2026-05-03", "a", "b"} <= set(texts)
    assert chart("<Price> & offer", dict(reversed(history.items()))) == drawn


def test_higher_is_above() -> None:
    """The upper end of an interval is drawn above its difference, and that above the lower end; all lie inside the picture."""
    root = ElementTree.fromstring(chart("x", {"2026-05-01": entry(a=(-5.0, 0.0, 5.0))}))
    [band] = root.iter(f"{SVG}polygon")
    above, below = (float(point.split(",")[1]) for point in band.get("points", "").split())
    [point] = root.iter(f"{SVG}circle")
    assert 0 < above < float(point.get("cy", "0")) < below < float(root.get("height", "0"))


def test_no_day_is_an_empty_picture() -> None:
    """An experiment without a history, or without anything to compare, has a picture nonetheless."""
    for history in ({}, {"2026-05-01": entry()}, {"2026-05-01": entry(a=None)}):
        root = ElementTree.fromstring(chart("x", history))
        assert list(root.iter(f"{SVG}circle")) == []
