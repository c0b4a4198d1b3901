"""How a query is written so that a reader with and one without asyncio can both run it.

A plan is a generator. It yields the Redis commands of one round trip and is sent their replies (or thrown the
`ServiceUnavailable` that came instead), or yields seconds to pause for; what it returns is the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Command: TypeAlias = tuple[Any, ...]
Plan: TypeAlias = Generator[list[Command] | float, list[Any], T]


@cache
def script() -> str:
    """Return the text of the script that reads a page of a board."""
    return files("streams.reader").joinpath("page.lua").read_text()


@cache
def script_sha() -> str:
    """Return what Redis knows the script by."""
    return hashlib.sha1(script().encode(), usedforsecurity=False).hexdigest()


def call_script(*args: Any) -> Command:
    """Return the command that runs the script; whoever runs plans loads it into a server that doesn't know it."""
    return ("EVALSHA", script_sha(), 0, *args)
