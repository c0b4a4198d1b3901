"""What docker-compose.yml and the Dockerfile run, for the tests that check it without Docker."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"


def services() -> dict[str, Any]:
    """Return the services, with their anchors merged."""
    loaded: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE_FILE.read_text()))["services"]
    return loaded


def interpolated(text: str) -> str:
    """Return the file's text as compose reads it where none of the variables is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", lambda found: found[1] or '""', text)


def own_services() -> dict[str, Any]:
    """Return the services that run our image."""
    return {name: service for name, service in services().items() if "build" in service}


def dockerfile_instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) of each line that is one; the file uses no continuation lines."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def own_commands() -> dict[str, list[str]]:
    """Return where -> command line, for every `cloutstream` command in both files."""
    commands = {f"{name} command": service["command"] for name, service in own_services().items()}
    for name, service in own_services().items():
        if "healthcheck" in service:
            kind, *command = service["healthcheck"]["test"]
            assert kind == "CMD", "exec form: there is no shell between"
            commands[f"{name} healthcheck"] = command
    commands["Dockerfile CMD"] = json.loads(dict(dockerfile_instructions())["CMD"])
    return commands
