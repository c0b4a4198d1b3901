"""Plots as inline SVG: no script, no request, and every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from streams.cli.output import clipped, short

WIDTH, HEIGHT = 720, 200
_LEFT, _BOTTOM = 48, 22
_COLOURS = ("#888888", "#3b6fb6", "#e08a1e", "#3f9b5a")


def text_of(text: str, characters: int = 60) -> str:
    """Return other people's text for a page: what could hide or reorder is shown as code points, and all of it escaped."""
    return escape(clipped(text, characters), quote=True)


def stacked(series: Mapping[str, Sequence[int]], first: str, last: str) -> str:
    """Return bars that stack several series of n counts; a count below nothing is drawn as nothing.

    Args:
        series: counts by name, drawn from below in this order.
        first: what stands below the first bar.
        last: what stands below the last bar.
    """
    n = max(map(len, series.values()), default=0)
    sums = [sum(max(0, counts[i]) for counts in series.values()) for i in range(n)]
    most = max([1, *sums])
    width = (WIDTH - _LEFT) / max(1, n)
    parts, base = [], [0.0] * n
    for (name, counts), colour in zip(series.items(), _COLOURS, strict=False):
        for i, count in enumerate(counts):
            if count > 0:
                height = count / most * (HEIGHT - _BOTTOM - 12)
                base[i] += height
                parts.append(
                    _rect(
                        _LEFT + i * width, HEIGHT - _BOTTOM - base[i], max(0.5, width - 0.5), height, colour, f"{name}: {count}"
                    )
                )
    return _framed(parts, most, first, last, list(series))


def lines(before: Sequence[int], during: Sequence[int]) -> str:
    """Return counts before and during, bar by bar, each with its mean as a line."""
    both = [*before, *during]
    most, width = max([1, *both]), (WIDTH - _LEFT) / max(1, len(both))
    parts = []
    for i, count in enumerate(both):
        height = max(0, count) / most * (HEIGHT - _BOTTOM - 12)
        colour = _COLOURS[0] if i < len(before) else _COLOURS[1]
        parts.append(_rect(_LEFT + i * width, HEIGHT - _BOTTOM - height, max(0.5, width - 0.5), height, colour, str(count)))
    for counts, from_i in ((before, 0), (during, len(before))):
        if counts:
            y = HEIGHT - _BOTTOM - max(0.0, sum(counts) / len(counts)) / most * (HEIGHT - _BOTTOM - 12)
            x = _LEFT + from_i * width
            parts.append(f'<line x1="{x:.1f}" x2="{x + len(counts) * width:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#b3261e"/>')
    return _framed(parts, most, "before", "during", ["before", "during", "mean"], (_COLOURS[0], _COLOURS[1], "#b3261e"))


def ranked(rows: Sequence[tuple[str, int]]) -> str:
    """Return horizontal bars, one a row, with other people's names."""
    most, step = max([1, *(value for _, value in rows)]), 22
    parts = []
    for i, (name, value) in enumerate(rows):
        width = max(0, value) / most * (WIDTH - 330)
        parts.append(f'<text class="name" x="232" y="{i * step + 15}" text-anchor="end">{text_of(name, 32)}</text>')
        parts.append(_rect(240, i * step + 3, max(1.0, width), step - 6, _COLOURS[1], str(value)))
        parts.append(f'<text x="{246 + width:.1f}" y="{i * step + 15}">{value:,}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {step * len(rows) + 4}" role="img">{"".join(parts)}</svg>'


def _rect(x: float, y: float, width: float, height: float, colour: str, title: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>'


def _framed(
    parts: Sequence[str], most: int, first: str, last: str, names: Sequence[str], colours: Sequence[str] = _COLOURS
) -> str:
    y = HEIGHT - _BOTTOM
    axis = [
        f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#999"/>',
        f'<text x="{_LEFT - 6}" y="16" text-anchor="end">{short(most)}</text>',
        f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end">0</text>',
        f'<text x="{_LEFT}" y="{HEIGHT - 5}">{escape(first)}</text>',
        f'<text x="{WIDTH}" y="{HEIGHT - 5}" text-anchor="end">{escape(last)}</text>',
    ]
    keys = [
        f'<text x="{_LEFT + 8 + 80 * i}" y="10" fill="{colour}">{escape(name)}</text>'
        for i, (name, colour) in enumerate(zip(names, colours, strict=False))
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join([*axis, *parts, *keys])}</svg>'
