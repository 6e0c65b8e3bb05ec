"""The interval of an experiment's primary metric over its days, as a picture (SVG)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 260, 70, 34, 16, 30
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")
Point = tuple[float, float]


def chart(name: str, history: Mapping[str, Any]) -> str:
    """An SVG of each treatment's difference and interval by day; `history`: day -> entry (flows.experiments_documents.entry_of).

    The same history gives the same bytes. Days without an interval show nothing.
    """
    days = sorted(history)
    variants = sorted({variant for day in days for variant in history[day]["arms"]})
    drawn = {variant: _series(history, days, variant) for variant in variants}
    ends = [0.0, *(value for series in drawn.values() for _, _, low, high in series for value in (low, high))]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.06 or 1.0
    low, high = low - pad, high + pad

    def x(place: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(len(days), 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_text(LEFT, 18, name, "start", 13), *_axis(low, high, y), _line([(LEFT, y(0)), (WIDTH - RIGHT, y(0))], "#888", 1)]
    if days:
        parts += [_text(x(0), HEIGHT - 8, days[0], "start"), _text(x(len(days) - 1), HEIGHT - 8, days[-1], "end")]
    for number, variant in enumerate(variants):
        colour, series = COLOURS[number % len(COLOURS)], drawn[variant]
        above = [(x(place), y(top)) for place, _, _, top in series]
        below = [(x(place), y(bottom)) for place, _, bottom, _ in series]
        parts.append(f'<polygon points="{_points([*above, *reversed(below)])}" fill="{colour}" fill-opacity="0.18"/>')
        parts.append(_line([(x(place), y(value)) for place, value, _, _ in series], colour, 2))
        parts += [f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="2" fill="{colour}"/>' for at in _last(series, x, y)]
        parts.append(_text(WIDTH - RIGHT, 18 + 13 * number, variant, "end", 11, colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _series(history: Mapping[str, Any], days: Sequence[str], variant: str) -> list[tuple[int, float, float, float]]:
    found = []
    for place, day in enumerate(days):
        arm = history[day]["arms"].get(variant)
        if arm and arm["interval"] and arm["difference"] is not None:
            found.append((place, arm["difference"], *arm["interval"]))
    return found


def _axis(low: float, high: float, y: Any) -> list[str]:
    steps = [low + (high - low) * share for share in (0.1, 0.5, 0.9)]
    return [_text(LEFT - 6, y(value) + 4, f"{value:.3g}", "end") for value in steps]


def _last(series: list[tuple[int, float, float, float]], x: Any, y: Any) -> list[Point]:
    return [(x(place), y(value)) for place, value, _, _ in series[-1:]]


def _line(points: Sequence[Point], colour: str, width: float) -> str:
    return f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _text(x: float, y: float, text: str, anchor: str, size: int = 11, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
