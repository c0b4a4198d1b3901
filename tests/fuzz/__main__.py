"""`python -m tests.fuzz SOURCE [libFuzzer options]`: bytes that find their way by coverage through a source's mapping.

Needs atheris (`pip install -e '.[fuzz]'`); the checks are those of tests/laws/test_sources_total.py. Ends at the first message
that breaks one, and writes it to a file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["streams.sources"]):
    from tests.laws.test_sources_total import NAMES, SOURCES, WORDS, check


def main() -> None:
    """Fuzz one source, from a right message on."""
    if len(sys.argv) < 2 or sys.argv[1] not in SOURCES:
        sys.exit(
            f"python -m tests.fuzz: expected one of {', '.join(SOURCES)}, then options of libFuzzer such as -max_total_time=60"
        )
    run, message = SOURCES[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        for mapped in run(data):
            check(mapped)

    with tempfile.TemporaryDirectory() as folder:
        (corpus := Path(folder) / "corpus").mkdir()
        (corpus / "right").write_bytes(json.dumps(message).encode())
        # Names and words as JSON has them, quotes included: put together letter by letter few would be found in an hour.
        quoted = [json.dumps(word).replace("\\", "\\\\").replace('"', '\\"') for word in (*NAMES, *WORDS)]
        (words := Path(folder) / "words").write_text("".join(f'"{word}"\n' for word in quoted))
        atheris.Setup([sys.argv[0], f"-dict={words}", *sys.argv[1:], str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
