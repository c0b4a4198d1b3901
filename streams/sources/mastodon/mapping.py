"""From a Mastodon message to events.

Accounts are `user@host`. A favourite is only told to the author of the post, as a notification; nobody is told when it is taken
back. What isn't public is not for a leaderboard and left out.
"""

from __future__ import annotations

import msgspec

from streams.events.decode import Event
from streams.sources.bounded import Bounded
from streams.sources.mastodon.messages import Account, Notification, Status, decode_notification, decode_status
from streams.sources.memory import Made
from streams.sources.source import Mapped, clean_tags, post_of, short_id
from streams.sources.sse import Sent

NETWORK = "mastodon"
ACCOUNTS_BYTES = 16 << 20  # about 60,000 of the accounts seen last
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)
_IGNORED = (
    "status.update", "filters_changed", "conversation", "announcement", "announcement.reaction", "announcement.delete",
    "encrypted_message", "notifications_merged",
)  # fmt: skip
_PUBLIC = ("public", "unlisted")


class Mapping:
    """Maps the messages of one server; `host` completes the names of its own accounts."""

    def __init__(self, host: str, made: Made | None = None) -> None:
        self._host = host
        self._made = Made() if made is None else made
        self._accounts = Bounded(ACCOUNTS_BYTES)  # the server's id -> user@host

    def map(self, sent: Sent) -> Mapped:
        """Return what a message is."""
        try:
            if sent.event == "update":
                return self._status(decode_status(sent.data))
            if sent.event == "notification":
                return self._notification(decode_notification(sent.data))
        except _UNREADABLE:
            return Mapped(sent.event, dropped="unreadable", is_kept=True)
        if sent.event == "delete":
            events = self._made.take_back(sent.data.decode(errors="replace").strip().strip('"'))
            return Mapped("delete", events, dropped="" if events else "original unknown")
        if sent.event in _IGNORED:
            return Mapped(sent.event)
        return Mapped(f"unknown {sent.event[:40]}", dropped="unknown kind", is_kept=True)

    def _status(self, status: Status) -> Mapped:
        actor, at = self._name(status.account), status.created_at.timestamp()
        if status.visibility not in _PUBLIC:
            return Mapped("status", dropped="not public")
        if (boosted := status.reblog) is not None:
            if boosted.visibility not in _PUBLIC:
                return Mapped("boost", dropped="not public")
            mapped = Mapped("boost", [self._engagement("share", actor, at, boosted)])
        else:
            mapped = self._post(status, actor, at)
        _since(mapped, status.account)
        self._made.put(status.id, mapped.events)
        return mapped

    def _post(self, status: Status, actor: str, at: float) -> Mapped:
        tags = clean_tags([tag.name for tag in status.tags])
        events, dropped, kind = [], "", "post"
        if status.in_reply_to_id is None and status.in_reply_to_account_id is None:
            events.append(Event(short_id(status.uri), "tweet", actor, actor, at, post_of(status.uri), tags, network=NETWORK))
        else:
            kind, author = "reply", self._answered(status)
            if author:
                events.append(Event(short_id(status.uri), "reply", actor, author, at, None, tags, network=NETWORK))
            else:
                dropped = "author unknown"
        quoted = status.quote.quoted_status if status.quote is not None else None
        if quoted is not None and quoted.visibility in _PUBLIC:
            kind = "quote" if kind == "post" else kind
            author = self._name(quoted.account)
            tags = tags or clean_tags([tag.name for tag in quoted.tags])
            share = Event(short_id(f"{status.uri}#quote"), "share", actor, author, at, post_of(quoted.uri), tags, network=NETWORK)
            events.append(share)
        return Mapped(kind, events, dropped)

    def _notification(self, told: Notification) -> Mapped:
        kind = f"notification {told.type[:40]}"
        if told.status is None or told.type not in ("favourite", "reblog", "mention", "status", "quote"):
            return Mapped(kind)
        if told.type in ("mention", "status", "quote"):
            return self._status(told.status)._replace(kind=kind)
        if told.status.visibility not in _PUBLIC:
            return Mapped(kind, dropped="not public")
        actor = self._name(told.account)
        share_or_like = "like" if told.type == "favourite" else "share"
        mapped = Mapped(kind, [self._engagement(share_or_like, actor, told.created_at.timestamp(), told.status)])
        return _since(mapped, told.account)

    def _engagement(self, kind: str, actor: str, at: float, status: Status) -> Event:
        """Return an event named by who and what: a boost comes as a status and as a notification, and is one."""
        tags = clean_tags([tag.name for tag in status.tags])
        author = self._name(status.account)
        event = Event(
            short_id(f"{kind} {actor} {status.uri}"), "like", actor, author, at, post_of(status.uri), tags, network=NETWORK
        )
        if kind == "share":
            event.kind = "share"
        return event

    def _answered(self, status: Status) -> str:
        """Return whom a status answers, by the server's id of the account; empty when it wasn't seen."""
        account_id = status.in_reply_to_account_id or ""
        if account_id and account_id == status.account.id:
            return self._name(status.account)
        for mentioned in status.mentions:
            if mentioned.id == account_id:
                return self._name(mentioned)
        return (self._accounts.get(account_id) or b"").decode()

    def _name(self, account: Account) -> str:
        name = account.acct if "@" in account.acct else f"{account.acct}@{self._host}"
        if account.id:
            self._accounts.put(account.id, name.encode())
        return name


def _since(mapped: Mapped, account: Account) -> Mapped:
    for event in mapped.events:
        event.actor_since = None if account.created_at is None else account.created_at.timestamp()
    return mapped
