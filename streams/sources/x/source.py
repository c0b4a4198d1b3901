"""The filtered stream of X: what matches the rules of an app, with a bearer token.

It has no cursor; `backfill_minutes` asks for the last minutes once more, which not every plan has.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import msgspec

from streams.errors import ConfigurationError
from streams.secret import Secret
from streams.sources.connecting import Broken, Hosts, failure_of, failure_of_status, mended
from streams.sources.gather import gathered
from streams.sources.http import base_url, client
from streams.sources.secret import NO_TOKEN, bearer
from streams.sources.source import Mapped, Position, Source
from streams.sources.sse import lines_of
from streams.sources.x.mapping import NETWORK, Mapping
from streams.sources.x.messages import decode_rules

API = "https://api.x.com"
STREAM_PATH = "/2/tweets/search/stream"
SILENCE_S = 30.0  # an empty line comes every 20 s
MOST_BACKFILL_MINUTES = 5
_FIELDS = {
    "tweet.fields": "author_id,created_at,referenced_tweets,in_reply_to_user_id,entities,edit_history_tweet_ids",
    "expansions": "author_id,referenced_tweets.id,referenced_tweets.id.author_id",
    "user.fields": "created_at",
}


@dataclass(frozen=True)
class Options:
    """How the stream is read; `rules` are added to those that the app has."""

    token: Secret = NO_TOKEN
    rules: Sequence[str] = ()
    has_backfill: bool = False
    api: str = API
    silence_s: float = SILENCE_S
    ca_file: Path | None = None


class X(Source):
    """Posts that match the app's rules."""

    name = NETWORK

    def __init__(self, options: Options) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: there is no token, or it would go over the network in the clear.
            UsageError: the API is no URL.
        """
        if not options.token:
            raise ConfigurationError("no bearer token for X; expected one in X_BEARER_TOKEN, or --token-file FILE")
        self._options = options
        api = base_url(options.api, "--api", "https")
        self._headers = bearer(api, options.token)
        self._hosts = Hosts([api])
        self._mapping = Mapping()

    def map(self, message: bytes) -> Mapped:
        """Return what a line is."""
        return self._mapping.map(message)

    def position(self) -> Position | None:
        """Return the time of the newest post: how much to ask for again."""
        return {"at": self._mapping.newest_s} if self._mapping.newest_s else None

    def counters(self) -> dict[str, float]:
        """Return what was counted about the connection."""
        return {"reconnects": self._hosts.breaks}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[bytes], None]:
        """Yield lines as they come; an empty one says that the connection lives."""
        if position is not None:
            self._mapping.newest_s = float(position["at"])
        async with client(self._headers, self._options.ca_file, self._options.silence_s) as session:

            async def connect(base: str) -> AsyncGenerator[list[bytes], None]:
                try:
                    await self._add_rules(session, base)
                    async with aclosing(gathered(self._lines(session, base), None, len)) as batches:
                        async for batch in batches:
                            yield batch
                except (aiohttp.ClientError, OSError) as e:
                    raise failure_of(e, time.time()) from e
                except msgspec.MsgspecError as e:
                    raise Broken(f"what it says of its rules can't be read: {e}") from e

            async with aclosing(mended(self._hosts, connect, self.tell)) as stream:
                async for batch in stream:
                    yield batch

    def url(self, base: str, now_s: float) -> str:
        """Return the URL of the stream; `now_s`, epoch s, less the newest post is what was missed."""
        query = dict(_FIELDS)
        if self._options.has_backfill and self._mapping.newest_s:
            missed_minutes = math.ceil((now_s - self._mapping.newest_s) / 60)
            query["backfill_minutes"] = str(min(MOST_BACKFILL_MINUTES, max(1, missed_minutes)))
        return f"{base}{STREAM_PATH}?{urlencode(query, safe=',')}"

    async def _lines(self, session: aiohttp.ClientSession, base: str) -> AsyncIterator[bytes]:
        async with session.get(self.url(base, time.time())) as answer:
            if answer.status != 200:
                raise failure_of_status(answer.status, answer.headers, time.time())
            async for line in lines_of(answer.content.iter_any()):
                yield line

    async def _add_rules(self, session: aiohttp.ClientSession, base: str) -> None:
        """Add the rules that the app doesn't have yet; others that it has stay, and are told."""
        url = f"{base}{STREAM_PATH}/rules"
        async with session.get(url, raise_for_status=True) as answer:
            has = [rule.value for rule in decode_rules(await answer.read()).data or ()]
        missing = [rule for rule in self._options.rules if rule not in has]
        if missing:
            async with session.post(url, json={"add": [{"value": rule} for rule in missing]}, raise_for_status=True) as answer:
                refused = decode_rules(await answer.read()).errors
            if refused:
                raise ConfigurationError(f"X refuses the rules {missing}: {str(refused)[:300]}")
        elif not has:
            raise ConfigurationError("the app has no rules, so that nothing would come; expected --rule 'TEXT'")
        if others := [rule for rule in has if rule not in self._options.rules]:
            self.tell(f"the app has these rules as well: {', '.join(map(repr, others))}")
