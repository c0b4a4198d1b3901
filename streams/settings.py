"""All settings, read once from `CLOUTSTREAM_*` into one frozen object and checked before anything connects.

The environment is a parameter, so a test passes a dict. Each field's comment says what turning it does. The variable of
a field is its name in capitals with the prefix, e.g. `half_life_slow_s` is `CLOUTSTREAM_HALF_LIFE_SLOW_S`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from streams.errors import ConfigurationError
from streams.plaintext import check_kafka, check_redis, hosts_of, is_loopback
from streams.secret import Secret
from streams.setting_kinds import (
    any_text,
    are_hosts,
    are_topics,
    count,
    half_life,
    is_listening,
    one_of,
    positive,
    ratio,
    setting,
    some_text,
    split_names,
)

PREFIX = "CLOUTSTREAM_"
_NO_SECRET = Secret("")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a deployment can choose. All times in seconds unless the name says `_ms`."""

    # Where
    kafka: str = setting("127.0.0.1:9092", "Kafka bootstrap servers", "host:port[,host:port...]", are_hosts)
    redis: str = setting(
        "redis://127.0.0.1:6379/0",
        "Redis or Valkey URL (rediss:// for TLS)",
        "redis://, rediss:// or unix:// URL",
        lambda v: urlsplit(v).scheme in ("redis", "rediss", "unix"),
        show=False,  # it may hold a password
    )
    redis_prefix: str = some_text("cs:", "prefix of every Redis key")
    app_id: str = some_text("cloutstream", "consumer group, and prefix of the internal topics")
    input_topics: str = setting(
        "events",
        "topics events are read from, comma-separated, all with `partitions` partitions",
        "topic names (letters, digits, `.`, `_`, `-`), comma-separated, each once",
        are_topics,
    )
    # Kafka security
    kafka_security: str = one_of("plaintext", "how to talk to Kafka", "plaintext", "ssl", "sasl_ssl", "sasl_plaintext")
    kafka_ca_file: str = any_text("", "PEM file with the authority that signed the broker's certificate; empty: the system's")
    kafka_sasl_mechanism: str = one_of("SCRAM-SHA-512", "SASL mechanism", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    kafka_username: str = any_text("", "SASL user")
    kafka_password: Secret = any_text(_NO_SECRET, "SASL password")  # noqa: RUF009  # it returns a dataclasses.field
    plaintext_passwords_to: str = any_text("", "hosts passwords may go to without TLS, comma-separated; this machine always may")
    # Operations
    operations: str = setting(
        "127.0.0.1:0",
        "where a worker answers on its health and metrics; port 0: a free one, which it logs; empty: nowhere",
        "host:port, or nothing",
        is_listening,
    )
    operations_token: Secret = setting(  # noqa: RUF009  # it returns a dataclasses.field
        _NO_SECRET,
        "what readiness and metrics ask for as `Authorization: Bearer TOKEN`; needed beyond loopback",
        "printable ASCII without spaces",
        lambda v: re.fullmatch(r"[!-~]*", v) is not None,
    )
    stall_timeout_s: float = positive(60.0, "a worker that stands still for this long ends itself")
    # The dashboard
    dashboard: str = setting(
        "127.0.0.1:8420",
        "where the dashboard answers; port 0: a free one",
        "host:port",
        lambda v: bool(v) and is_listening(v),
    )
    dashboard_token: Secret = setting(  # noqa: RUF009  # it returns a dataclasses.field
        _NO_SECRET,
        "what the dashboard asks for: a password on its page, `Authorization: Bearer TOKEN` of programs; needed beyond loopback",
        "at least 16 characters, printable ASCII without spaces",  # as many can't be guessed over HTTP
        lambda v: re.fullmatch(r"([!-~]{16,})?", v) is not None,
    )
    dashboard_hosts: str = setting(
        "",
        "host names it is served under beside localhost and addresses, comma-separated; needed behind a proxy",
        "host names without ports, comma-separated",
        lambda v: not v or all(re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?", name) for name in split_names(v)),
    )
    # Topics
    partitions: int = count(8, "partitions of every topic; also the most workers that can share the load; never changes", 1, 1024)
    replication: int = count(1, "replicas of every topic created; 3 in production", 1, 9)
    # The score (model.md)
    half_life_slow_s: float = half_life(
        30 * 86400.0, "half-life of reach, network and amplification: longer remembers longer; fixed once there are events"
    )
    half_life_day_s: float = half_life(
        86400.0, "half-life of the day counter, the base of daily rhythm; fixed once there are events"
    )
    half_life_fast_s: float = half_life(
        7200.0, "half-life of the trending board: shorter reacts faster, forgets faster; fixed once there are events"
    )
    weight_like: float = ratio(0.26, "what a like counts of a person")
    weight_reply: float = ratio(0.63, "what a reply counts of a person")
    weight_share: float = ratio(0.63, "what a share counts of a person")
    network_weight: float = setting(
        1.0, "b: how much the standing of engaged people adds", "a number from 0 up", lambda v: v >= 0
    )
    amplification_k: float = positive(10.0, "k: posts before amplification counts half")
    usual_engagement_per_post: float = positive(5.0, "m: weighted engagements per post that are neither good nor bad")
    rescore: str = one_of(
        "refuse",
        "what a worker does whose formula would move a twentieth of the scores by more than 10 points",
        "refuse",
        "accept",
    )
    overdispersion: float = positive(1.0, "f: widens plus_minus where engagements come in bunches")
    trust_floor: float = ratio(0.1, "what an engagement of a fresh account is worth")
    trust_age_s: float = positive(15 * 86400.0, "age scale of trust")
    budget_per_day: float = positive(30.0, "engagements a day that count in full")
    # Fan-out
    topics_enabled: bool = setting(True, "keep scores of topics and of accounts inside topics", "true or false", lambda _: True)
    topic_enter_reach: float = setting(
        3.0, "reach inside a topic that brings an account onto its board", "a number from 0 up", lambda v: v >= 0
    )
    topic_leave_reach: float = setting(
        2.0, "reach inside a topic below which an account leaves its board", "a number from 0 up", lambda v: v >= 0
    )
    max_tags: int = count(5, "tags of one event that are scored; more are ignored", 0, 64)
    # Pace
    tick_ms: float = positive(40.0, "flush interval: shorter is fresher, longer costs less per event")
    backlog_tick_ms: float = positive(1000.0, "flush interval while draining a backlog")
    fetch_wait_ms: int = count(20, "longest wait of a fetch, twice that under load", 1, 5000)
    max_poll_records: int = count(20000, "most records in one fetched batch", 1, 1_000_000)
    session_timeout_s: float = positive(20.0, "a worker silent for this long loses its partitions")
    # State
    expire_after_s: float = positive(400 * 86400.0, "rows idle for this long are dropped with a tombstone")
    change_threshold: float = positive(0.5, "points a score must move before a change event is sent")
    history_points: int = count(200, "points kept for an entity's chart", 0, 100_000)
    why_statements: int = count(10, "statements kept of why an entity's score moved", 0, 1000)
    forget_gone: bool = setting(
        True, "whether `ingest` forgets accounts that their network deleted or took down", "true or false", lambda _: True
    )
    changes_maxlen: int = count(100_000, "change events kept per partition in Redis", 1)
    # Alerts
    alerts_maxlen: int = count(10_000, "alerts kept in Redis, about; older ones are no longer delivered", 1)
    webhook_secret: Secret = any_text(  # noqa: RUF009  # as above
        _NO_SECRET, "key that webhook calls are signed with, 16 bytes at least; empty: none is called"
    )
    webhook_secrets_dir: str = any_text("", "folder of files with keys, for rules that name one")
    webhook_private_hosts: str = any_text(
        "", "hosts webhooks may call at private addresses and without TLS, comma-separated; others only by https at public ones"
    )
    clock: str = one_of("wall", "what readers take as now: `event` for recorded data", "wall", "event")

    @property
    def topic_names(self) -> list[str]:
        """Input topics, in order."""
        return [t.strip() for t in self.input_topics.split(",")]

    @property
    def dashboard_names(self) -> list[str]:
        """Host names that the dashboard is served under, beside localhost and addresses."""
        return split_names(self.dashboard_hosts) if self.dashboard_hosts else []

    @property
    def engagements_topic(self) -> str:
        """Internal: packed columns, one record per intake batch and target partition."""
        return f"{self.app_id}-engagements"

    @property
    def scores_topic(self) -> str:
        """Public, compacted: the current score of every entity."""
        return f"{self.app_id}-scores"

    @property
    def dead_letters_topic(self) -> str:
        """Refused records, with reason and coordinates in headers."""
        return f"{self.app_id}-dead-letters"

    @property
    def control_topic(self) -> str:
        """What is defined while workers run: campaigns, alert rules; one partition, compacted."""
        return f"{self.app_id}-control"

    @property
    def cursors_topic(self) -> str:
        """Compacted: where each source goes on."""
        return f"{self.app_id}-cursors"

    @property
    def kept_topic(self) -> str:
        """Messages of sources that aren't known, or ask to forget an account."""
        return f"{self.app_id}-kept"

    @property
    def actors_changelog(self) -> str:
        """Changelog of the actors table (its name is Faust's rule)."""
        return f"{self.app_id}-actors-changelog"

    @property
    def entities_changelog(self) -> str:
        """Changelog of the entities table (its name is Faust's rule)."""
        return f"{self.app_id}-entities-changelog"

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if not f.metadata["check"](value):
                raise ConfigurationError(f"{PREFIX}{f.name.upper()} is {value!r}; expected {f.metadata['valid']}")
        check_kafka(self.kafka, self.kafka_security, self.kafka_password, self.plaintext_passwords_to)
        check_redis(self.redis, self.plaintext_passwords_to)
        if self.operations and not is_loopback(hosts_of(self.operations)[0]) and not self.operations_token:
            raise ConfigurationError(
                f"{PREFIX}OPERATIONS is {self.operations!r} without a token: other machines could read it; expected a loopback "
                f"address such as 127.0.0.1:9464, or {PREFIX}OPERATIONS_TOKEN"
            )
        if not self.dashboard_token:
            self._check_dashboard_is_of_this_machine()
        if self.topic_leave_reach > self.topic_enter_reach:
            raise ConfigurationError(
                f"{PREFIX}TOPIC_LEAVE_REACH is {self.topic_leave_reach:g}; expected at most {PREFIX}TOPIC_ENTER_REACH "
                f"({self.topic_enter_reach:g}): or accounts would come and go"
            )
        if self.stall_timeout_s <= self.session_timeout_s:
            raise ConfigurationError(
                f"{PREFIX}STALL_TIMEOUT_S is {self.stall_timeout_s:g}; expected more than {PREFIX}SESSION_TIMEOUT_S "
                f"({self.session_timeout_s:g}): a rebalance may take that long"
            )

    def _check_dashboard_is_of_this_machine(self) -> None:
        host = hosts_of(self.dashboard)[0]
        served = [
            ("DASHBOARD", self.dashboard, host),
            *(("DASHBOARD_HOSTS", self.dashboard_hosts, n) for n in self.dashboard_names),
        ]
        for name, value, reached_at in served:
            if not is_loopback(reached_at):
                raise ConfigurationError(
                    f"{PREFIX}{name} is {value!r} without a token: other machines could read it; expected "
                    f"{PREFIX}DASHBOARD_TOKEN, or nothing beyond loopback such as 127.0.0.1:8420"
                )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], **overrides: Any) -> Settings:
        """Read settings from `environ`; `overrides` win.

        Raises:
            ConfigurationError: a value is not valid, or a `CLOUTSTREAM_` variable is not a setting.
        """
        hints = get_type_hints(cls)
        known = {f.name: f for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for variable, text in environ.items():
            if not variable.startswith(PREFIX):
                continue
            name = variable[len(PREFIX) :].lower()
            if name not in known:
                raise ConfigurationError(
                    f"{variable} is not a setting; unset it, then `cloutstream doctor --settings` lists those there are"
                )
            try:
                values[name] = _parse(text, hints[name])
            except ValueError:
                shown = "***" if hints[name] is Secret else repr(text)
                raise ConfigurationError(f"{variable} is {shown}; expected {known[name].metadata['valid']}") from None
        return cls(**{**values, **overrides})

    def to_environ(self) -> dict[str, str]:
        """Return the variables that make a child process see these settings."""
        return {PREFIX + f.name.upper(): _render(getattr(self, f.name)) for f in dataclasses.fields(self)}


def _parse(text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if kind is float and (text.lower().lstrip("+-") in ("nan", "inf", "infinity")):
        raise ValueError(text)
    return kind(text)


def _render(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return str(value).lower() if isinstance(value, bool) else str(value)
