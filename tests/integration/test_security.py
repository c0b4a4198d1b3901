"""TLS and SASL to Kafka, TLS and ACL users to Redis: against servers that insist on them."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
import services
from harness import deployment
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from load import Record, lively_events, send
from processes import ROOT
from services.secure import PASSWORD, USER, SecureKafka, SecureRedis, secure_kafka

from streams.cli import main
from streams.errors import ConfigurationError
from streams.kafka.clients import admin
from streams.kafka.topics import create_topics, read_topic, source_topic_specs
from streams.secret import Secret
from streams.settings import Settings

NEEDS_APACHE = "the embedded broker has neither TLS nor SASL; `make test-kafka` runs this"
NEEDS_REDIS = "the embedded Valkey has no TLS; run: apt-get install redis-server"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker with a listener for each way to talk to it."""
    if not services.is_apache():
        pytest.skip(NEEDS_APACHE)
    with secure_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture
def secure_redis(tmp_path: Path) -> Iterator[SecureRedis]:
    """A Redis that answers over TLS only."""
    if shutil.which("redis-server") is None:
        pytest.skip(NEEDS_REDIS)
    with SecureRedis(tmp_path) as server:
        yield server


def over(settings: Settings, kafka: SecureKafka, security: str, mechanism: str = "SCRAM-SHA-512") -> Settings:
    """Return settings that reach the broker in a given way."""
    return replace(
        settings, kafka=kafka.addresses[security], replication=1, kafka_security=security, kafka_ca_file=kafka.ca_file,
        kafka_sasl_mechanism=mechanism, kafka_username=USER, kafka_password=Secret(PASSWORD),
    )  # fmt: skip


