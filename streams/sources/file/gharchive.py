"""GH Archive: what happens on GitHub, as its hourly files of JSON lines, or reduced to columns.

A star is a like, a fork a share; pushes, releases and new repositories are posts; comments, issues and pull requests are replies
to the repository's owner. Columns: created_at, event_id, kind, actor_id, actor_login, repo_owner, repo_id, repo, language.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from streams.events.decode import Event
from streams.sources.file.mapping import FieldMap
from streams.sources.file.rows import Rows
from streams.sources.source import Mapped, clean_tags, post_of

NETWORK = "github"
_KINDS = {
    "star": "like", "fork": "share", "push": "tweet", "create": "tweet", "release": "tweet", "public": "tweet",
    "comment": "reply", "issue": "reply", "pull_request": "reply",
}  # fmt: skip
_TYPES = {
    "WatchEvent": "star", "ForkEvent": "fork", "PushEvent": "push", "CreateEvent": "create", "ReleaseEvent": "release",
    "PublicEvent": "public", "IssueCommentEvent": "comment", "CommitCommentEvent": "comment",
    "PullRequestReviewCommentEvent": "comment", "PullRequestReviewEvent": "comment", "IssuesEvent": "issue",
    "PullRequestEvent": "pull_request",
}  # fmt: skip
_WITHOUT_ENGAGEMENT = ("DeleteEvent", "MemberEvent", "GollumEvent")
_COLUMNS = FieldMap(
    {"id": "event_id", "at": "created_at", "actor": "actor_login", "author": "repo_owner", "post": "repo", "tags": "language"},
    _KINDS,
    network=NETWORK,
)


class _Named(msgspec.Struct):
    login: str


class _Repository(msgspec.Struct):
    name: str


class _Language(msgspec.Struct):
    language: str | None = None


class _Payload(msgspec.Struct):
    action: str = ""
    forkee: _Language | None = None


class _Line(msgspec.Struct):
    id: str
    type: str
    actor: _Named
    repo: _Repository
    created_at: datetime
    payload: _Payload | None = None


_decode = msgspec.json.Decoder(_Line).decode


class GhArchive:
    """Maps lines of both layouts."""

    def __init__(self) -> None:
        self._rows = Rows("tsv")

    def __call__(self, number: int, line: bytes) -> Mapped:
        """Return what a line is."""
        if line.startswith(b"{"):
            return _map(line)
        try:
            row = self._rows.row(line)
        except ValueError:
            return Mapped("unknown line", dropped="unreadable", is_kept=True)
        return Mapped("header") if row is None else _owned(_COLUMNS.map(row, f"gharchive-{number}"))


def _map(line: bytes) -> Mapped:
    try:
        found = _decode(line)
        at = found.created_at.timestamp()
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError):
        return Mapped("unknown line", dropped="unreadable", is_kept=True)
    kind = _TYPES.get(found.type)
    if kind is None:
        if found.type in _WITHOUT_ENGAGEMENT:
            return Mapped(found.type)
        return Mapped(f"unknown {found.type[:40]}", dropped="unknown kind", is_kept=True)
    payload = found.payload or _Payload()
    if kind in ("issue", "pull_request") and payload.action != "opened":
        return Mapped(f"{kind} {payload.action[:20]}")  # closing and labelling is the repository's own work
    owner, actor = found.repo.name.partition("/")[0], found.actor.login
    tags = clean_tags([payload.forkee.language]) if payload.forkee and payload.forkee.language else None
    event = Event(found.id, "like", actor, owner, at, post_of(found.repo.name), tags, network=NETWORK)
    event.kind = _KINDS[kind]  # type: ignore[assignment]  # one of the four
    return _owned(Mapped(kind, [event]))


def _owned(mapped: Mapped) -> Mapped:
    """Name the events, and let those who push to another's repository be the authors of what they push."""
    for event in mapped.events:
        event.id = f"github-{event.id}"[:256]
        if event.kind == "tweet":
            event.author = event.actor
    return mapped
