import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from streams.embedded import EmbeddedBroker
from streams.errors import ConfigurationError, ServiceUnavailable
from streams.kafka import topics
from streams.kafka.clients import admin, consumer, producer
from streams.kafka.topics import TopicSpec, beginning_offsets, check_topics, create_topics, end_offsets, read_topic, topic_specs
from streams.settings import Settings


def produce(settings: Settings, topic: str, records: list[tuple[int, bytes, bytes | None]]) -> None:
    client = producer(settings)
    sent = [client.send(topic, key=key, value=value, partition=partition) for partition, key, value in records]
    client.flush()
    for future in sent:
        future.get(timeout=10)
    client.close()


def create_with_partitions(settings: Settings, topic: str, partitions: int, configs: dict[str, str] | None = None) -> None:
    client = admin(settings)
    wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": configs or {}}
    client.create_topics({topic: wanted}, wait_for_metadata=True)
    client.close()


def alter(settings: Settings, topic: str, configs: dict[str, str]) -> None:
    with contextlib.closing(admin(settings)) as client:
        # "Unknown" to kafka-python is what the embedded broker doesn't tell of before it is set.
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)], raise_on_unknown=False)


def problem(settings: Settings, *, is_expected: bool) -> str:
    """Return what the check says, empty for nothing; a broker learns what was altered a moment later."""
    deadline = time.monotonic() + 8
    while True:
        said = ""
        try:
            check_topics(settings)
        except ConfigurationError as e:
            said = str(e)
        if bool(said) is is_expected or time.monotonic() > deadline:
            return said
        time.sleep(0.1)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    accepted.append(listener.accept()[0])
            except OSError:
                return  # closed: the test is over

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in accepted:
            connection.close()


def test_created_topics_pass_the_check_and_are_not_created_again(settings: Settings) -> None:
    assert [spec.name for spec in topic_specs(settings)] == create_topics(settings)
    check_topics(settings)
    assert create_topics(settings) == []


def test_a_broker_that_learns_of_new_topics_late_is_asked_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    check, asked = topics.check_topics, []

    def late(settings: Settings, specs: list[TopicSpec] | None) -> None:
        asked.append(time.monotonic())
        if len(asked) < 3:
            raise topics.MissingTopics("no topic")
        check(settings, specs)

    monkeypatch.setattr(topics, "check_topics", late)
    assert create_topics(settings)
    assert len(asked) == 3


def test_each_of_several_input_topics_is_created(settings: Settings) -> None:
    tweets, likes = f"{settings.app_id}-tweets", f"{settings.app_id}-likes"
    several = dataclasses.replace(settings, input_topics=f"{tweets},{likes}")
    assert {tweets, likes} < set(create_topics(several))


def test_only_the_missing_topics_are_created(settings: Settings) -> None:
    create_with_partitions(settings, settings.scores_topic, settings.partitions, {"cleanup.policy": "compact"})
    assert settings.scores_topic not in create_topics(settings)
    check_topics(settings)


def test_missing_topics_are_named_with_the_command_that_creates_them(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=f"no topic '{settings.input_topics}'.*`cloutstream topics create`"):
        check_topics(settings)


def test_a_wrong_number_of_partitions_is_named_with_what_was_found_and_expected(settings: Settings) -> None:
    create_with_partitions(settings, settings.input_topics, 3)
    with pytest.raises(ConfigurationError) as caught:
        create_topics(settings)
    assert f"topic '{settings.input_topics}' has 3 partitions, expected 4: set CLOUTSTREAM_PARTITIONS=3" in str(caught.value)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)


def test_changelogs_scores_and_definitions_are_compacted_and_nothing_else_is(settings: Settings) -> None:
    compacted = {spec.name for spec in topic_specs(settings) if spec.is_compacted}
    assert {settings.scores_topic, settings.actors_changelog, settings.entities_changelog, settings.control_topic} == compacted


