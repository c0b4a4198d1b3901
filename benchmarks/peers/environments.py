"""What each program runs in: a virtual environment or a folder of jars of its own, made once and kept in `.peers`.

What is wanted is a file in the repository; what was made carries a copy of it, and is made anew when they differ.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.services import java
from benchmarks.run import say
from streams.errors import ConfigurationError

HERE = Path(__file__).parent
FOLDER = HERE.parent.parent / ".peers"
KAFKA_STREAMS = "kafka-streams"
_JAVA_PROJECT = HERE / "kafka_streams"
_LIMIT_S = 1800.0  # Pathway brings a hundred packages


def wanted(name: str) -> str:
    """Return what an environment is made from, as text: a locked requirements file, or a Maven project."""
    if name == KAFKA_STREAMS:
        return "".join(path.read_text() for path in [_JAVA_PROJECT / "pom.xml", *sorted(_JAVA_PROJECT.rglob("*.java"))])
    return (HERE / "requirements" / f"{name}.txt").read_text()


def is_made(name: str) -> bool:
    """Return whether an environment stands, and is made from what is wanted now."""
    stamp = FOLDER / name / "made-from"
    return stamp.exists() and stamp.read_text() == wanted(name)


def version(name: str, package: str) -> str:
    """Return the version of a package that an environment has."""
    text = wanted(name)
    if name == KAFKA_STREAMS:
        return text.split(f"<artifactId>{package}</artifactId>")[1].split("<version>")[1].split("</version>")[0]
    return next(line for line in text.splitlines() if line.startswith(f"{package}==")).partition("==")[2]


def python(name: str) -> str:
    """Return the Python of an environment; makes it where it isn't yet.

    Raises:
        ConfigurationError: a package can't be had.
    """
    return str(_made(name, _make_venv) / "bin" / "python")


def kafka_streams() -> list[str]:
    """Return the command that runs Java with the job's classes; builds it where that isn't done yet.

    Raises:
        ConfigurationError: Java or Maven is missing, or Maven couldn't build it.
    """
    folder = _made(KAFKA_STREAMS, _build_jars)
    # What Kafka's own start script gives its programs, with more heap.
    options = ["-server", "-Xms512m", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExplicitGCInvokesConcurrent"]
    logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [java(), *options, logging, "-cp", f"{folder}/job.jar:{folder}/jars/*", "peers.Job"]


def _made(name: str, make: Callable[[str, Path], None]) -> Path:
    folder = FOLDER / name
    if not is_made(name):
        say(f"making the environment {name}")
        shutil.rmtree(folder, ignore_errors=True)
        make(name, folder)
        (folder / "made-from").write_text(wanted(name))
    return folder


def _make_venv(name: str, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], name)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--requirement", str(HERE / "requirements" / f"{name}.txt")], name)


def _build_jars(name: str, folder: Path) -> None:
    java()
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError("Maven is not installed, which builds the job in Kafka Streams; run: apt-get install maven")
    _run([maven, "-q", "-B", "-f", str(_JAVA_PROJECT / "pom.xml"), "package", f"-Dpeer.directory={folder}"], name)


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S)
    if done.returncode:
        said = (done.stdout + done.stderr)[-800:].strip()
        raise ConfigurationError(f"the environment {name} can't be made; {Path(command[0]).name} said: {said}")
