"""What Redis holds per account: all of it by `INFO memory`, and by `MEMORY USAGE` what for."""

from __future__ import annotations

from typing import Any

import redis

from benchmarks.run import Figures
from streams.errors import CloutstreamError
from streams.settings import Settings

SAMPLE = 1_000


def used_bytes(client: redis.Redis) -> int:
    """Return the memory that Redis has given out."""
    info: Any = client.info("memory")
    return int(info["used_memory"])


def figures(client: redis.Redis, settings: Settings, accounts: int, empty_bytes: int) -> Figures:
    """Return bytes per account, in all and by what they are for.

    Args:
        client: of a Redis in which every account has a score.
        settings: the prefix, and the number of partitions.
        accounts: numbered from 0.
        empty_bytes: what Redis used before.

    Raises:
        CloutstreamError: not every account is on the board.
    """
    prefix = settings.redis_prefix
    boards = [f"{prefix}board:all:{board}" for board in ("standing", "trending")]
    ranked: Any = client.zcard(boards[0])
    if ranked != accounts:
        raise CloutstreamError(f"{ranked} of {accounts} accounts are on the board; expected all, so there is no figure")
    sample = range(0, accounts, max(1, accounts // SAMPLE))
    # The streams have a bound of their own, whatever the number of accounts.
    streams = sum(_bytes(client, f"{prefix}changes:{p}", 0) for p in range(settings.partitions))
    used = used_bytes(client) - empty_bytes
    return {
        "server": f"{_version(client)}",
        "used_mb": used / 1e6,
        "bytes_per_account": (used - streams) / accounts,
        "hash_bytes": sum(_bytes(client, f"{prefix}score:account:{n}") for n in sample) / len(sample),
        "history_bytes": sum(_bytes(client, f"{prefix}history:account:{n}") for n in sample) / len(sample),
        "boards_bytes": sum(_bytes(client, board, SAMPLE) for board in boards) / accounts,
        "changes_mb": streams / 1e6,
        "changes": sum(int(client.xlen(f"{prefix}changes:{p}")) for p in range(settings.partitions)),
    }


def _bytes(client: redis.Redis, key: str, samples: int = 5) -> int:
    found: Any = client.memory_usage(key, samples=samples)
    return int(found or 0)


def _version(client: redis.Redis) -> str:
    info: Any = client.info("server")
    return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"
