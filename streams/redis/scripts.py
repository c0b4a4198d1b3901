"""The scripts that run in Redis."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """Return the text of a script."""
    return files("streams.redis").joinpath(f"{name}.lua").read_text()
