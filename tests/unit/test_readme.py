"""The README says what the code says: settings, commands, topics, event fields, exit codes, files."""

from __future__ import annotations

import dataclasses
import re
import shlex

import msgspec
import pytest

from benchmarks.attack_acts import ATTACKS
from streams import errors
from streams.cli import COMMANDS, INTERRUPTED, build_parser, main
from streams.cli.sources import SOURCES, custom
from streams.events.decode import Event
from streams.kafka.topics import source_topic_specs, topic_specs
from streams.redis.published import HASH_FIELDS
from streams.settings import PREFIX, Settings
from streams.sources.activitystreams.inbox import Inbox
from streams.sources.bluesky.jetstream import Jetstream, Options
from streams.sources.cloudevents.source import CloudEvents
from streams.sources.counts import Counts
from streams.sources.file.mapping import FieldMap
from streams.sources.operations import source_metrics
from tests import readme


def test_it_has_every_setting_with_its_default() -> None:
    shown = {readme.code(row[0]): readme.code(row[1]) for row in readme.table("Variable")}
    fields = dataclasses.fields(Settings)
    assert list(shown) == [PREFIX + f.name.upper() for f in fields]
    # Written as it would be given: whoever copies a default gets the default.
    assert Settings.from_environ(shown) == Settings()


def test_it_has_every_command_with_all_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [readme.code(row[0]) for row in readme.table("Command")]
    assert [row.split()[0] for row in rows] == list(COMMANDS)
    for row in rows:
        name, actions = row.split()[0], row.split()[1].split("|")
        nested = [[name, action] for action in actions if not action.startswith(("-", "["))]
        helped = ""
        for words in [[name], *nested] if name in ("topics", "dead-letters", "alerts", "campaign") else [[name]]:
            assert main([*words, "--help"]) == 0
            helped += capsys.readouterr().out
        # An option of a help text begins its line; elsewhere in the text it may be another command's.
        options = set(re.findall(r"^  (?:-\w, )?(--?[a-z][a-z-]*)", helped, flags=re.MULTILINE)) - {
            "-h",
            "--help",
            "--kafka",
            "--redis",
        }
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row.removeprefix(name))) == options, name


def test_the_commands_in_its_blocks_can_be_parsed() -> None:
    parser = build_parser()
    lines = [line for block in readme.blocks("sh") for line in block.splitlines() if line.startswith("cloutstream ")]
    assert len(lines) > 10
    for line in lines:
        parser.parse_args([word.strip("'") for word in line.split()[1:]])


def test_its_networks_are_the_sources_and_their_commands_can_be_parsed() -> None:
    parser, found = build_parser(), []
    for _, command, *_ in readme.table("Network"):
        found.append(parser.parse_args(["ingest", *shlex.split(readme.code(command))]).source)
    assert list(dict.fromkeys(found)) == [source.__name__.rpartition(".")[2] for source in SOURCES if source is not custom]


def test_it_has_every_metric_of_ingest() -> None:
    made = [Jetstream(Options()), Inbox("127.0.0.1:0"), CloudEvents(Settings(), "shop", FieldMap())]
    counts = Counts()
    counts.newest_s = 1.0
    names = {f.name + "_total" * (f.type == "counter") for source in made for f in source_metrics(source, counts, 2.0)}
    assert {readme.code(row[0]) for row in readme.table("Metric of `ingest`")} == names


def test_every_make_target_it_names_exists() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (readme.ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z]+)", readme.text(), flags=re.MULTILINE)
    assert {"demo", "setup", "test", "check", "bench"} <= set(named)
    assert set(named) <= set(targets)


def test_it_has_every_topic_and_how_long_it_is_kept() -> None:
    expected = [(spec.name, spec.configs) for spec in (*topic_specs(Settings()), *source_topic_specs(Settings()))]
    rows = readme.table("Topic")
    assert [readme.code(row[0]) for row in rows] == [name for name, _ in expected]
    for (name, configs), row in zip(expected, rows, strict=True):
        kept = f"{int(configs['retention.ms']) // 86_400_000} days" if "retention.ms" in configs else "compacted"
        assert row[1] == kept, name


