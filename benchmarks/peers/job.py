"""The common job: the check of an event, the arithmetic, and what is written to Redis.

Events are JSON in one topic of Apache Kafka. To be kind to peers they are keyed by *author*: all that concerns an account is
in one partition, and nobody has to send events through Kafka a second time. (Cloutstream itself takes events keyed by actor,
since it weighs who acts, and does send them on.)

Of each author there is a state: posts, likes, shares and replies (exact), two decayed counters with half-lives of 30 days and
2 hours, and the time of the newest event, at which both counters are exact. It must outlive the process: in a changelog topic,
or in what the system has for that. Whenever it changed, `peer:score:<author>` (hash) and the author's place on `peer:board`
(sorted set) are written, at most once per batch or tick. An event that isn't valid is skipped.

Every program in Python does this with the functions here, so that they differ in nothing else. This module needs nothing but
msgspec: each runs in an environment of its own.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

KINDS = ("tweet", "like", "share", "reply")
COUNTS = ("posts", "likes", "shares", "replies")
WEIGHTS = {"tweet": 0.0, "like": 0.26, "share": 0.63, "reply": 0.63}
SLOW_HALF_LIFE_S, FAST_HALF_LIFE_S = 30 * 86400.0, 2 * 3600.0
BOARD, SCORE = "peer:board", "peer:score:"
VARIABLE = "PEER_"

Name = Annotated[str, msgspec.Meta(min_length=1)]
State = Sequence[float]  # posts, likes, shares, replies, slow, fast, at


class Event(msgspec.Struct, gc=False):
    """A valid event; other fields are ignored."""

    kind: Literal["tweet", "like", "share", "reply"]
    actor: Name
    author: Name
    at: float  # epoch s


_decode = msgspec.json.Decoder(Event).decode


def event_of(value: bytes | None) -> Event | None:
    """Return the event in a record's value; None when it isn't one."""
    try:
        return _decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def folded(state: State | None, kind: str, at: float) -> list[float]:
    """Return an author's state with an event added, in whichever order events come.

    Args:
        state: before; None before the first.
        kind: of the event.
        at: when it happened, epoch s.
    """
    counts: list[float]
    *counts, slow, fast, newest = state or (0, 0, 0, 0, 0.0, 0.0, at)
    counts[KINDS.index(kind)] += 1
    weight = WEIGHTS[kind]
    if at >= newest:
        slow = slow * 2.0 ** ((newest - at) / SLOW_HALF_LIFE_S) + weight
        fast = fast * 2.0 ** ((newest - at) / FAST_HALF_LIFE_S) + weight
        newest = at
    else:
        slow += weight * 2.0 ** ((at - newest) / SLOW_HALF_LIFE_S)
        fast += weight * 2.0 ** ((at - newest) / FAST_HALF_LIFE_S)
    return [*counts, slow, fast, newest]


def score(slow: float) -> float:
    """Return the score of a slow counter."""
    return 1 + 5 * math.log2(1 + slow)


def board_key(slow: float, at: float) -> float | None:
    """Return an author's sort key, which doesn't change while nothing happens; None while there is nothing to be ranked by."""
    return 5 * math.log2(slow) + 5 * at / SLOW_HALF_LIFE_S if slow > 0 else None


def write(pipe: Any, author: str, state: State) -> None:
    """Add the writes for an author to a pipeline of redis-py."""
    *counts, slow, fast, at = state
    fields = {"score": score(slow), "slow": slow, "fast": fast, "at": at, **dict(zip(COUNTS, counts, strict=True))}
    pipe.hset(SCORE + author, mapping=fields)
    if (key := board_key(slow, at)) is not None:
        pipe.zadd(BOARD, {author: key})


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What one worker process of a program is told, in the variables `PEER_KAFKA` and so on."""

    kafka: str  # bootstrap servers, host:port
    redis: str  # URL
    topic: str
    partitions: int  # of the topic
    group: str  # consumer group, and prefix of all topics of the program's own; new in every run
    folder: str  # for whatever a program keeps on disk, shared by its workers; new in every run
    tick_s: float  # how often a program that collects changes writes them, and makes them durable
    worker: int = 0  # number of this worker process, from 0
    workers: int = 1

    @classmethod
    def from_environ(cls) -> Deployment:
        """Read the variables."""
        kinds = {"int": int, "float": float, "str": str}
        return cls(**{f.name: kinds[str(f.type)](os.environ[VARIABLE + f.name.upper()]) for f in dataclasses.fields(cls)})

    def to_environ(self) -> Mapping[str, str]:
        """Return the variables."""
        return {VARIABLE + f.name.upper(): str(getattr(self, f.name)) for f in dataclasses.fields(self)}
