import dataclasses

import pytest

from streams.errors import ConfigurationError
from streams.secret import Secret
from streams.settings import PREFIX, Settings

PASSWORD = "hunter2-hunter2"


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environ({}) == Settings()


def test_variables_of_other_programs_are_ignored() -> None:
    assert Settings.from_environ({"PATH": "/bin", "KAFKA": "elsewhere:9092"}) == Settings()


def test_each_type_is_read_from_its_text() -> None:
    settings = Settings.from_environ(
        {
            "CLOUTSTREAM_KAFKA": "a:9092,b:9093",
            "CLOUTSTREAM_PARTITIONS": "12",
            "CLOUTSTREAM_TICK_MS": "25",
            "CLOUTSTREAM_TOPICS_ENABLED": "False",
            "CLOUTSTREAM_CLOCK": "event",
        }
    )
    read = (settings.kafka, settings.partitions, settings.tick_ms, settings.topics_enabled, settings.clock)
    assert read == ("a:9092,b:9093", 12, 25.0, False, "event")


def test_overrides_win_over_the_environment() -> None:
    assert Settings.from_environ({"CLOUTSTREAM_PARTITIONS": "12"}, partitions=3).partitions == 3


def test_an_unknown_variable_is_refused_by_name() -> None:
    # Whoever follows the advice without unsetting it first gets the same error.
    with pytest.raises(ConfigurationError, match=r"CLOUTSTREAM_PARTITION is not a setting; unset it, then .*doctor --settings"):
        Settings.from_environ({"CLOUTSTREAM_PARTITION": "4"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KAFKA", "localhost"),
        ("KAFKA", "localhost:"),
        ("KAFKA", "a:9092,"),
        ("KAFKA", ""),
        ("REDIS", "127.0.0.1:6379"),
        ("REDIS", "http://127.0.0.1"),
        ("REDIS_PREFIX", ""),
        ("KAFKA_SECURITY", "tls"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "4.5"),
        ("PARTITIONS", "four"),
        ("REPLICATION", "-1"),
        ("HALF_LIFE_SLOW_S", "0"),
        ("HALF_LIFE_SLOW_S", "-1"),
        ("HALF_LIFE_SLOW_S", "nan"),
        ("HALF_LIFE_SLOW_S", "inf"),
        ("HALF_LIFE_SLOW_S", "-Infinity"),
        ("HALF_LIFE_SLOW_S", "30d"),
        ("WEIGHT_LIKE", "1.01"),
        ("TOPICS_ENABLED", "yes"),
        ("CLOCK", "utc"),
        ("TICK_MS", ""),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_valid(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({PREFIX + name: text})
    message = str(caught.value)
    assert message.startswith(f"{PREFIX}{name} is ")
    assert text in message
    assert "expected " in message
    assert "\n" not in message
    assert caught.value.exit_code == 78


def test_settings_made_in_code_are_checked_alike() -> None:
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_PARTITIONS is 0; expected a whole number from 1 to 1024"):
        Settings(partitions=0)


def test_an_account_may_not_leave_a_board_before_it_has_come() -> None:
    with pytest.raises(ConfigurationError, match=r"TOPIC_LEAVE_REACH is 4; expected at most CLOUTSTREAM_TOPIC_ENTER_REACH \(3\)"):
        Settings(topic_leave_reach=4.0)
    assert Settings(topic_enter_reach=2.0).topic_leave_reach == 2.0


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().partitions = 5  # type: ignore[misc]  # what is tested


def test_a_child_process_sees_the_same_settings() -> None:
    settings = Settings(
        kafka="a:9092,b:9093",
        kafka_password=Secret(PASSWORD),
        topics_enabled=False,
        weight_like=1e-7,
        network_weight=0.1 + 0.2,
        redis_prefix="ünïcode {}:",
    )
    environ = settings.to_environ()
    assert set(environ) == {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    assert Settings.from_environ(environ) == settings


def test_a_password_is_not_in_what_settings_show() -> None:
    settings = Settings.from_environ({"CLOUTSTREAM_KAFKA_PASSWORD": PASSWORD})
    assert settings.kafka_password == PASSWORD
    for shown in (
        repr(settings),
        str(settings),
        f"{settings}",
        repr([settings.kafka_password]),
        repr(dataclasses.asdict(settings)),
    ):
        assert PASSWORD not in shown


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, "{!r:>30}".format])
def test_a_secret_is_not_shown_by_formatting_it(show) -> None:  # type: ignore[no-untyped-def]  # any way to text
    assert PASSWORD not in show(Secret(PASSWORD))


def test_a_password_is_not_in_an_error() -> None:
    environ = {"CLOUTSTREAM_KAFKA_PASSWORD": PASSWORD, "CLOUTSTREAM_KAFKA": "far.example:9092"}
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({**environ, "CLOUTSTREAM_KAFKA_SECURITY": "sasl_plaintext"})
    assert "far.example" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_redis_password_is_not_in_what_settings_show() -> None:
    settings = Settings(redis=f"rediss://user:{PASSWORD}@redis.example:6380/0")
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize("kafka", ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "127.0.0.1:9092,localhost:9093"])
def test_a_password_may_go_in_the_clear_to_this_machine(kafka: str) -> None:
    assert Settings(kafka=kafka, kafka_security="sasl_plaintext", kafka_password=Secret(PASSWORD)).kafka == kafka
    redis = f"redis://:{PASSWORD}@{kafka.split(',')[0]}/0"
    assert Settings(redis=redis).redis == redis


@pytest.mark.parametrize("kafka", ["far.example:9092,127.0.0.1:9092", "127.0.0.1:9092,far.example:9092", "127.0.0.1.example:1"])
def test_a_password_in_the_clear_is_refused_when_any_server_is_another_machine(kafka: str) -> None:
    with pytest.raises(ConfigurationError, match=r"in the clear; expected sasl_ssl, or '.*\.example' among") as caught:
        Settings(kafka=kafka, kafka_security="sasl_plaintext", kafka_password=Secret(PASSWORD))
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("redis", [f"redis://:{PASSWORD}@far.example:6379", f"redis://far.example?password={PASSWORD}"])
def test_a_redis_password_in_the_clear_is_refused_for_another_machine(redis: str) -> None:
    with pytest.raises(ConfigurationError, match=r"in the clear; expected rediss://, or 'far\.example' among") as caught:
        Settings(redis=redis)
    assert PASSWORD not in str(caught.value)
    assert Settings(redis=redis.replace("redis:", "rediss:")).plaintext_passwords_to == ""
    assert Settings(redis="redis://far.example:6379").plaintext_passwords_to == ""  # no password, nothing to protect


def test_a_password_may_go_in_the_clear_to_hosts_that_are_named_for_it() -> None:
    named = Settings(
        kafka="near.example:9092", kafka_security="sasl_plaintext", kafka_password=Secret(PASSWORD),
        redis=f"redis://:{PASSWORD}@cache.example:6379", plaintext_passwords_to="near.example, cache.example",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"far\.example"):
        dataclasses.replace(named, kafka="near.example:9092,far.example:9092")


def test_topics_are_named_after_the_app_and_inputs_are_in_order() -> None:
    settings = Settings(app_id="app", input_topics="tweets, likes,shares")
    assert settings.topic_names == ["tweets", "likes", "shares"]
    assert settings.engagements_topic == "app-engagements"
    assert settings.scores_topic == "app-scores"
    assert settings.dead_letters_topic == "app-dead-letters"
    assert settings.actors_changelog == "app-actors-changelog"
    assert settings.entities_changelog == "app-entities-changelog"


@pytest.mark.parametrize("inputs", ["tweets,", ",", "tweets,tweets", "a b", " "])
def test_input_topics_that_can_not_be_topics_are_refused(inputs: str) -> None:
    with pytest.raises(ConfigurationError, match="CLOUTSTREAM_INPUT_TOPICS"):
        Settings(input_topics=inputs)


def test_every_setting_says_what_it_does_and_what_is_valid() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"], field.name
        assert field.metadata["valid"], field.name
