"""`python -m benchmarks.peers`: the common job on every system in turn; JSON lines on standard output, progress on the other.

First each system drains longer and longer logs until one keeps it busy for ten seconds (`--busy-s`). Then come the rounds: in
each, every system drains such a log with one worker process and with two. Then steady loads, and the floors.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import chart, report
from benchmarks.peers.runner import Pace, Runner
from benchmarks.peers.services import JOIN_TOGETHER, ApacheKafka, RedisServer
from benchmarks.peers.stage import Stage
from benchmarks.peers.systems import SYSTEMS
from benchmarks.run import Figures, machine, say
from streams.errors import CloutstreamError
from streams.redis.client import connect
from streams.settings import Settings
from streams.worker_process import ended_by_sigterm

ROUNDS, WORKERS = 3, (1, 2)


def main(argv: list[str] | None = None) -> int:
    """Measure, or show what was measured; return 1 when any could not be measured."""
    args = _arguments(argv)
    if args.list:
        print("\n".join(SYSTEMS))
        return 0
    if args.results:
        lines = [json.loads(line) for line in args.results.read_text().splitlines()]
        has_failed = False
    else:
        with ended_by_sigterm():
            lines, has_failed = _measured(args)
    if args.markdown:
        args.markdown.write_text(report.markdown(lines))
    if args.svg:
        args.svg.write_text(chart.svg(lines))
    return int(has_failed)


def _measured(args: argparse.Namespace) -> tuple[list[Figures], bool]:
    systems = [SYSTEMS[name] for name in args.only or SYSTEMS]
    with ApacheKafka(more=JOIN_TOGETHER) as cluster, RedisServer() as server:
        settings = Settings(kafka=cluster.address, redis=server.url)
        client = connect(settings)
        pids = {"broker": cluster.brokers[0].pid, "redis": server.pid}
        runner = Runner(Stage(settings, client, pids), systems, Pace(args.busy_s, args.load_s, args.quick))
        runner.tell({**machine(), "processor": _processor()})
        runner.tell({"name": "run", "date": datetime.now(UTC).date().isoformat(), "rounds": args.rounds, **_versions(client)})
        for system in systems:
            with runner.attempt(system.name, "its environment"):
                runner.tell({"name": "system", "system": system.name, "title": system.title, "version": system.version()})
        runner.drains(args.rounds, args.workers)
        if not args.no_steady:
            runner.steadies()
        if not args.no_floors:
            runner.floors(args.rounds)
        return runner.lines, runner.has_failed


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="the same job on several systems, in turn")
    parser.add_argument("--only", action="append", choices=SYSTEMS, help="measure this system; may be given several times")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured; {ROUNDS}")
    parser.add_argument("--workers", type=_counts, default=WORKERS, help="numbers of worker processes; 1,2")
    parser.add_argument(
        "--busy-s", type=float, default=Pace.busy_s, help=f"how long a log must keep a system busy; {Pace.busy_s:g}"
    )
    parser.add_argument("--load-s", type=int, default=Pace.load_s, help=f"how long a steady load is measured; {Pace.load_s}")
    parser.add_argument("--no-steady", action="store_true", help="no steady load")
    parser.add_argument("--no-floors", action="store_true", help="no floors")
    parser.add_argument("--quick", action="store_true", help="a small part of the work: shows that it runs, not how fast it is")
    parser.add_argument("--markdown", type=Path, help="write a table there")
    parser.add_argument("--svg", type=Path, help="write a chart there")
    parser.add_argument("--results", type=Path, help="don't measure: read the lines that an earlier run printed")
    parser.add_argument("--list", action="store_true", help="print the systems and end")
    return parser.parse_args(argv)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _versions(client: Any) -> Figures:
    pom = (Path(__file__).parents[2] / "tests" / "services" / "pom.xml").read_text()
    kafka = pom.split("<artifactId>kafka_2.13</artifactId>")[1].split("<version>")[1].split("</version>")[0]
    return {"kafka": kafka, "redis": client.info("server")["redis_version"]}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except CloutstreamError as e:
        say(str(e))
        sys.exit(e.exit_code)
