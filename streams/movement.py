"""What several looks at a deployment tell that one doesn't: places won and lost, and events a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

MOVEMENT_WINDOW_S = 10.0  # how long a change of rank stays visible
RATE_WINDOW_S = 5.0  # counts are published about once a second; a shorter window would flicker


class Movement:
    """Remembers the ranks of the last seconds."""

    def __init__(self) -> None:
        self._ranks: deque[tuple[float, dict[str, int]]] = deque()
        self._filled_at_s = float("-inf")  # the last time the board was empty

    def moved(self, ranks: Mapping[str, int], monotonic_s: float) -> dict[str, int | None]:
        """Return ranks gained (negative: lost) in the last seconds by member, None for one that wasn't on the board.

        Args:
            ranks: of the members that are on the board now.
            monotonic_s: when that is, by a clock that never goes back, seconds.
        """
        while len(self._ranks) > 1 and self._ranks[0][0] < monotonic_s - MOVEMENT_WINDOW_S:
            self._ranks.popleft()
        before = self._ranks[0][1] if self._ranks else ranks
        # On a board that has only just filled everybody is new, which says nothing.
        is_young = not before or not self._ranks or monotonic_s - self._filled_at_s < MOVEMENT_WINDOW_S
        if not ranks:
            self._filled_at_s = monotonic_s
        self._ranks.append((monotonic_s, dict(ranks)))
        return {member: before[member] - rank if member in before else 0 if is_young else None for member, rank in ranks.items()}


class Rate:
    """Remembers how far the workers were in the last seconds."""

    def __init__(self) -> None:
        self._positions: deque[tuple[float, int]] = deque()

    def per_second(self, position: int, monotonic_s: float) -> float | None:
        """Return events a second, None before two looks; `position` is the number of events taken by now."""
        self._positions.append((monotonic_s, position))
        while len(self._positions) > 2 and self._positions[0][0] < monotonic_s - RATE_WINDOW_S:
            self._positions.popleft()
        (since_s, first), (until_s, last) = self._positions[0], self._positions[-1]
        return max(0.0, (last - first) / (until_s - since_s)) if until_s > since_s else None
