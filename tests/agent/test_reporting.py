"""What a report says that comes before another one was sent."""

import json
from pathlib import Path

import pytest

from reconciler.agent.passes.converge import converge
from reconciler.agent.passes.reporting import Pass, compose_report
from reconciler.agent.state.journal import Journal
from reconciler.model import Report, ServiceReport
from reconciler.model.codec import from_json, to_plain
from reconciler.model.report_text import state_lines
from tests.fakes.box import STARTED
from tests.fakes.engine import FakeEngine
from tests.planning.test_plan_properties import device, drawn

FLEET = {"shop": {"web": {"image": "web:1", "restart": "always"}}}
REVISION = f"main@sha1:{'a' * 40}"


class Reports:
    """A device's reports, pass after pass."""

    def __init__(self, folder: Path) -> None:
        self.engine: FakeEngine = device()
        self._journal = Journal(folder)
        self._last: Report | None = None
        self._unsent: tuple[str, ...] = ()

    def make(self) -> Report:
        converged = converge(drawn(FLEET), REVISION, self.engine, self._journal, 0.0)
        self.engine.settle()
        found = Pass("press", "2026-11-23T04:30:01Z", trusted=REVISION, converged=converged)
        self._last = compose_report(found, self._last, self._unsent)
        self._unsent = self._last.steps
        return self._last

    def send(self) -> None:
        self._unsent = ()


def drifted(report: Report) -> str:
    return next(condition.status for condition in report.conditions if condition.type == "Drifted")


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    made = Reports(tmp_path)
    made.make()
    made.send()
    return made


def test_drift_that_was_healed_is_told_once(reports: Reports) -> None:
    reports.engine.kill("shop-web-1")
    assert drifted(reports.make()) == "True"
    reports.send()
    assert drifted(reports.make()) == "False"


def test_drift_that_nobody_heard_of_is_told_by_the_next_report(reports: Reports) -> None:
    reports.engine.kill("shop-web-1")
    first = reports.make()
    second = reports.make()
    assert (drifted(second), second.steps) == ("True", first.steps)
    reports.send()
    third = reports.make()
    assert (drifted(third), third.steps) == ("False", ())


def test_steps_of_a_new_revision_that_nobody_heard_of_are_no_drift(tmp_path: Path) -> None:
    made = Reports(tmp_path)
    assert made.make().steps
    assert drifted(made.make()) == "False"


def test_a_service_tells_since_when_it_runs_and_how_often_it_was_started_again(reports: Reports) -> None:
    (service,) = reports.make().apps[0].services
    assert (service.started_at, service.restarts, service.out_of_memory) == (STARTED, 0, False)
    box = reports.engine.box("shop-web-1")
    box.restarts, box.out_of_memory = 3, True
    (service,) = (report := reports.make()).apps[0].services
    assert (service.restarts, service.out_of_memory) == (3, True)
    assert f"{'':<18} started {STARTED}, started again 3 times, out of memory" in state_lines(report)


def test_a_report_without_these_fields_is_read_and_they_are_left_out_while_there_is_nothing_to_tell() -> None:
    """Between versions: an older device tells less, and is understood; a service that never ran looks as before."""
    app = {"name": "web", "phase": "Healthy", "services": [{"name": "serve"}]}
    older = {"device": "d", "phase": "Healthy", "time": "t", "apps": [app]}
    report = from_json(Report, json.dumps(older).encode())
    assert report.apps[0].services == (ServiceReport("serve"),)
    assert to_plain(report) == older
