"""A campaign: which events count for it, and what its records say together.

An event counts if it matches (one of its tags, or its author is one of the accounts), if its time is in `[from_s, to_s)`, and if
the broker took it at or after `since_ms` and before `ended_ms`. All of that stands in the logs, so a replay counts the same.

`since_ms` is the broker's time of the record that made the campaign plus `ACTIVATION_S`: by then every worker knows of it, or
waits until it does (`state`). A definition never changes but for its end, which takes the same time. Only the last record of a
key outlives compaction, so that one has to say all: the record of the end brings `since_ms` along (`writing` makes sure).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import orjson

from streams import entities
from streams.errors import CloutstreamError, UsageError

VERSION = 1
ACTIVATION_S = 2.0
MOST_TAGS, MOST_ACCOUNTS = 100, 10_000
MOST_NAME_CHARS, MOST_ID_CHARS = 64, 256
GOALS = ("posts", "likes", "shares", "replies", "engagements", "people", "reach")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a campaign is to reach: `value` of one of `GOALS`."""

    of: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Return the goal in `likes=1000`.

        Raises:
            UsageError: not one of `GOALS`, or not a number above 0.
        """
        of, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if of not in GOALS or not 0 < value < 1e12:
            raise UsageError(f"goal is {text!r}; expected NAME=NUMBER above 0, with NAME one of {', '.join(GOALS)}")
        return cls(of, value)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as its records say.

    `from_s` and `to_s` bound event time, epoch s; `from_s` None is `since_ms`, `to_s` None no bound. `since_ms` and `ended_ms`
    bound broker time, epoch ms; `ended_ms` None: it runs.
    """

    name: str
    tags: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    goal: Goal | None = None
    from_s: float | None = None
    to_s: float | None = None
    since_ms: int = 0
    ended_ms: int | None = None

    @property
    def entity(self) -> str:
        """Name of the entity that all its events are counted for."""
        return entities.campaign(self.name)

    @property
    def starts_s(self) -> float:
        """Event time from which events count, epoch s."""
        return self.since_ms / 1000 if self.from_s is None else self.from_s

    def is_over(self, now_s: float) -> bool:
        """Return whether it was ended, or at `now_s`, epoch s, no event of that time counts any more."""
        return self.ended_ms is not None or (self.to_s is not None and now_s >= self.to_s)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as published in JSON."""
        return asdict(self)


class _Versioned(msgspec.Struct):
    version: int


class _Record(_Versioned):
    tags: tuple[str, ...]
    accounts: tuple[str, ...]
    goal: Goal | None
    from_s: float | None
    to_s: float | None
    since_ms: int
    ended_ms: int | None
    ends: bool = False

    def campaign(self, name: str) -> Campaign:
        """Return it as it is told."""
        return Campaign(name, self.tags, self.accounts, self.goal, self.from_s, self.to_s, self.since_ms, self.ended_ms)


_VERSION, _RECORD = msgspec.json.Decoder(_Versioned), msgspec.json.Decoder(_Record)


def checked(campaign: Campaign) -> Campaign:
    """Return a campaign that can be written.

    Raises:
        UsageError: names what can't, and what is expected.
    """
    _check_text("name", campaign.name, MOST_NAME_CHARS)
    if not campaign.tags and not campaign.accounts:
        raise UsageError(
            f"campaign {campaign.name!r} has no tags and no accounts; expected one at least: --tag TAG, --account ID"
        )
    for what, texts, most in (("tag", campaign.tags, MOST_TAGS), ("account", campaign.accounts, MOST_ACCOUNTS)):
        if len(texts) > most:
            raise UsageError(f"campaign {campaign.name!r} has {len(texts)} {what}s; expected at most {most}")
        for text in texts:
            _check_text(what, text, MOST_ID_CHARS)
    starts_s = campaign.from_s or 0.0
    if campaign.to_s is not None and campaign.to_s <= starts_s:
        raise UsageError(
            f"campaign {campaign.name!r} ends at {campaign.to_s:.0f}; expected a time after {starts_s:.0f}, its begin"
        )
    return campaign


def _check_text(what: str, text: str, most: int) -> None:
    if not 0 < len(text) <= most or entities.CONTROL.search(text):
        raise UsageError(f"{what} is {text[:80]!r}; expected 1 to {most} characters without control characters")


def encode(campaign: Campaign, *, ends: bool = False) -> bytes:
    """Return a record's value.

    Args:
        campaign: with `since_ms` 0 it is made by this record, else it is told again.
        ends: the record ends it.
    """
    return orjson.dumps({"version": VERSION, **campaign.as_dict(), "ends": ends})


def fold(name: str, held: Campaign | None, value: bytes, timestamp_ms: int) -> Campaign:
    """Return what a record says after those before it.

    Args:
        name: the campaign's, from the record's key.
        held: what those said.
        value: the record's.
        timestamp_ms: the broker's time of it, epoch ms.

    Raises:
        CloutstreamError: a newer release wrote it.
        ValueError: it isn't a campaign.
    """
    version = _VERSION.decode(value).version
    if version > VERSION:
        raise CloutstreamError(f"campaign record of version {version}; expected {VERSION}: a newer release wrote it")
    told = _RECORD.decode(value)
    try:
        campaign = checked(told.campaign(name))
    except UsageError as e:
        raise ValueError(str(e)) from e
    effective_ms = timestamp_ms + int(ACTIVATION_S * 1000)
    if not campaign.since_ms:
        return held or replace(campaign, since_ms=effective_ms)
    if held is not None and held.ended_ms is not None and campaign.ended_ms is None:
        return held
    return replace(campaign, ended_ms=effective_ms) if told.ends and campaign.ended_ms is None else campaign
