"""What kinds of settings there are: how each is told, and what is valid."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(default: Any, help: str, valid: str, check: Callable[[Any], bool], *, show: bool = True) -> Any:
    """Return a field with a check of its value, and words for both."""
    return field(default=default, repr=show, metadata={"help": help, "valid": valid, "check": check})


def positive(default: float, help: str) -> Any:
    """Return a setting that is a number above 0."""
    return setting(default, help, "a number above 0", lambda v: v > 0)


def half_life(default: float, help: str) -> Any:
    """Return a setting that is a half-life, s."""
    return setting(default, help, "a number of seconds from 10 up", lambda v: v >= 10)


def ratio(default: float, help: str) -> Any:
    """Return a setting that is a number from 0 to 1."""
    return setting(default, help, "a number from 0 to 1", lambda v: 0 <= v <= 1)


def count(default: int, help: str, least: int = 1, most: int = 1_000_000_000) -> Any:
    """Return a setting that is a whole number."""
    return setting(default, help, f"a whole number from {least} to {most}", lambda v: least <= v <= most)


def one_of(default: str, help: str, *choices: str) -> Any:
    """Return a setting that is one of a few words."""
    return setting(default, help, "one of " + ", ".join(choices), lambda v: v in choices)


def some_text(default: str, help: str) -> Any:
    """Return a setting that is a text, and never empty."""
    return setting(default, help, "a non-empty string", lambda v: bool(v))


def any_text(default: str, help: str) -> Any:
    """Return a setting that is a text, empty for none."""
    return setting(default, help, "a string", lambda _: True)


def are_topics(value: str) -> bool:
    """Return whether a value is names of topics, each once."""
    names = [name.strip() for name in value.split(",")]
    return len(set(names)) == len(names) and all(re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) for name in names)


def are_hosts(value: str) -> bool:
    """Return whether a value is `host:port` pairs."""
    return all(h.rpartition(":")[0] and h.rpartition(":")[2].isdigit() for h in value.split(","))


def is_listening(value: str) -> bool:
    """Return whether a value is an address to listen on, or empty."""
    host, _, port = value.rpartition(":")
    return not value or (bool(host) and port.isascii() and port.isdigit() and int(port) < 65536)


def split_names(value: str) -> list[str]:
    """Return comma-separated host names, in lower case."""
    return [name.strip().lower() for name in value.split(",")]
