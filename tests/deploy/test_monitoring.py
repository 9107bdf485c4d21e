"""Integration: each query of the dashboard and of the alerts names metrics that really are there.

The metrics are those of `eventstore serve` and `eventstore record`, which run as users run them,
and have answered some requests and relayed a call.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.deployed import DEPLOY, ROOT, script_run
from support.relay_command import naming_upstream
from support.terminal import service, told_by
from websockets.sync.client import connect

ALERTS = DEPLOY / "prometheus" / "alerts.yml"
SCRAPES = DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD = DEPLOY / "grafana" / "eventstore.json"
PAGE = ROOT / "docs" / "deploy.md"
#: What Prometheus itself adds: a metric, and labels of every series.
OF_PROMETHEUS = {"up": {"job", "instance"}}
ADDED_LABELS = {"job", "instance"}
PATIENCE = 120

promql_parser = pytest.importorskip("promql_parser")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text("utf-8"))["panels"]


def panel_queries() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    replaced = [re.sub(r"\$__rate_interval", "5m", query) for query in found]
    return [re.sub(r"\$relay|\$serve", "x", query) for query in replaced]


QUERIES = [rule["expr"] for rule in rules()] + panel_queries()


def metrics_of(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        return answer.read().decode()


def told_of_backup(folder: Path, url: str) -> str:
    """What backup.sh writes for node_exporter."""
    run = script_run(folder, url, str(folder), BACKUP_METRICS=str(folder / "backup.prom"))
    subprocess.run(**run, capture_output=True, check=True, timeout=PATIENCE)
    return (folder / "backup.prom").read_text()


def port_told(line: str) -> int:
    return int(re.findall(r"127\.0\.0\.1:(\d+)", line)[0])


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names of all metrics, each with the labels that it has."""
    folder = tmp_path_factory.mktemp("metrics")
    options = ("--db", f"sqlite:///{folder}/calls.db")
    with ExitStack() as stack:
        serve = stack.enter_context(service("serve", "--listen", "0", *options))
        pages = port_told(told_by(serve))
        for path in ("/v1/realtime/sessions", "/v1/realtime/responses", "/nowhere"):
            try:
                urlopen(f"http://127.0.0.1:{pages}{path}", timeout=PATIENCE).close()
            except HTTPError as error:
                error.close()
        upstream = stack.enter_context(naming_upstream())
        record = ("record", "--listen", "0", "--upstream", upstream)
        relay = port_told(told_by(stack.enter_context(service(*record, *options))))
        with connect(f"ws://127.0.0.1:{relay}/v1/realtime", proxy=None) as call:
            call.send('{"type":"x"}')
            for _ in range(2):
                call.recv(timeout=PATIENCE)
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(f"http://127.0.0.1:{relay}/", headers={"Origin": "https://a.example"}))
        backups = told_of_backup(folder, options[1])
        texts = [metrics_of(pages), metrics_of(relay), backups]
    found: dict[str, set[str]] = {}
    for text in texts:
        # A family without samples is known by its name: `# TYPE eventstore_faults_total counter`.
        for name, kind in re.findall(r"(?m)^# TYPE (\S+) (\w+)$", text):
            found.setdefault(name, set())
            if kind == "histogram":
                found.setdefault(f"{name}_bucket", {"le"})
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def parts(expression: Any) -> Iterator[Any]:
    """An expression of PromQL, and all that it is made of."""
    yield expression
    for name in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
        below = getattr(expression, name, None) or []
        for part in below if isinstance(below, list) else [below]:
            yield from parts(part)


def selected(query: str) -> dict[str, set[str]]:
    """The metrics that a query reads, each with the labels that it is selected by."""
    found: dict[str, set[str]] = {}
    for part in parts(promql_parser.parse(query)):
        if type(part).__name__ == "VectorSelector":
            names = {one.name for one in part.matchers.matchers}
            found.setdefault(part.name, set()).update(names)
    return found


def grouped_by(query: str) -> set[str]:
    """The labels that a query groups by."""
    modifiers = [getattr(part, "modifier", None) for part in parts(promql_parser.parse(query))]
    return {label for one in modifiers if hasattr(one, "labels") for label in one.labels}


