"""`python -m benchmarks [NAME...] [--quick] [--list]`: JSON lines on standard output, progress on standard error."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks import alerts, attacks, import_time, ingest, latency, memory, pipeline, plain_faust, reach_error, reader, recovery
from benchmarks.run import Benchmark, Run, machine, rounded, say
from streams.errors import CloutstreamError
from streams.worker_process import ended_by_sigterm

BENCHMARKS: dict[str, Benchmark] = {
    "pipeline_drain": pipeline.drain,
    "pipeline_uniform": pipeline.uniform,
    "pipeline_tags": pipeline.tags,
    "latency": latency.measure,
    "recovery": recovery.measure,
    "reader": reader.measure,
    "memory": memory.measure,
    "import_time": import_time.measure,
    "plain_faust": plain_faust.measure,
    "reach_error": reach_error.measure,
    "alerts": alerts.measure,
    "attacks": attacks.measure,
    "ingest": ingest.measure,
}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks named, or all; return 1 when any could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure; one JSON line a figure")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run, all by default: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="a small part of the work: shows that it runs, not how fast it is")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; expected some of {', '.join(BENCHMARKS)}")
    if args.list:
        print("\n".join(BENCHMARKS))
        return 0
    run = Run(args.quick)
    failed = False
    print(json.dumps(machine()), flush=True)
    with ended_by_sigterm():
        for name in args.names or BENCHMARKS:
            say(name)
            try:
                for figures in BENCHMARKS[name](run):
                    run.found[figures["name"]] = figures
                    print(json.dumps({**rounded(figures), "is_quick": run.is_quick}), flush=True)
            except CloutstreamError as e:
                say(f"{name} could not be measured: {e}")
                failed = True
    return int(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