def refused(settings: Settings, command: str = "worker") -> tuple[int, str]:
    """Run a command that must end by itself; return its exit code and what it said."""
    environ = {"PATH": "/usr/bin:/bin", **settings.to_environ()}
    said = subprocess.run(
        [sys.executable, "-m", "streams", command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30
    )
    assert PASSWORD not in said.stdout + said.stderr
    return said.returncode, said.stderr


@pytest.mark.parametrize(
    ("security", "mechanism"),
    [("ssl", "SCRAM-SHA-512"), ("sasl_ssl", "SCRAM-SHA-512"), ("sasl_ssl", "PLAIN"), ("sasl_plaintext", "SCRAM-SHA-512")],
)
def test_a_worker_counts_and_a_command_recounts_over(
    settings: Settings, kafka: SecureKafka, security: str, mechanism: str
) -> None:
    with deployment(over(settings, kafka, security, mechanism), workers=1) as running:
        send(running.settings, lively_events(2_000, 3, time.time() - 3_600))
        running.settle()
        assert running.assert_equal().events == 2_000
        log = running.workers[0].log()
        assert PASSWORD not in log
        assert running.stop(running.workers[0]) == 0


def test_a_certificate_of_an_unknown_authority_is_refused(settings: Settings, kafka: SecureKafka) -> None:
    code, said = refused(replace(over(settings, kafka, "ssl"), kafka_ca_file=""))
    assert code == 69
    assert "certificate verify failed" in said
    assert len(said.splitlines()) == 1


def test_a_certificate_of_another_host_is_refused(settings: Settings, kafka: SecureKafka) -> None:
    other = kafka.addresses["ssl"].replace("127.0.0.1", "127.0.0.2")
    code, said = refused(replace(over(settings, kafka, "ssl"), kafka=other))
    assert code == 69
    assert re.search("certificate is not valid|refused", said)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_is_told_without_it(settings: Settings, kafka: SecureKafka, mechanism: str) -> None:
    wrong = replace(over(settings, kafka, "sasl_ssl", mechanism), kafka_password=Secret("another-secret"))
    code, said = refused(wrong)
    assert code in (69, 78)
    assert "KAFKA_PASSWORD" in said
    assert "another-secret" not in said
    assert len(said.splitlines()) == 1


def test_plaintext_spoken_to_a_port_with_tls_ends_within_seconds(settings: Settings, kafka: SecureKafka) -> None:
    code, said = refused(replace(settings, kafka=kafka.addresses["ssl"]))
    assert code == 69
    assert "KAFKA_SECURITY" in said


def test_a_kafka_user_with_the_rights_that_the_readme_gives_is_enough(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not services.is_apache():
        pytest.skip(NEEDS_APACHE)
    with secure_kafka(tmp_path, asks_for_rights=True) as kafka:
        secured = over(settings, kafka, "sasl_plaintext")
        create_topics(
            replace(settings, kafka=kafka.addresses["plaintext"], replication=1, app_id="others", input_topics="others")
        )
        give_rights(settings, kafka.addresses["plaintext"])
        with deployment(secured, workers=1) as running:
            send(secured, [*lively_events(2_000, 5, time.time() - 3_600), Record(b"a", b"no event")])
            running.settle()
            assert running.assert_equal().events == 2_001
            for name, value in secured.to_environ().items():
                monkeypatch.setenv(name, value)
            hidden, rule, campaign = (
                ["hide", "ann"],
                ["alerts", "add", "jump", "--everybody"],
                ["campaign", "add", "x", "--tag", "x"],
            )
            retried = ["dead-letters", "retry", "--all"]
            for command in (["topics", "check"], ["doctor"], ["rebuild"], ["verify"], hidden, rule, campaign, retried):
                assert main(command) == 0, (command, capsys.readouterr().err)
            create_topics(secured, source_topic_specs(secured))
            with pytest.raises(ConfigurationError, match="no topic 'others'"):  # it isn't even told that there is one
                list(read_topic(secured, "others"))
            assert running.stop(running.workers[0]) == 0


def give_rights(settings: Settings, owner: str) -> None:
    """Give a user the rights of the README."""
    lines = re.findall(
        r"^--(topic|group) (\S+) (--resource-pattern-type prefixed )?(.*)$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 3
    ours = {"cloutstream-": f"{settings.app_id}-", "events": settings.input_topics, "cloutstream": settings.app_id}
    acls = [
        ACL(
            f"User:{USER}", "*", ACLOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()], ACLPermissionType.ALLOW,
            ResourcePattern(
                ResourceType[kind.upper()], ours[name],
                ACLResourcePatternType.PREFIXED if is_prefixed else ACLResourcePatternType.LITERAL,
            ),
        )
        for kind, name, is_prefixed, operations in lines
        for operation in re.findall(r"--operation (\w+)", operations)
    ]  # fmt: skip
    with contextlib.closing(admin(replace(settings, kafka=owner))) as client:
        client.create_acls(acls)
    time.sleep(1)  # a broker goes by them a moment later


def test_a_redis_user_with_the_rights_that_the_readme_gives_is_enough(settings: Settings, secure_redis: SecureRedis) -> None:
    (command,) = re.findall(r"^ACL SETUSER cloutstream .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    command = command.replace("cs:", settings.redis_prefix).replace("change-me", PASSWORD)
    with redis.Redis.from_url(secure_redis.url_for("default", "")) as owner:
        assert owner.execute_command(*command.split())
        owner.set("somebody else's", "kept")
    secured = replace(settings, redis=secure_redis.url_for("cloutstream", PASSWORD))
    with deployment(secured, workers=1) as running:
        events = lively_events(2_000, 4, time.time() - 3_600)
        send(secured, events[:1_000])
        running.settle()
        with redis.Redis.from_url(secure_redis.url_for("default", "")) as owner:
            owner.delete(f"{settings.redis_prefix}epoch")  # has it filled anew
        send(secured, events[1_000:])
        running.settle()
        assert running.assert_equal().events == 2_000
        with pytest.raises(redis.exceptions.NoPermissionError):
            running.client.get("somebody else's")
        assert PASSWORD not in running.workers[0].log()


def test_redis_over_tls_is_refused_without_its_authority_and_without_its_password(
    settings: Settings, secure_redis: SecureRedis
) -> None:
    code, said = refused(replace(settings, redis=f"rediss://{secure_redis.address}/0"), "top")
    assert code == 69
    assert "certificate verify failed" in said
    with redis.Redis.from_url(secure_redis.url_for("default", "")) as owner:
        owner.acl_setuser("default", enabled=True, passwords=[f"+{PASSWORD}"], reset_passwords=True, nopass=False)
    code, said = refused(replace(settings, redis=secure_redis.url_for("default", "wrong")), "top")
    assert code == 78
    assert "refused the user or password" in said
