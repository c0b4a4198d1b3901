"""A line chart as an SVG for light and dark pages: it brings its own background, which follows what its reader prefers.

Written by hand, as the peers' chart is: a few lines and dots aren't worth a plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 84, 24, 74, 56
# Distinct by hue and by lightness, on white and on near black.
STYLE = """<style>
:root { --back: #fff; --ink: #222; --faint: #ddd; --a: #1f6fb4; --b: #c8500a; --c: #2b8a3e; --d: #7b3fa0 }
@media (prefers-color-scheme: dark) {
  :root { --back: #0d1117; --ink: #e6edf3; --faint: #30363d; --a: #58a6ff; --b: #ff9d5c; --c: #56d364; --d: #c297ff }
}
text { font-family: system-ui, sans-serif; font-size: 12px; fill: var(--ink) }
</style>"""
BACKGROUND = '<rect width="100%" height="100%" fill="var(--back)"/>'
COLOURS = "abcd"
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """What is along an axis; a linear one begins at 0. `ticks` are shown instead of round numbers, with their texts."""

    title: str
    is_log: bool = False
    ticks: Mapping[float, str] | None = None


@dataclass(frozen=True)
class _Scale:
    axis: Axis
    low: float
    high: float
    begin: float  # where `low` is drawn
    end: float

    def place(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.axis.is_log else v for v in (self.low, self.high, value))
        return self.begin + (at - low) / (high - low) * (self.end - self.begin)

    def ticks(self) -> dict[float, str]:
        if self.axis.ticks is not None:
            return dict(self.axis.ticks)
        if self.axis.is_log:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            return {10.0**power: short(10.0**power) for power in powers}
        step = _step(self.high)
        return {step * i: short(step * i) for i in range(round(self.high / step) + 1)}


def line_chart(title: str, x: Axis, y: Axis, series: Mapping[str, Points]) -> str:
    """Return a chart of at most four named series; each point is a dot, and lines join those of a series.

    Raises:
        ValueError: there is no point.
    """
    xs, ys = ([point[i] for points in series.values() for point in points] for i in (0, 1))
    if not xs:
        raise ValueError(f"nothing to draw for {title!r}: no point was measured")
    along = _scale(x, xs, LEFT, WIDTH - RIGHT, is_round=False)
    up = _scale(y, ys, HEIGHT - BOTTOM, TOP, is_round=True)
    shapes = [STYLE, BACKGROUND, _text(LEFT, 22, title, "start", "bold")]
    for value, text in up.ticks().items():
        at = up.place(value)
        shapes.append(_line(LEFT, at, WIDTH - RIGHT, at, "var(--faint)", 1))
        shapes.append(_text(LEFT - 8, at + 4, text, "end"))
    for value, text in along.ticks().items():
        shapes.append(_text(along.place(value), HEIGHT - BOTTOM + 18, text, "middle"))
    shapes.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.title, "middle"))
    shapes.append(_text(LEFT, TOP - 12, y.title, "start"))
    place = float(LEFT)
    for letter, (name, points) in zip(COLOURS, series.items(), strict=False):
        colour = f"var(--{letter})"
        drawn = [(along.place(a), up.place(b)) for a, b in sorted(points)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in drawn)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b in drawn]
        if len(series) > 1:
            shapes += [f'<circle cx="{place + 5:.0f}" cy="38" r="5" fill="{colour}"/>', _text(place + 15, 42, name, "start")]
            place += 30 + 7 * len(name)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', *shapes, "</svg>"]) + "\n"


def short(value: float) -> str:
    """Return a number in few characters: 1,500 as 1.5k."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _scale(axis: Axis, values: Sequence[float], begin: float, end: float, *, is_round: bool) -> _Scale:
    if axis.is_log:
        low, high = min(values), max(values)
        if is_round or low == high:
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high * 1.001))
        return _Scale(axis, low, high, begin, end)
    high = max(*values, *(axis.ticks or ()), 1e-9)
    return _Scale(axis, 0.0, _step(high) * math.ceil(high / _step(high) - 1e-9) if is_round else high, begin, end)


def _step(high: float) -> float:
    """Return a round step of which four to eight reach `high`."""
    power = 10.0 ** math.floor(math.log10(high))
    return next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if high / (power * part) <= 8)


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
