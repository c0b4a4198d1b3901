"""The half-lives that rows were written by: by others their counters would be misread, with nothing to show for it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from streams.errors import ConfigurationError
from streams.settings import PREFIX, Settings

_HALF_LIVES = struct.Struct("<3d")


class HalfLives(NamedTuple):
    """Those that a deployment can choose, s, under the names of their settings."""

    half_life_slow_s: float
    half_life_day_s: float
    half_life_fast_s: float

    @classmethod
    def of(cls, settings: Settings) -> HalfLives:
        """Return those of a deployment."""
        return cls(*(getattr(settings, name) for name in cls._fields))

    def encode(self) -> bytes:
        """Return them as a marker has them."""
        return _HALF_LIVES.pack(*self)

    @classmethod
    def decode(cls, value: bytes, position: int) -> HalfLives | None:
        """Return those at a position of a marker; None where it ends there, as those of earlier releases do."""
        return cls(*_HALF_LIVES.unpack_from(value, position)) if len(value) > position else None

    def check(self, written: HalfLives | None) -> None:
        """Do nothing where rows were written by these, or by a release that didn't say.

        Raises:
            ConfigurationError: they were written by others.
        """
        pairs = zip(self._fields, self, written or self, strict=True)
        differing = [f"{PREFIX}{name.upper()} is {mine!r}; expected {theirs!r}" for name, mine, theirs in pairs if mine != theirs]
        if differing:
            raise ConfigurationError(
                f"{'; '.join(differing)}, by which the rows in the table were written: set it back, or count again with a new "
                f"{PREFIX}APP_ID and a new {PREFIX}REDIS_PREFIX"
            )
