"""The streaming API of a Mastodon server, as server-sent events or over a WebSocket.

It has no cursor: what happens while nobody is connected isn't told later.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from streams.errors import ConfigurationError
from streams.secret import Secret
from streams.sources.connecting import Broken, Hosts, failure_of, failure_of_status, mended
from streams.sources.gather import gathered
from streams.sources.http import base_url, client
from streams.sources.mastodon.mapping import NETWORK, Mapping
from streams.sources.mastodon.messages import decode_envelope
from streams.sources.secret import NO_TOKEN, bearer
from streams.sources.source import Mapped, Position, Source
from streams.sources.sse import Sent, events_of

STREAMS = ("user", "user:notification", "public", "public:local", "public:remote", "hashtag", "hashtag:local")
SILENCE_S = 60.0  # the server says something every 15 s
_HEARTBEAT_S = 20.0
_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Options:
    """Which stream of which server; `tag` is the hashtag of the streams of one."""

    server: str
    stream: str = "public"
    tag: str = ""
    token: Secret = NO_TOKEN
    is_websocket: bool = False
    silence_s: float = SILENCE_S
    ca_file: Path | None = None


class Mastodon(Source):
    """One stream of one server."""

    name = NETWORK

    def __init__(self, options: Options) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: the options don't fit, or the token would go over the network in the clear.
            UsageError: the server is neither a name nor a URL.
        """
        if options.stream.startswith("hashtag") != bool(options.tag):
            raise ConfigurationError(
                f"--stream is {options.stream!r} with --tag {options.tag!r}; expected a tag with a hashtag stream"
            )
        self._options = options
        base = base_url(options.server, "SERVER", "https")
        self._headers = bearer(base, options.token)
        self._hosts = Hosts([base])
        self._mapping = Mapping(urlsplit(base).netloc)

    def map(self, message: Sent) -> Mapped:
        """Return what a message is."""
        return self._mapping.map(message)

    def raw(self, message: Sent) -> bytes:
        """Return the data of a message."""
        return message.data

    def counters(self) -> dict[str, float]:
        """Return what was counted about the connection."""
        return {"reconnects": self._hosts.breaks}

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Sent], None]:
        """Yield messages as they come."""
        async with client(self._headers, self._options.ca_file, self._options.silence_s) as session:

            async def connect(base: str) -> AsyncGenerator[list[Sent], None]:
                messages = self._socket(session, base) if self._options.is_websocket else self._events(session, base)
                try:
                    async with aclosing(gathered(messages, None, lambda sent: len(sent.data))) as batches:
                        async for batch in batches:
                            yield batch
                except (aiohttp.ClientError, OSError) as e:
                    raise failure_of(e, time.time()) from e

            async with aclosing(mended(self._hosts, connect, self.tell)) as stream:
                async for batch in stream:
                    yield batch

    def url(self, base: str) -> str:
        """Return the URL of the stream."""
        tag = {"tag": self._options.tag} if self._options.tag else {}
        if not self._options.is_websocket:
            query = f"?{urlencode(tag)}" if tag else ""
            return f"{base}/api/v1/streaming/{self._options.stream.replace(':', '/')}{query}"
        return f"ws{base.removeprefix('http')}/api/v1/streaming?{urlencode({'stream': self._options.stream, **tag})}"

    async def _events(self, session: aiohttp.ClientSession, base: str) -> AsyncIterator[Sent]:
        async with session.get(self.url(base), headers={"Accept": "text/event-stream"}) as answer:
            if answer.status != 200:
                raise failure_of_status(answer.status, answer.headers, time.time())
            async for sent in events_of(answer.content.iter_any()):
                yield sent

    async def _socket(self, session: aiohttp.ClientSession, base: str) -> AsyncIterator[Sent]:
        async with session.ws_connect(self.url(base), heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_BYTES) as socket:
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    yield sent_of(message.data)
            if (error := socket.exception()) is not None:
                raise Broken(f"the connection broke: {error}")


def sent_of(message: str | bytes) -> Sent:
    """Return a WebSocket's message as the event that it would be in the other stream."""
    try:
        envelope = decode_envelope(message)
        return Sent(envelope.event or ("error" if envelope.error else "message"), envelope.payload.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Sent("message", message if isinstance(message, bytes) else message.encode(errors="replace"))
