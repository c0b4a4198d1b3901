"""Frames that Jetstream has compressed with zstd and a dictionary: a third of the bytes on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from streams.errors import ConfigurationError
from streams.sources.connecting import Broken

MOST_BYTES = 4_000_000  # of one message; Jetstream is asked for less
DICTIONARY_PATH = "/xrpc/network.bsky.jetstream.getZstdDictionary"


class Inflate:
    """Undoes the compression; a frame that isn't as it should be stays as it is, and is counted as one that can't be read."""

    def __init__(self, dictionary: bytes) -> None:
        """Load a dictionary.

        Raises:
            ConfigurationError: it is none, or zstandard isn't installed.
        """
        self._zstd = _zstandard()
        try:
            loaded = self._zstd.ZstdCompressionDict(dictionary, dict_type=self._zstd.DICT_TYPE_FULLDICT)
            self._inflate = self._zstd.ZstdDecompressor(dict_data=loaded).decompress
        except self._zstd.ZstdError as e:
            raise ConfigurationError(f"the zstd dictionary of {len(dictionary)} bytes can't be loaded: {e}") from None
        self.dictionary_id: int = loaded.dict_id()

    def __call__(self, frame: bytes) -> bytes:
        """Return the message in a frame."""
        try:
            # A frame says its size, and memory for that is taken at once: looked at before.
            if self._zstd.frame_content_size(frame) > MOST_BYTES:
                return frame
            return bytes(self._inflate(frame, max_output_size=MOST_BYTES))
        except self._zstd.ZstdError:
            return frame


def load_dictionary(file: Path | None) -> Inflate:
    """Return what undoes the compression with the dictionary in a file.

    Raises:
        ConfigurationError: the file can't be read or holds no dictionary.
    """
    if file is None:
        raise ConfigurationError("--compress needs --zstd-dictionary FILE with Jetstream 1; version 2 hands its dictionary out")
    try:
        return Inflate(file.read_bytes())
    except OSError as e:
        raise ConfigurationError(f"--zstd-dictionary is {str(file)!r}, which can't be read: {e.strerror}") from None


async def dictionary_of(session: aiohttp.ClientSession, base: str) -> Inflate:
    """Return what undoes the compression of a Jetstream 2, by the dictionary that it uses now.

    Raises:
        aiohttp.ClientError: the host doesn't give it.
        Broken: what it gives is no dictionary.
    """
    async with session.get(f"http{base.removeprefix('ws')}{DICTIONARY_PATH}", raise_for_status=True) as answer:
        dictionary = await answer.read()
    try:
        return Inflate(dictionary)
    except ConfigurationError as e:
        raise Broken(str(e)) from e


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise ConfigurationError("--compress needs zstandard; run in a checkout: pip install '.[zstd]'") from None
    return zstandard