def test_a_control_topic_of_several_partitions_is_refused(settings: Settings) -> None:
    create_with_partitions(settings, settings.control_topic, 4, {"cleanup.policy": "compact"})
    with pytest.raises(ConfigurationError, match=f"'{settings.control_topic}' has 4 partitions, expected 1"):
        create_topics(settings)


@pytest.mark.parametrize(
    ("topic", "name", "value", "expected"),
    [
        ("input_topics", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("control_topic", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("engagements_topic", "max.message.bytes", "1048588", "8388608 or more"),
        ("dead_letters_topic", "max.message.bytes", "1048588", "2097152 or more"),
        ("input_topics", "cleanup.policy", "compact", "delete"),
        ("entities_changelog", "cleanup.policy", "delete", "compact"),
        ("scores_topic", "cleanup.policy", "compact,delete", "compact"),
    ],
)
def test_a_topic_that_is_set_otherwise_is_named_with_what_was_found_expected_and_sets_it(
    settings: Settings, topic: str, name: str, value: str, expected: str
) -> None:
    create_topics(settings)
    other = getattr(settings, topic)
    alter(settings, other, {name: value})
    said = problem(settings, is_expected=True)
    assert said.startswith(f"topic '{other}' has {name}={value}, expected {expected}: ")
    assert f"--entity-name {other} --add-config {name}={expected.partition(' ')[0]}`" in said
    assert "\n" not in said
    with pytest.raises(ConfigurationError):  # what a worker does at its start
        create_topics(settings)
    alter(settings, other, {name: expected.partition(" ")[0]})
    assert problem(settings, is_expected=False) == ""


def test_more_room_for_records_than_they_need_is_no_fault(settings: Settings) -> None:
    create_topics(settings)
    alter(settings, settings.engagements_topic, {"max.message.bytes": str(64 << 20)})
    assert problem(settings, is_expected=False) == ""


def test_rows_in_the_changelogs_and_changes_in_the_scores_are_safe_from_compaction_for_an_hour(settings: Settings) -> None:
    lags = {spec.name: int(spec.configs.get("min.compaction.lag.ms", 0)) for spec in topic_specs(settings)}
    assert lags[settings.actors_changelog] >= 3_600_000
    assert lags[settings.entities_changelog] >= 3_600_000
    assert lags[settings.scores_topic] >= 3_600_000


@pytest.mark.parametrize(("replication", "expected"), [(1, None), (2, "1"), (3, "2"), (5, "2")])
def test_acknowledged_means_two_replicas_where_one_may_be_away(
    settings: Settings, replication: int, expected: str | None
) -> None:
    specs = topic_specs(dataclasses.replace(settings, replication=replication))
    assert {expected} == {spec.configs.get("min.insync.replicas") for spec in specs}


def test_the_end_is_one_past_the_last_record_also_after_a_batch(settings: Settings) -> None:
    create_topics(settings)
    topic = settings.input_topics
    produce(settings, topic, [(2, b"key", b"value")] * 1000)  # few batches of many records
    assert end_offsets(settings, topic) == {0: 0, 1: 0, 2: 1000, 3: 0}
    assert beginning_offsets(settings, topic) == {0: 0, 1: 0, 2: 0, 3: 0}


def test_reading_yields_every_record_up_to_the_end_in_order(settings: Settings) -> None:
    create_topics(settings)
    topic = settings.input_topics
    produce(settings, topic, [(i % 3, b"%d" % i, b"value %d" % i) for i in range(3000)])
    read = [(r.partition, r.offset, r.key, r.value) for r in read_topic(settings, topic)]
    assert sorted((i % 3, i // 3, b"%d" % i, b"value %d" % i) for i in range(3000)) == sorted(read)
    for partition in range(3):
        offsets = [offset for p, offset, _, _ in read if p == partition]
        assert list(range(1000)) == offsets


def test_reading_keeps_to_the_partitions_and_ends_asked_for(settings: Settings) -> None:
    create_topics(settings)
    topic = settings.input_topics
    produce(settings, topic, [(i % 4, b"key", b"value") for i in range(400)])
    read = [(r.partition, r.offset) for r in read_topic(settings, topic, partitions=[1, 2], ends={1: 7})]
    assert [(1, i) for i in range(7)] + [(2, i) for i in range(100)] == sorted(read)


def test_records_written_while_reading_are_left_for_the_next_reader(settings: Settings) -> None:
    create_topics(settings)
    topic = settings.input_topics
    produce(settings, topic, [(0, b"key", b"before")] * 100)
    reading = read_topic(settings, topic)
    first = next(reading)
    produce(settings, topic, [(0, b"key", b"after")] * 100)
    assert [first.value, *(record.value for record in reading)] == [b"before"] * 100


def test_null_and_empty_values_and_headers_come_back_as_they_are(settings: Settings) -> None:
    create_topics(settings)
    client = producer(settings)
    client.send(settings.input_topics, key=b"k", value=None, partition=0, headers=[("reason", "\N{SNOWMAN}".encode())]).get(
        timeout=10
    )
    client.send(settings.input_topics, key=b"k", value=b"", partition=0).get(timeout=10)
    client.close()
    read = list(read_topic(settings, settings.input_topics, [0]))
    assert [record.value for record in read] == [None, b""]
    assert [("reason", "\N{SNOWMAN}".encode())] == read[0].headers


def test_an_empty_topic_reads_as_nothing(settings: Settings) -> None:
    create_topics(settings)
    assert list(read_topic(settings, settings.input_topics)) == []


def test_asking_for_a_topic_that_is_not_there_does_not_create_it(settings: Settings) -> None:
    for ask in (end_offsets, beginning_offsets, lambda s, t: list(read_topic(s, t))):
        with pytest.raises(ConfigurationError, match="no topic 'nowhere'"):
            ask(settings, "nowhere")
    client = admin(settings)
    assert "nowhere" not in client.list_topics()
    client.close()


@pytest.mark.parametrize("make", [admin, consumer, producer])
def test_no_broker_is_one_clear_line_at_once(make) -> None:  # type: ignore[no-untyped-def]  # any of three factories
    started_s = time.monotonic()
    with pytest.raises(
        ServiceUnavailable, match=r"Kafka at 127\.0\.0\.1:1 can't be reached: .*refused.*CLOUTSTREAM_KAFKA"
    ) as caught:
        make(Settings(kafka="127.0.0.1:1"))
    assert time.monotonic() - started_s < 5
    assert caught.value.exit_code == 69
    assert "\n" not in str(caught.value)


def test_every_server_of_a_list_is_tried(settings: Settings) -> None:
    end = admin(dataclasses.replace(settings, kafka=f"127.0.0.1:1,{settings.kafka}"))
    end.list_topics()
    end.close()


@pytest.mark.parametrize("security", ["plaintext", "ssl"])
def test_a_port_that_says_nothing_is_given_up_within_10_s(silent_server: str, security: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="timed out"):
        admin(Settings(kafka=silent_server, kafka_security=security))
    assert time.monotonic() - started_s < 10


def test_a_broker_that_hangs_meanwhile_is_given_up() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(kafka=broker.address, partitions=2)
        create_topics(settings)
        broker.pause()
        with pytest.raises(ServiceUnavailable):
            check_topics(settings)
        broker.resume()
        check_topics(settings)


def test_sasl_without_a_user_is_refused_before_connecting() -> None:
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_KAFKA_USERNAME is ''"):
        admin(Settings(kafka="127.0.0.1:1", kafka_security="sasl_ssl"))


def test_an_authority_file_that_is_not_there_is_refused_before_connecting() -> None:
    with pytest.raises(ConfigurationError, match=r"CLOUTSTREAM_KAFKA_CA_FILE is '/nowhere\.pem'"):
        admin(Settings(kafka="127.0.0.1:1", kafka_security="ssl", kafka_ca_file="/nowhere.pem"))
