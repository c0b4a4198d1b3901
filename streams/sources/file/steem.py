"""Steem, a chain of posts and votes, in columns: a vote is a like, until it is withdrawn (0 %) or turned against the post.

Columns: time_utc, kind (post, comment, vote, reblog), actor, target_author, target_permlink, own_permlink, tags, vote_percent,
num_changes. Times have no zone and are UTC.
"""

from __future__ import annotations

import re

from streams.events.decode import Event
from streams.sources.file.rows import Row, Rows
from streams.sources.memory import Made
from streams.sources.source import Mapped, clean_tags, post_of, short_id
from streams.sources.times import time_of

NETWORK = "steem"
_REST = {"post": "tweet", "comment": "reply", "reblog": "share"}
_NO_TAG = "n/a"


class Steem:
    """Maps lines in the order of the chain; remembers the votes, so that they can be taken back."""

    def __init__(self, made: Made | None = None) -> None:
        self._rows = Rows("tsv")
        self._votes = Made() if made is None else made

    def __call__(self, number: int, line: bytes) -> Mapped:
        """Return what a line is."""
        try:
            row = self._rows.row(line)
        except ValueError:
            return Mapped("unknown line", dropped="unreadable", is_kept=True)
        return Mapped("header") if row is None else self._map(row)

    def _map(self, row: Row) -> Mapped:
        kind, actor, at = row.get("kind", ""), row.get("actor", ""), time_of(row.get("time_utc"))
        if kind != "vote" and kind not in _REST:
            return Mapped(f"unknown {kind[:40]}", dropped="unknown kind", is_kept=True)
        author = row.get("target_author", "")
        if kind == "post":
            author = author or actor
        if not actor or not author or at is None:
            return Mapped(kind, dropped="no time" if at is None else "no actor" if not actor else "no author", is_kept=True)
        target = f"{author}/{row.get('target_permlink', '')}"
        tags = clean_tags([tag.lstrip("# ") for tag in row.get("tags", "").split("|") if tag != _NO_TAG])
        event = Event("", "like", actor, author, at, post_of(target), tags, network=NETWORK)
        if kind == "vote":
            return self._vote(f"steem-vote/{actor}/{target}", event, row.get("vote_percent", ""))
        event.kind = _REST[kind]  # type: ignore[assignment]  # one of the four
        own = row.get("own_permlink", "")
        event.id = short_id(f"steem/{actor}/{own}" if own else f"steem-{kind}/{actor}/{target}")
        return Mapped(kind, [event])

    def _vote(self, name: str, event: Event, percent: str) -> Mapped:
        if not re.fullmatch(r"-?\d{1,9}", percent, re.ASCII):
            return Mapped("vote", dropped="no percentage", is_kept=True)
        if int(percent) > 0:
            if name in self._votes:
                return Mapped("vote changed")
            # With its time, or a vote given again after it was withdrawn would be taken for the first one.
            event.id = short_id(f"{name}/{event.at:.0f}")
            self._votes.put(name, [event])
            return Mapped("vote", [event])
        kind = "vote withdrawn" if percent == "0" else "vote against"
        events = self._votes.take_back(name)
        return Mapped(kind, events, dropped="" if events else "original unknown" if percent == "0" else "against the post")
