"""What a running source counts: nothing it was sent is dropped without a number that says so."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from streams.sources.source import Mapped

MOST_NAMES = 100  # a network may make up any number of kinds
OTHERS = "others"
RATE_WINDOW_S = 5.0
BEHIND_S = 30.0  # networks deliver within seconds; more means that this reader, or the host, can't keep up


class Counts:
    """Since the process began; times are by a clock that never goes back, ages by the wall clock."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()  # by kind
        self.events: Counter[str] = Counter()  # by kind, undos apart
        self.dropped: Counter[str] = Counter()  # by reason
        self.kept = 0
        self.not_kept = 0  # those of which there were too many at once
        self.forget = 0
        self.checkpoints = 0
        self.newest_s: float | None = None
        """Time of the newest event of the last batch that had any, epoch s."""
        self._marks: deque[tuple[float, int, int]] = deque()

    def take(self, mapped: Iterable[Mapped]) -> None:
        """Count a batch."""
        newest_s = 0.0
        for one in mapped:
            for part in (one, *one.parts):
                self.messages[self._named(self.messages, part.kind)] += 1
                if part.dropped:
                    self.dropped[self._named(self.dropped, part.dropped)] += 1
            self.forget += bool(one.forget)
            for event in one.events:
                self.events["undo" if event.undo else event.kind] += 1
                if isinstance(event.at, float) and not event.undo:
                    newest_s = max(newest_s, event.at)
        self.newest_s = newest_s or self.newest_s

    def behind_s(self, now_s: float) -> float | None:
        """Return the age of the newest event at `now_s`, epoch s; None before there was one."""
        return None if self.newest_s is None else max(0.0, now_s - self.newest_s)

    def rates(self, monotonic_s: float) -> tuple[float, float]:
        """Return messages and events a second over the last `RATE_WINDOW_S`."""
        marks = self._marks
        marks.append((monotonic_s, self.messages.total(), self.events.total()))
        while len(marks) > 2 and marks[0][0] < monotonic_s - RATE_WINDOW_S:
            marks.popleft()
        (since_s, messages, events), (until_s, more_messages, more_events) = marks[0], marks[-1]
        if until_s <= since_s:
            return 0.0, 0.0
        return (more_messages - messages) / (until_s - since_s), (more_events - events) / (until_s - since_s)

    @staticmethod
    def _named(counter: Counter[str], name: str) -> str:
        return name if name in counter or len(counter) < MOST_NAMES else OTHERS


class Slowness:
    """Says when a source falls behind, and when it has caught up; each once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._is_behind = False

    def look(self, behind_s: float) -> None:
        """Take the age of the newest event, s."""
        if not self._is_behind and behind_s > BEHIND_S:
            self._is_behind = True
            self._tell(f"behind: the newest event is {behind_s:,.0f} s old")
        elif self._is_behind and behind_s < BEHIND_S / 2:
            self._is_behind = False
            self._tell(f"caught up: the newest event is {behind_s:,.1f} s old")
