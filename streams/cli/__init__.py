"""The `cloutstream` command: finds the subcommand, reads the settings, and turns errors into one line and an exit code.

Exit codes: 0 done, 2 usage, 69 a service can't be reached, 70 internal, 78 configuration, 130 interrupted.

A command's module has `register(subparsers)` and `run(args, settings) -> int`. Only the module of the command that was
asked for is imported, and modules import Kafka, Redis and Faust inside `run`, so that a command starts at once.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from streams.errors import CloutstreamError, UsageError
from streams.settings import Settings

INTERRUPTED = 130
INTERNAL = CloutstreamError.exit_code

# Command -> module in this package, in the order `--help` shows them.
COMMANDS = {
    "demo": "demo",
    "worker": "worker",
    "replay": "replay",
    "simulate": "simulate",
    "ingest": "ingest",
    "top": "places",
    "around": "places",
    "score": "account",
    "why": "account",
    "history": "account",
    "watch": "watch",
    "dashboard": "dashboard",
    "hide": "hide",
    "forget": "forget",
    "alerts": "alerts",
    "campaign": "campaign",
    "topics": "topics",
    "dead-letters": "dead_letters",
    "rebuild": "rebuild",
    "verify": "verify",
    "shadow": "shadow",
    "doctor": "doctor",
}


class Parser(argparse.ArgumentParser):
    """Gives every command, nested ones too, `--kafka` and `--redis`, and reports a wrong line as an error to raise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A command may describe these two options in its own words.
        super().__init__(*args, **{"conflict_handler": "resolve", "allow_abbrev": False, **kwargs})
        # SUPPRESS: or the default of a nested parser would overwrite what was given before the command.
        where = self.add_argument_group("where")
        where.add_argument("--kafka", metavar="HOST:PORT", default=argparse.SUPPRESS, help="overrides CLOUTSTREAM_KAFKA")
        where.add_argument("--redis", metavar="URL", default=argparse.SUPPRESS, help="overrides CLOUTSTREAM_REDIS")

    def error(self, message: str) -> NoReturn:
        """Raise what ends the command with exit code 2."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def build_parser(names: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """Return a parser that knows the commands `names`; importing what they need, and no more."""
    parser = Parser(prog="cloutstream", description="Live social influence scores from engagement events in Kafka.")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in dict.fromkeys(COMMANDS[name] for name in names):
        importlib.import_module(f"streams.cli.{module}").register(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments after the program's name; those of the process when left out.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that can't show a character of someone's id must not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except CloutstreamError as e:
        print(f"cloutstream: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough (`cloutstream top | head`); nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # the one boundary: a bug shows its traceback and ends with the code for one
        traceback.print_exc()
        return INTERNAL


def _run(argv: Sequence[str]) -> int:
    # The first word that is a command decides what is imported; an option's value that happens to be one costs an import.
    wanted = [word for word in argv if word in COMMANDS][:1]
    parser = build_parser(wanted or tuple(COMMANDS))
    try:
        args = parser.parse_args(argv)
    except SystemExit as e:  # --help
        return int(e.code or 0)
    if args.version:
        from importlib.metadata import version

        print(version("cloutstream"))
        return 0
    if args.command is None:
        raise UsageError("no command given; see `cloutstream --help`")
    overrides = {name: getattr(args, name) for name in ("kafka", "redis") if name in args}
    module = importlib.import_module(f"streams.cli.{COMMANDS[args.command]}")
    settings = Settings.from_environ(os.environ, **overrides)
    return int(module.run(args, settings))