def test_it_says_what_must_be_set_on_topics() -> None:
    checked = [(spec.name, name, value) for spec in topic_specs(Settings()) for name, value in spec.configs.items()]
    (said,) = re.findall(r"^Where you make the topics yourself.*?(?=^### )", readme.text(), flags=re.MULTILINE | re.DOTALL)
    words = set(re.findall(r"[\w.-]+", said))
    for topic, name, value in checked:
        if name in ("message.timestamp.type", "max.message.bytes", "min.compaction.lag.ms", "segment.ms"):
            assert {name, value} <= words, (topic, name)
        if name == "max.message.bytes":
            assert topic in words


def test_its_example_of_settings_is_valid() -> None:
    lines = [line for block in readme.blocks("sh") for line in block.splitlines() if line.startswith("export ")]
    given = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    settings = Settings.from_environ(given)
    assert (settings.replication, settings.partitions) == (3, Settings().partitions)


def test_it_has_every_field_of_an_event() -> None:
    rows = readme.table("Field")
    fields = {f.name: f.required for f in msgspec.structs.fields(Event)}
    assert {readme.code(row[0]): "optional" not in row[1] for row in rows} == fields


def test_it_has_every_field_of_a_score() -> None:
    found = re.search(r"^The fields of a score: (.*?)\. ", readme.text(), flags=re.MULTILINE | re.DOTALL)
    assert found
    assert tuple(re.findall(r"`(\w+)`", found[1])) == HASH_FIELDS


def test_its_weights_of_kinds_are_the_settings() -> None:
    s = Settings()
    assert s.weight_reply == s.weight_share
    assert f"a like is {s.weight_like:g} of a person, a reply or a share {s.weight_share:g}" in readme.text()


def test_its_exit_codes_are_those_of_the_errors() -> None:
    kinds = [errors.CloutstreamError, *errors.CloutstreamError.__subclasses__()]
    codes = {0, INTERRUPTED, *(kind.exit_code for kind in kinds)}
    assert {int(row[0]) for row in readme.table("Exit code")} == codes


def test_its_example_of_secure_settings_is_valid() -> None:
    (example,) = [block for block in readme.blocks("text") if block.startswith(PREFIX)]
    given = dict(line.split("=", 1) for line in example.splitlines())
    assert Settings.from_environ(given).kafka_security == "sasl_ssl"


def test_the_files_and_headings_it_names_exist() -> None:
    for row in readme.table("Where"):
        for path in re.findall(r"`([\w/]+/)`", row[0]):
            assert (readme.ROOT / path).is_dir(), path
    listed = " ".join(row[0] for row in readme.table("Where"))
    packages = [p.parent.relative_to(readme.ROOT).as_posix() for p in readme.ROOT.glob("streams/*/__init__.py")]
    assert [package for package in packages if f"`{package}/`" not in listed] == []
    headings = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", readme.text(), re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", readme.text()):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (readme.ROOT / target).is_file(), target


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_nothing_unfinished_and_no_path_of_one_machine_is_in_it(name: str) -> None:
    said = (readme.ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"\b(?:TODO|FIXME|TBD|XXX)\b", said) == []
    assert re.findall(r"(?<![\w:/.-])/(?:home|root|tmp|work|Users|opt|usr|var)/\S*", said) == []


def test_the_benchmarks_have_their_place() -> None:
    assert re.search(r"^<!-- bench -->\n(.*\n)*?<!-- /bench -->$", readme.text(), flags=re.MULTILINE)


def test_it_has_every_attack_with_what_the_model_lets_it_gain() -> None:
    shown = [row[-1] for row in readme.table("Attack")]
    assert sorted(shown) == sorted(["0", *(f"+{attack.most:g}" for attack in ATTACKS)])