def test_the_names_are_found_in_a_query() -> None:
    query = 'sum by (le) (rate(a_bucket{x=~"y", z="1"}[5m])) > 2 * max(b_c) or d_e'
    assert selected(query) == {"a_bucket": {"x", "z"}, "b_c": set(), "d_e": set()}
    assert grouped_by(query) == {"le"}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_can_be_parsed_and_its_metrics_exist(
    query: str, metrics: dict[str, set[str]]
) -> None:
    names = selected(query)
    known = metrics | OF_PROMETHEUS
    assert names and not names.keys() - known.keys()
    # Without a sample, the labels of a metric are not known here.
    if all(known[name] for name in names):
        there = set().union(*(known[name] for name in names)) | ADDED_LABELS
        assert set().union(*names.values()) | grouped_by(query) <= there, query


def test_labels_of_rare_metrics_are_those_of_the_code() -> None:
    """Those which have no sample in a store that is well."""
    for file, name, label in (
        ("web/server/health.py", "eventstore_failed_projections", "error"),
        ("capture/relay/relay_metrics.py", "eventstore_faults", "task"),
    ):
        text = (ROOT / "eventstore" / file).read_text("utf-8")
        assert re.search(rf'"{name}"[^)]*labels=\["{label}"\]', text), name
    labels = {label for query in QUERIES if "failed_proj" in query for label in grouped_by(query)}
    assert labels - ADDED_LABELS == {"error"}


def test_a_query_for_a_metric_that_is_not_there_would_be_found(
    metrics: dict[str, set[str]],
) -> None:
    assert "eventstore_recorder_lost_total" not in metrics
    assert "eventstore_recorder_missed_total" in metrics
    assert metrics["eventstore_relay_frames_total"] == {"direction"}
    assert metrics["eventstore_relay_refused_total"] == {"status"}
    assert metrics["eventstore_http_answers_total"] == {"method", "route", "status"}


def test_each_metric_of_ours_is_looked_at(metrics: dict[str, set[str]]) -> None:
    """A new metric belongs on the dashboard or into an alert."""
    used = {name for query in QUERIES for name in selected(query)}
    ours = {name for name in metrics if name.startswith("eventstore_")}
    told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours - used}
    told = {name for name in told if not re.search(r"_process_|_http_seconds$", name)}
    assert told == set()


def test_each_rule_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 12
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
    severe = {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "critical"}
    assert {"EventstoreFramesMissed", "EventstoreDown", "EventstoreDatabaseAway"} <= severe


def test_each_rule_is_documented() -> None:
    text = PAGE.read_text("utf-8")
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in text] == []


def test_prometheus_asks_the_jobs_that_rules_and_dashboard_are_about() -> None:
    scrapes = yaml.safe_load(SCRAPES.read_text("utf-8"))
    assert scrapes["rule_files"] == [ALERTS.name]
    jobs = [job["job_name"] for job in scrapes["scrape_configs"]]
    assert jobs == ["eventstore-relay", "eventstore-serve"]
    assert all(re.fullmatch("eventstore.*", job) for job in jobs)


def test_the_dashboard_is_whole() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    assert board["uid"] == "eventstore" and board["schemaVersion"] >= 36
    variables = {one["name"] for one in board["templating"]["list"]}
    text = DASHBOARD.read_text("utf-8")
    assert set(re.findall(r"\$\{?(\w+)\}?", text)) - {"__rate_interval", "__all"} == variables
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"] and panel["title"]


def test_files_are_where_the_page_says() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"\(\.\./(tools/deploy/[\w./-]+)\)", text))
    there = {
        str(path.relative_to(ROOT))
        for path in DEPLOY.rglob("*")
        if path.is_file() and not path.name.startswith(".") and "secrets" not in path.parts
    }
    missing = {name for name in named if not Path(ROOT, name).exists()}
    assert missing == set()
    assert (
        {"tools/deploy/Containerfile", "tools/deploy/compose.yaml", "tools/deploy/backup.sh"}
        <= named
        <= {
            *there,
            *("tools/deploy/systemd", "tools/deploy/prometheus", "tools/deploy/grafana"),
        }
    )
