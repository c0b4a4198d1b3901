"""The speeds as an SVG: a dot for the median and a line from least to most, on a logarithmic axis, since they lie far apart.

Written by hand: a dozen marks aren't worth a plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.peers.report import Row, rows
from benchmarks.peers.systems import SYSTEMS
from benchmarks.plot import BACKGROUND, STYLE
from benchmarks.run import Figures
from streams.errors import CloutstreamError

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 240, 70, 56, 38
SERIES = {1: ("one worker", "var(--a)", -6), 2: ("two workers", "var(--b)", 6)}  # name, colour, place in the row


def svg(lines: Sequence[Figures]) -> str:
    """Return the chart of a run's lines."""
    found = [row for row in rows(lines) if row.drains]
    if not found:
        raise CloutstreamError("no system drained a log, so there is nothing to draw")
    speeds = [speed for row in found for workers in SERIES if (speed := row.speed(workers))]
    low = math.floor(math.log10(min(speed[0] for speed in speeds)))
    high = math.ceil(math.log10(max(speed[2] for speed in speeds)))
    bottom = TOP + ROW * len(found)

    def x(events_per_second: float) -> float:
        return LEFT + (math.log10(events_per_second) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    shapes = [
        f'<text x="{LEFT}" y="20" font-weight="bold">Events per second, from Apache Kafka to Redis (logarithmic)</text>',
        *_legend(),
    ]
    for power in range(low, high + 1):
        at = x(10**power)
        shapes.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="var(--faint)"/>')
        shapes.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for number, row in enumerate(found):
        y = TOP + ROW * number + ROW / 2
        shapes.append(f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(_title(row))}</text>')
        for workers, (_, colour, shift) in SERIES.items():
            if speed := row.speed(workers):
                shapes += _mark([x(value) for value in speed], y + shift, colour, f"{speed[1]:,.0f}")
    size = f'width="{WIDTH}" height="{bottom + 30}" viewBox="0 0 {WIDTH} {bottom + 30}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', STYLE, BACKGROUND, *shapes, "</svg>"]) + "\n"


def _title(row: Row) -> str:
    return f"{SYSTEMS[row.name].title} {row.version}"


def _legend() -> list[str]:
    shapes = []
    for place, (name, colour, _) in enumerate(SERIES.values()):
        at = LEFT + 120 * place
        shapes.append(f'<circle cx="{at + 5}" cy="36" r="5" fill="{colour}"/><text x="{at + 16}" y="40">{name}</text>')
    return shapes


def _mark(xs: Sequence[float], y: float, colour: str, label: str) -> list[str]:
    least, median, most = xs
    return [
        f'<line x1="{least:.1f}" x2="{most:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>',
        f'<circle cx="{median:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
        f'<text x="{most + 9:.1f}" y="{y + 4:.1f}" style="font-size: 11px; fill: {colour}">{label}</text>',
    ]
