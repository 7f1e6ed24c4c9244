"""Metrics: the exposition format, by its grammar, and the answers on loopback."""

import logging
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lab.waiting import free_port
from reconciler.agent.service.counts import MOST_REASONS, MOST_SERVICES, VERBS
from reconciler.agent.service.exposition import CONTENT_TYPE
from reconciler.agent.service.metrics import Metrics, serve_metrics
from reconciler.model import AppReport, Report, ReportedCondition, Revisions, ServiceReport, Versions

# prometheus.io/docs/instrumenting/exposition_formats, text format
COMMENT = re.compile(r"# (HELP [a-z_]+ [^\n]+|TYPE [a-z_]+ (counter|gauge))")
SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+]+')

REPORT = Report(
    "press-1",
    "Degraded",
    "2026-06-01T00:00:00Z",
    versions=Versions("0.1.0", "28.0"),
    conditions=(
        ReportedCondition("Ready", "False", "Degraded", 'a "message"', "2026-06-01T00:00:00Z"),
        ReportedCondition("Fresh", "Unknown", "NotAsked", "", "2026-06-01T00:00:00Z"),
    ),
    apps=(AppReport('odd"\\\napp', "Degraded", services=(ServiceReport("s", state="running", health="unhealthy"),)),),
    steps=("restart    web/s   it is unhealthy", "pull       web/s   not on the device", "invent     web/s"),
    disk_free_bytes=12,
)


@dataclass
class Clocks:
    """Metrics whose clocks go when somebody says so."""

    now: float = 100.0
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.now, lambda: self.now)

    def a_pass(self, report: Report, after: float = 0.0, steps: int = 0) -> None:
        """A pass that takes no time ends so many seconds later."""
        self.now += after
        self.metrics.note_pass(report, self.now, steps, 0)

    def shown(self, name: str) -> dict[str, float]:
        """The samples of a metric by their labels, as they are written."""
        lines = (line for line in self.metrics.text().splitlines() if not line.startswith("#"))
        found = (re.fullmatch(rf"reconciler_{name}(?:{{(.*)}})? (.*)", line) for line in lines)
        return {match[1] or "": float(match[2]) for match in found if match}


def report(**apps: Any) -> Report:
    """A device whose apps have these phases."""
    made = tuple(AppReport(name, phase, "main@sha1:1") for name, phase in apps.items())
    return Report("press-1", "Healthy", "2026-06-01T00:00:00Z", apps=made)


def serving(phase: str, *services: ServiceReport) -> Report:
    return replace(report(), apps=(AppReport("web", phase, services=services),))


def refusing(reason: str, seen: str) -> Report:
    wrong = ReportedCondition("Trusted", "False", reason, "", "2026-06-01T00:00:00Z")
    return replace(report(), conditions=(wrong,), revisions=Revisions(seen=seen))


def test_before_the_first_pass_there_are_counts_alone() -> None:
    text = Metrics(lambda: 5.0).text()
    assert "reconciler_passes_total 0\n" in text and "reconciler_phase" not in text


def test_it_is_what_prometheus_reads() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0], lambda: now[0])
    metrics.note_send(failed=True)
    metrics.note_git(answered=False)
    metrics.note_git(answered=True)
    now[0] = 103.5
    metrics.note_pass(REPORT, 101.0, steps=3, errors=1)
    metrics.note_pass(REPORT, 103.0, steps=2, errors=0)
    lines = metrics.text().splitlines()
    assert [line for line in lines if not (COMMENT if line.startswith("#") else SAMPLE).fullmatch(line)] == []
    assert {
        "reconciler_passes_total 2",
        'reconciler_steps_total{verb="restart"} 1',
        'reconciler_steps_total{verb="pull"} 2',
        'reconciler_steps_total{verb="other"} 2',
        "reconciler_pass_seconds_total 3.0",
        "reconciler_report_failures_total 1",
        "reconciler_report_waits 1",
        'reconciler_service_up{app="odd\\"\\\\\\napp",service="s"} 0',
        'reconciler_service_state{app="odd\\"\\\\\\napp",service="s",state="running",health="unhealthy"} 1',
        "reconciler_pass_errors_total 1",
        "reconciler_last_pass_seconds 0.5",
        "reconciler_last_pass_timestamp_seconds 103.5",
        'reconciler_git_asks_total{result="answered"} 1',
        'reconciler_git_asks_total{result="failed"} 1',
        "reconciler_git_answer_timestamp_seconds 100.0",
        'reconciler_phase{phase="Degraded"} 1',
        'reconciler_condition{type="Ready",reason="Degraded"} 0',
        'reconciler_condition{type="Fresh",reason="NotAsked"} -1',
        'reconciler_app_phase{app="odd\\"\\\\\\napp",phase="Degraded"} 1',
        "reconciler_disk_free_bytes 12",
    } <= set(lines)
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))


def test_every_verb_of_a_plan_is_counted_as_itself() -> None:
    assert {"pull", "create", "start", "stop", "remove", "update", "wait"} <= VERBS


def test_a_commit_that_is_refused_is_counted_once() -> None:
    at = Clocks()
    for told in (refusing("UNSIGNED", "a"), refusing("UNSIGNED", "a"), refusing("UNSIGNED", "b"), report()):
        at.a_pass(told)
    at.a_pass(refusing("FORK_OR_REWIND", "c"))
    assert at.shown("refusals_total") == {'reason="FORK_OR_REWIND"': 1, 'reason="UNSIGNED"': 2}


