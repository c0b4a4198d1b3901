"""The project's own scripts, run by the version of Lua that Redis has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
import redis
from lupa.lua51 import LuaRuntime

_command: Callable[..., Any] | None = None  # of the store whose script runs


def run(text: str, args: Sequence[Any], command: Callable[..., Any]) -> Any:
    """Run a script.

    Args:
        text: the script.
        args: ARGV: bytes as they are, anything else as Redis has it.
        command: runs a Redis command, given its name and arguments.
    """
    global _command
    lua = _lua()
    _command = command
    lua.globals().ARGV = lua.table_from([_Packed(a) if isinstance(a, bytes) else as_text(a) for a in args])
    result = _compiled(text)()
    return result.encode() if isinstance(result, str) else result


def as_text(value: Any) -> str:
    """Return a value as Redis keeps it: numbers without a fraction are whole."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class _Packed:
    """Bytes that pass through Lua as they are."""

    def __init__(self, data: bytes) -> None:
        self.data = data


@cache
def _lua() -> Any:
    lua = LuaRuntime(unpack_returned_tuples=False)
    env = lua.globals()

    def to_lua(value: Any) -> Any:
        if value is None:
            return False
        return lua.table_from(value) if isinstance(value, list) else value

    def call(name: str, *args: Any) -> Any:
        assert _command is not None
        return to_lua(_command(name, *args))

    def pcall(name: str, *args: Any) -> Any:
        try:
            return call(name, *args)
        except redis.ResponseError as e:
            return lua.table_from({"err": str(e)})

    env.redis = lua.table_from({"call": call, "pcall": pcall})
    unpack = msgspec.msgpack.Decoder().decode
    env.cmsgpack = lua.table_from({"unpack": lambda packed: lua.table_from(unpack(packed.data), recursive=True)})
    return lua


@cache
def _compiled(text: str) -> Any:
    return _lua().compile(text)
