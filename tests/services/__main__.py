"""Run Apache Kafka and redis-server until Ctrl-C, for trying things by hand: `python tests/services [BROKERS]`."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)

from services import kafka, redis_url  # noqa: E402  # found by the line before, as under pytest
from streams.errors import CloutstreamError  # noqa: E402


def main(brokers: str = "1") -> int:
    """Run both; return an exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            cluster = stack.enter_context(kafka("apache" if brokers == "1" else f"apache-{brokers}"))
            url = stack.enter_context(redis_url("redis-server"))
            print(f"export CLOUTSTREAM_KAFKA={cluster.address} CLOUTSTREAM_REDIS={url}", end=" ")
            print(f"CLOUTSTREAM_REPLICATION={cluster.replication}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except CloutstreamError as e:
        print(f"services: {e}", file=sys.stderr)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
