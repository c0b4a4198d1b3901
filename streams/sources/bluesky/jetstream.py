"""Jetstream's messages over a WebSocket, of version 1 or 2.

The cursor is a time, which every host understands, in both versions: sequence numbers are each host's own. What was received
in the last seconds is asked for again, since hosts deliver a little out of order where replay meets live.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp

from streams.sources.bluesky.inflate import Inflate, dictionary_of, load_dictionary
from streams.sources.bluesky.mapping import NETWORK, Mapping
from streams.sources.bluesky.messages import LIKE, POST, REPOST
from streams.sources.connecting import Broken, Hosts, failure_of, mended
from streams.sources.gather import gathered
from streams.sources.http import client
from streams.sources.source import Mapped, Position, Source

HOSTS = {
    1: [f"jetstream{n}.us-{coast}.bsky.network" for coast in ("east", "west") for n in (1, 2)],
    2: ["jetstream.us-east.bsky.network", "jetstream.us-west.bsky.network"],
}
OVERLAP_S = 5.0
SILENCE_S = 30.0  # the network has hundreds of messages a second
GAP_S = 60.0
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
        """
        self._options = options
        self._hosts = Hosts([base_url(host) for host in options.hosts or HOSTS[options.version]])
        self._mapping = Mapping()
        self._inflate = load_dictionary(options.dictionary) if options.is_compressed and options.version == 1 else None
        self._gaps_s = 0.0

    def map(self, message: bytes | str) -> Mapped:
        """Return what a message is."""
        return self._mapping.map(message)

    def position(self) -> Position | None:
        """Return the time of the newest message."""
        return {"time_us": self._mapping.time_us} if self._mapping.time_us else None

    def counters(self) -> dict[str, float]:
        """Return what was counted about the connection."""
        return {"reconnects": self._hosts.breaks, "gap_seconds": round(self._gaps_s, 1)}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[str | bytes], None]:
        """Yield messages as they come."""
        if position is not None:
            self._mapping.time_us = int(position["time_us"])
        async with client({}, self._options.ca_file, self._options.silence_s) as session:

            async def connect(base: str) -> AsyncGenerator[list[str | bytes], None]:
                before_us = self._mapping.time_us
                try:
                    async with aclosing(gathered(self._messages(session, base), self._options.silence_s, len)) as batches:
                        async for batch in batches:
                            yield batch
                            self._look_for_gap(base, before_us)
                            before_us = 0
                except (aiohttp.ClientError, OSError) as e:
                    raise failure_of(e) from e

            async with aclosing(mended(self._hosts, connect, self.tell)) as stream:
                async for batch in stream:
                    yield batch

    def _look_for_gap(self, base: str, before_us: int) -> None:
        """Say when a host began later than it was asked to: it keeps messages for a day or so."""
        gap_s = (self._mapping.time_us - before_us) / 1e6 if before_us else 0.0
        if gap_s > GAP_S:
            self._gaps_s += gap_s
            self.tell(f"{base}: it begins {gap_s:,.0f} s after what was read last; what was in between is missing")

    async def _messages(self, session: aiohttp.ClientSession, base: str) -> AsyncIterator[str | bytes]:
        inflate = self._inflate
        if self._options.is_compressed and self._options.version == 2:
            inflate = await dictionary_of(session, base)
        url, protocols = self.url(base, inflate)
        async with session.ws_connect(
            url, protocols=protocols, heartbeat=_HEARTBEAT_S, max_msg_size=2 * _MOST_BYTES, compress=15
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
        time_us = self._mapping.time_us
        cursor = [("cursor", str(time_us - round(self._options.overlap_s * 1e6)))] if time_us else []
        if self._options.version == 1:
            compress = [("compress", "true")] if inflate else []
            query = [("wantedCollections", c) for c in _COLLECTIONS] + size + compress + cursor
            return f"{base}/subscribe?{urlencode(query)}", ()
        kinds = [("kinds", kind) for kind in ("commit", "account")]
        dictionary = [("zstdDictionary", str(inflate.dictionary_id))] if inflate else []
        query = kinds + [("collections", c) for c in _COLLECTIONS] + size + dictionary + cursor
        return f"{base}{PATH_V2}?{urlencode(query)}", ("xrpc.v1.json",)


def base_url(host: str) -> str:
    """Return the URL of a host given by its name, or by a ws or wss URL.

    >>> base_url("jetstream1.us-east.bsky.network"), base_url("ws://127.0.0.1:6008/")
    ('wss://jetstream1.us-east.bsky.network', 'ws://127.0.0.1:6008')
    """
    parts = urlsplit(host if "://" in host else f"wss://{host}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
