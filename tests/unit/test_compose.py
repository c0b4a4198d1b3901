import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from agents.watchdog import STOP_WITHIN_S
from streams.settings import PREFIX, Settings
from tests.deployment import COMPOSE_FILE, ROOT, dockerfile_instructions, own_commands, own_services, services


def faults_by_the_specification(compose: Any) -> list[str]:
    """What the Compose specification's JSON schema refuses; check-jsonschema carries it, so that nothing is downloaded."""
    found = importlib.util.find_spec("check_jsonschema")  # not imported: that is a command line with needs of its own
    assert found is not None
    assert found.origin is not None
    schema = json.loads((Path(found.origin).parent / "builtin_schemas/vendor/compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return [f"{fault.json_path}: {fault.message}" for fault in validator(schema).iter_errors(compose)]


def test_the_file_is_valid_by_the_compose_specification() -> None:
    assert faults_by_the_specification(yaml.safe_load(COMPOSE_FILE.read_text())) == []


def test_the_check_against_the_specification_can_fail() -> None:
    misspelt = yaml.safe_load(COMPOSE_FILE.read_text().replace("depends_on:", "depend_on:"))
    faults = faults_by_the_specification(misspelt)
    assert any("services.worker" in fault and "depend_on" in fault for fault in faults), faults


def test_every_port_is_bound_to_loopback() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_workers_can_be_scaled() -> None:
    worker = services()["worker"]
    assert {"container_name", "ports", "hostname"} & set(worker) == set()


def test_every_service_that_stays_has_a_health_check_and_comes_back() -> None:
    staying = {name: service for name, service in services().items() if name != "topics"}
    assert all("healthcheck" in service and service["restart"] == "unless-stopped" for service in staying.values())
    assert "restart" not in services()["topics"]


def test_workers_wait_for_the_servers_and_the_topics() -> None:
    waits_for = {name: condition["condition"] for name, condition in services()["worker"]["depends_on"].items()}
    expected = {"kafka": "service_healthy", "redis": "service_healthy", "topics": "service_completed_successfully"}
    assert waits_for == expected


@pytest.mark.parametrize("name", sorted(own_services()))
def test_variables_of_our_services_are_valid_settings_for_the_servers_beside_them(name: str) -> None:
    settings = Settings.from_environ(own_services()[name]["environment"])
    advertised = services()["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"://{settings.kafka}," in advertised
    assert settings.redis == "redis://redis:6379/0"


def test_a_command_on_the_host_finds_the_servers_at_its_defaults() -> None:
    assert f"HOST://{Settings().kafka}" in services()["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert Settings().redis == f"redis://{services()['redis']['ports'][0].rpartition(':')[0]}/0"


def test_every_variable_of_ours_is_quoted_text() -> None:
    # YAML reads a bare 8 as a number and `no` as false; both reach the process as other text on some versions.
    for service in services().values():
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())


def test_every_command_of_ours_is_in_exec_form_and_the_script_except_for_the_health_check() -> None:
    assert set(own_commands()) == {"topics command", "worker command", "worker healthcheck", "Dockerfile CMD"}
    for where, command in own_commands().items():
        assert isinstance(command, list), where
        assert command[0] == ("python" if where == "worker healthcheck" else "cloutstream"), where


def test_the_health_check_asks_where_the_worker_answers() -> None:
    address = services()["worker"]["environment"][f"{PREFIX}OPERATIONS"]
    assert f"'http://{address}/readyz'" in own_commands()["worker healthcheck"][2]


def test_a_worker_gets_the_secrets_of_whoever_runs_compose_and_none_by_default() -> None:
    given = yaml.safe_load(COMPOSE_FILE.read_text())["services"]["worker"]["environment"]
    for name in ("OPERATIONS_TOKEN", "WEBHOOK_SECRET"):
        assert given[PREFIX + name] == f"${{{PREFIX}{name}:-}}"
        assert services()["worker"]["environment"][PREFIX + name] == ""


def test_a_worker_gets_the_time_it_takes_to_stop() -> None:
    assert int(services()["worker"]["stop_grace_period"].removesuffix("s")) > STOP_WITHIN_S


def test_redis_keeps_nothing_on_disk_and_evicts_nothing() -> None:
    command = services()["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {"--save": "", "--appendonly": "no", "--maxmemory-policy": "noeviction"}


def test_the_image_does_not_run_as_root() -> None:
    instructions = dockerfile_instructions()
    assert dict(instructions)["USER"] not in ("0", "root")
    assert [name for name, _ in instructions].index("USER") > max(i for i, (name, _) in enumerate(instructions) if name == "RUN")


def test_everything_the_image_copies_exists_and_reaches_the_builder() -> None:
    copied = [name for instruction, rest in dockerfile_instructions() if instruction == "COPY" for name in rest.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_image_has_the_python_that_the_project_asks_for() -> None:
    assert (
        f'requires-python = ">={dict(dockerfile_instructions())["FROM"].removeprefix("python:").removesuffix("-slim")}"'
        in (ROOT / "pyproject.toml").read_text()
    )


def test_no_setting_is_spelt_wrong_anywhere_in_the_file() -> None:
    known = set(Settings().to_environ())
    named = set(re.findall(rf"{PREFIX}\w+", COMPOSE_FILE.read_text()))
    assert f"{PREFIX}WEBHOOK_SECRET" in named
    assert named <= known
