"""deploy/: every query parses and names only metrics that a running worker has."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import promql_parser
import pytest
import yaml
from harness import deployment
from load import lively_events, send
from prometheus_client.parser import text_string_to_metric_families

from streams.settings import PREFIX, Settings
from tests.readme import ROOT

DASHBOARD = ROOT / "deploy/grafana/cloutstream.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
SCRAPING = ROOT / "deploy/prometheus/prometheus.yml"
JOB = "cloutstream"
PROMETHEUS_ITSELF = {"up"}


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return shown


def queries() -> dict[str, str]:
    """Return every query by where it stands, with what Grafana fills in filled in."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"].replace("$__rate_interval", "1m")
    return found


def selectors(node: Any) -> list[Any]:
    """Return the vector selectors below a node of a query's tree."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    if isinstance(node, list):
        return [found for item in node for found in selectors(item)]
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param")]
    return [found for part in parts if part is not None for found in selectors(part)]


def test_a_query_that_is_none_is_found_out() -> None:
    for wrong in ("sum by (le) (rate(x[1m])", "rate(x)", ""):
        with pytest.raises(ValueError, match=r"."):
            promql_parser.parse(wrong)
    tree = promql_parser.parse('a > 1 and on (i) sum by (i) (rate(b{c="d"}[5m])) / 2 * scalar(-(deriv(sum(e)[10m:1m])))')
    assert sorted(s.name for s in selectors(tree)) == ["a", "b", "e"]


@pytest.mark.parametrize("where", sorted(queries()))
def test_a_query_asks_for_the_workers_of_the_example_alone(where: str) -> None:
    found = selectors(promql_parser.parse(queries()[where]))
    assert found
    for selector in found:
        assert f'job="{JOB}"' in str(selector), "another program's metrics may have the same name"


def test_every_metric_and_label_that_is_asked_for_is_one_of_a_running_worker(settings: Settings) -> None:
    with deployment(settings, workers=1) as running:
        (worker,) = running.workers
        send(settings, lively_events(2_000, 41, time.time() - 3600))
        running.settle()
        families = text_string_to_metric_families(worker.ask("/metrics")[1])
        has: dict[str, set[str]] = {}
        for family in families:
            for sample in family.samples:
                has.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    asked = set()
    for where, query in queries().items():
        for selector in selectors(promql_parser.parse(query)):
            if selector.name in PROMETHEUS_ITSELF:
                continue
            assert selector.name in has, where
            asked.add(selector.name)
            grouped = {label for labels in re.findall(r"(?:by|on) \(([^)]*)\)", query) for label in labels.split(", ")}
            assert grouped <= set().union(*(has[s.name] for s in selectors(promql_parser.parse(query)))), where
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= has[selector.name], where
    ours = {name.removesuffix("_sum").removesuffix("_count").removesuffix("_bucket") for name in has if name.startswith(JOB)}
    shown = {name.removesuffix("_bucket") for name in asked}
    assert ours - shown == set(), "a metric that nothing shows"


def test_every_alert_says_what_is_wrong_what_that_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "impact", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        words = " ".join(rule["annotations"].values()).replace(".", " ").replace(",", " ").split()
        named = {word for word in words if word.startswith(PREFIX)}
        assert named <= set(Settings().to_environ()), rule["alert"]


def test_panels_do_not_cover_each_other() -> None:
    taken = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels())
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


def test_the_example_scrapes_the_job_that_is_asked_for_with_a_token_and_loads_the_alerts() -> None:
    scraping = yaml.safe_load(SCRAPING.read_text())
    assert [job["job_name"] for job in scraping["scrape_configs"]] == [JOB]
    assert scraping["scrape_configs"][0]["authorization"]["credentials_file"]
    assert [SCRAPING.parent / name for name in scraping["rule_files"]] == [ALERTS]
    said = [line.removeprefix("#").split()[0] for line in SCRAPING.read_text().splitlines() if line.startswith(f"#   {PREFIX}")]
    given = dict(setting.split("=", 1) for setting in said)
    assert Settings.from_environ(given).operations_token
