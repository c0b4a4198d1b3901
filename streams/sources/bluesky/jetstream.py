"""Jetstream's messages over a WebSocket, of version 1 or 2.

The cursor is a time, which every host understands, in both versions: sequence numbers are each host's own. What was received
in the last seconds is asked for again, since hosts deliver a little out of order where replay meets live.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from streams.sources.bluesky.inflate import Inflate, dictionary_of, load_dictionary
from streams.sources.bluesky.mapping import NETWORK, Mapping
from streams.sources.bluesky.messages import LIKE, POST, REPOST
from streams.sources.connecting import Broken, Hosts, Refused, failure_of, mended
from streams.sources.gather import gathered
from streams.sources.http import base_url, client
from streams.sources.source import Mapped, Position, Source

HOSTS = {
    1: [f"jetstream{n}.us-{coast}.bsky.network" for coast in ("east", "west") for n in (1, 2)],
    2: ["jetstream.us-east.bsky.network", "jetstream.us-west.bsky.network"],
}
OVERLAP_S = 5.0
SILENCE_S = 30.0  # the network has hundreds of messages a second
GAP_S = 60.0
KEPT_S = 35.5 * 3600  # version 2 keeps 36 hours
PATH_V2 = "/xrpc/network.bsky.jetstream.subscribeEvents"
_HEARTBEAT_S = 20.0
_MOST_BYTES = 1_000_000  # the host leaves out what is longer: a frame that can't be taken would break every connection
_COLLECTIONS = [POST, LIKE, REPOST]


@dataclass(frozen=True)
class Options:
    """How Jetstream is read; `dictionary` is the file of version 1's zstd dictionary, version 2 hands its own out."""

    hosts: Sequence[str] = ()
    version: int = 1
    overlap_s: float = OVERLAP_S
    silence_s: float = SILENCE_S
    is_compressed: bool = False
    dictionary: Path | None = None
    ca_file: Path | None = None


class Jetstream(Source):
    """All posts, replies, quotes, likes and reposts of Bluesky."""

    name = NETWORK

    def __init__(self, options: Options) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: the dictionary can't be used.
            UsageError: a host is neither a name nor a URL.
        """
        self._options = options
        self._hosts = Hosts([base_url(host, "--host", "wss") for host in options.hosts or HOSTS[options.version]])
        self._mapping = Mapping()
        self._inflate = load_dictionary(options.dictionary) if options.is_compressed and options.version == 1 else None
        self._gaps_s = 0.0
        self._oldest_us = 0

    def map(self, message: bytes) -> Mapped:
        """Return what a message is."""
        return self._mapping.map(message)

    def position(self) -> Position | None:
        """Return the time of the newest message."""
        return {"time_us": self._mapping.time_us} if self._mapping.time_us else None

    def counters(self) -> dict[str, float]:
        """Return what was counted about the connection."""
        return {"reconnects": self._hosts.breaks, "gap_seconds": round(self._gaps_s, 1)}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[bytes], None]:
        """Yield messages as they come."""
        if position is not None:
            self._mapping.time_us = int(position["time_us"])
        async with client({}, self._options.ca_file, self._options.silence_s) as session:

            async def connect(base: str) -> AsyncGenerator[list[bytes], None]:
                before_us = self._mapping.time_us
                try:
                    async with aclosing(gathered(self._messages(session, base), self._options.silence_s, len)) as batches:
                        async for batch in batches:
                            yield batch
                            self._look_for_gap(base, before_us)
                            before_us = 0
                except (aiohttp.ClientError, OSError) as e:
                    raise self._failure_of(e, time.time()) from e

            async with aclosing(mended(self._hosts, connect, self.tell)) as stream:
                async for batch in stream:
                    yield batch

    def _failure_of(self, error: Exception, now_s: float) -> Broken | Refused:
        """Return what an error means; of a cursor older than what a host keeps, that it is asked for its oldest messages next.

        Version 1 begins with these by itself, version 2 refuses.
        """
        failure, cursor_us = failure_of(error, now_s), self._cursor_us()
        if not (isinstance(error, aiohttp.WSServerHandshakeError) and error.status == 400 and cursor_us):
            return failure
        oldest_us = round((now_s - KEPT_S) * 1e6)
        if cursor_us >= oldest_us:
            return Refused(f"{failure}; without the position of an earlier run it may be: start with --from-scratch")
        self._oldest_us = oldest_us
        return Broken("it answers 400: the position is older than what it keeps")

    def _cursor_us(self) -> int:
        """Return the time to ask for messages from, epoch µs; 0 for those from now on."""
        time_us = self._mapping.time_us
        return max(time_us - round(self._options.overlap_s * 1e6), self._oldest_us) if time_us else 0

    def _look_for_gap(self, base: str, before_us: int) -> None:
        """Say when a host began later than it was asked to: it keeps messages for a day or so."""
        gap_s = (self._mapping.time_us - before_us) / 1e6 if before_us else 0.0
        if gap_s > GAP_S:
            self._gaps_s += gap_s
            self.tell(f"{base}: it begins {gap_s:,.0f} s after what was read last; what was in between is missing")

    async def _messages(self, session: aiohttp.ClientSession, base: str) -> AsyncIterator[bytes]:
        inflate = self._inflate
        if self._options.is_compressed and self._options.version == 2:
            inflate = await dictionary_of(session, base)
        url, protocols = self.url(base, inflate)
        async with session.ws_connect(
            # Text isn't decoded: what is no UTF-8 is a message that can't be read, not one that breaks every connection.
            url,
            protocols=protocols,
            heartbeat=_HEARTBEAT_S,
            max_msg_size=2 * _MOST_BYTES,
            compress=15,
            decode_text=False,
        ) as socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                elif message.type is aiohttp.WSMsgType.BINARY:
                    yield inflate(message.data) if inflate is not None else message.data
            if (error := socket.exception()) is not None:
                raise Broken(f"the connection broke: {error}")

    def url(self, base: str, inflate: Inflate | None = None) -> tuple[str, tuple[str, ...]]:
        """Return the URL of a subscription from the newest message on, and the subprotocols to offer."""
        size = [("maxMessageSizeBytes", str(_MOST_BYTES))]
        cursor_us = self._cursor_us()
        cursor = [("cursor", str(cursor_us))] if cursor_us else []
        if self._options.version == 1:
            compress = [("compress", "true")] if inflate else []
            query = [("wantedCollections", c) for c in _COLLECTIONS] + size + compress + cursor
            return f"{base}/subscribe?{urlencode(query)}", ()
        kinds = [("kinds", kind) for kind in ("commit", "account")]
        dictionary = [("zstdDictionary", str(inflate.dictionary_id))] if inflate else []
        query = kinds + [("collections", c) for c in _COLLECTIONS] + size + dictionary + cursor
        return f"{base}{PATH_V2}?{urlencode(query)}", ("xrpc.v1.json",)