def test_reasons_and_services_without_number_are_not_all_told() -> None:
    at = Clocks()
    for number in range(MOST_REASONS + 10):
        at.a_pass(refusing(f"CODE_{number}", "a"))
    assert len(at.shown("refusals_total")) == MOST_REASONS + 1
    assert at.shown("refusals_total")['reason="other"'] == 10
    at.a_pass(serving("Healthy", *(ServiceReport(f"s{number}") for number in range(MOST_SERVICES + 10))))
    for name in ("service_up", "service_state", "service_wanted_seconds_total"):
        assert len(at.shown(name)) == MOST_SERVICES


def test_an_app_that_goes_back_is_counted_when_it_does() -> None:
    at = Clocks()
    at.a_pass(report(web="RolledBack"))
    assert at.shown("rollbacks_total") == {"": 0}, "it went back before the agent started"
    blind = replace(report(), phase="Failed")
    for told in (blind, report(web="RolledBack"), report(web="RolledBack", shop="RolledBack"), report(web="Healthy")):
        at.a_pass(told)
    assert at.shown("rollbacks_total") == {"": 1}
    at.a_pass(report(web="RolledBack"))
    assert at.shown("rollbacks_total") == {"": 2}


def test_drift_is_counted_by_the_passes_that_healed_it() -> None:
    at = Clocks()
    drifted = ReportedCondition("Drifted", "True", "Healed", "", "2026-06-01T00:00:00Z")
    told = replace(report(web="Healthy"), conditions=(drifted,), steps=("start      web/serve  it exited",))
    at.a_pass(told, steps=1)
    # Told until somebody has heard of it.
    at.a_pass(told, steps=0)
    assert at.shown("drifts_total") == {"": 1}


def minutes(well: ServiceReport, ill: ServiceReport) -> Iterator[tuple[Report, float]]:
    """Passes, and the seconds that each came after the one before."""
    yield serving("Healthy", well), 0.0
    yield serving("Degraded", ill), 60.0
    yield serving("Healthy", well), 10.0
    yield replace(report(), phase="Failed"), 30.0
    yield serving("Healthy", well), 5.0
    yield serving("Healthy", well), 1.0


@pytest.mark.parametrize("well", [ServiceReport("s", state="running"), ServiceReport("s", state="exited", exit_code=0)])
@pytest.mark.parametrize("ill", [ServiceReport("s"), ServiceReport("s", state="running", health="unhealthy")])
def test_the_time_that_a_service_is_wanted_and_well_is_told(well: ServiceReport, ill: ServiceReport) -> None:
    at = Clocks()
    for told, seconds in minutes(well, ill):
        at.a_pass(told, seconds)
    labels = 'app="web",service="s"'
    # Not well for 10 s, and for 5 s nobody could tell.
    assert at.shown("service_wanted_seconds_total") == {labels: 106.0}
    assert at.shown("service_well_seconds_total") == {labels: 91.0}
    at.a_pass(serving("Healthy", ServiceReport("other", state="running")), 7.0)
    assert at.shown("service_wanted_seconds_total") == {'app="web",service="other"': 0.0}


def test_a_device_that_has_not_applied_what_it_saw_is_behind() -> None:
    at = Clocks()
    at.a_pass(replace(refusing("UNSIGNED", "b"), revisions=Revisions("b", "a", "a", "a")))
    assert at.shown("behind") == {"": 1}
    at.a_pass(replace(report(), revisions=Revisions("b", "b", "b", "a")))
    assert at.shown("behind") == {"": 1}
    at.a_pass(replace(report(), revisions=Revisions("b", "b", "b", "b")))
    assert at.shown("behind") == {"": 0}


@pytest.mark.parametrize("seen", ["main/42@1a", "v1.2.0@1a", ""], ids=["a release", "a tag", "no server"])
def test_what_was_seen_need_not_be_named_as_what_is_trusted(seen: str) -> None:
    at = Clocks()
    at.a_pass(replace(report(), revisions=Revisions(seen, "main/42@2b", "main/42@2b", "main/42@2b")))
    assert at.shown("behind") == {"": 0}


def test_a_report_that_was_sent_waits_no_longer() -> None:
    at = Clocks()
    at.metrics.note_send(failed=True)
    at.metrics.note_send(failed=False)
    assert (at.shown("report_waits"), at.shown("report_failures_total")) == ({"": 0}, {"": 1})


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    metrics = Metrics(lambda: 50.0)
    metrics.note_pass(REPORT, 100.0, steps=0, errors=0)
    assert "reconciler_last_pass_seconds 0.0\n" in metrics.text()


def test_it_answers_on_loopback_until_it_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(lambda: 5.0)
    listen = f"127.0.0.1:{free_port()}"
    stop = serve_metrics(metrics, listen)
    try:
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert answer.read().decode() == metrics.text()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"http://{listen}/etc/passwd", timeout=10)
        caught.value.close()
        with caplog.at_level(logging.ERROR):
            serve_metrics(metrics, listen)()
        assert f"no metrics at {listen}: Address already in use" in caplog.text, "and the agent goes on"
    finally:
        stop()
    host, _, port = listen.partition(":")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), 5):
        pass
