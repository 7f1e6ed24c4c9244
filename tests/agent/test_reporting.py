"""What a report says that comes before another one was sent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from reconciler.agent.errands.delivery import DirectDelivery, encode
from reconciler.agent.passes.converge import converge
from reconciler.agent.passes.reporting import Pass, compose_report
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import FailedApp
from reconciler.model import AppReport, Report, ServiceReport
from reconciler.model.codec import from_json, to_plain
from reconciler.model.report_text import state_lines
from reconciler.repository import Author, StatusBranch
from reconciler.repository.commits import Sign
from signing import Signer
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

    def make(self, image: str = "web:1", revision: str = REVISION, *, tells_logs: bool = False) -> Report:
        fleet = {"shop": {"web": {**FLEET["shop"]["web"], "image": image}}}
        converged = converge(drawn(fleet), revision, self.engine, self._journal, 0.0)
        self.engine.settle()
        found = Pass("press", "2026-11-23T04:30:01Z", trusted=revision, converged=converged, tells_logs=tells_logs)
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


class Told:
    """A way to a server that notes what it would say."""

    def __init__(self) -> None:
        self.message = ""

    def append(self, device: str, content: bytes, message: str, author: Author, sign: Sign) -> None:
        self.message = message

    def of(self, report: Report) -> str:
        DirectDelivery(cast(StatusBranch, self), Signer.generate()).deliver(report, 0.0)
        return self.message


def test_the_subject_of_a_report_names_what_is_not_in_good_order_and_nothing_else(reports: Reports) -> None:
    quiet = reports.make()
    assert Told().of(quiet) == "press: Healthy at main@aaaaaaaaaaaa"
    reports.send()
    reports.engine.kill("shop-web-1")
    healed, _, body = Told().of(reports.make()).partition("\n")
    assert healed == "press: Healthy at main@aaaaaaaaaaaa, Drifted=True Healed"
    assert "shop/web" in body, "what was done"
    waits = tuple(replace(one, status="True", reason="Pulling") if one.type == "Reconciling" else one
                  for one in quiet.conditions)  # fmt: skip
    assert Told().of(replace(quiet, conditions=waits)).splitlines()[0].endswith(", Reconciling=True Pulling")


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


NEWER, NEWEST = f"main@sha1:{'b' * 40}", f"main@sha1:{'c' * 40}"


def fails(reports: Reports, image: str, *lines: str) -> None:
    reports.engine.behaviours[image], reports.engine.logs[image] = "unhealthy", lines


def test_what_a_service_wrote_that_failed_is_told_until_it_is_well(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    fails(reports, "web:2", "loading", "no \x1b[31mcamera")
    (app,) = reports.make("web:2", NEWER, tells_logs=True).apps
    assert (app.phase, app.log) == ("RolledBack", ("loading", "no \x1b[31mcamera"))
    assert "wrote    shop/web: loading" in caplog.messages
    assert not any("\x1b" in message for message in caplog.messages), "it may end up on a terminal"
    # It is not tried again, and its container is gone.
    report = reports.make("web:2", NEWER, tells_logs=True)
    assert report.apps[0].log == app.log
    assert "  | loading" in state_lines(report)
    (app,) = reports.make("web:3", NEWEST, tells_logs=True).apps
    assert (app.phase, app.log) == ("Healthy", ())


def test_what_is_tried_again_says_when_and_the_same_in_each_pass(reports: Reports) -> None:
    fails(reports, "web:2")
    (app,) = (first := reports.make("web:2", NEWER)).apps
    assert app.phase == "RolledBack"
    assert app.message.endswith("see its logs; tried again at 1970-01-01T00:00:30Z")
    reports.send()
    assert not reports.make("web:2", NEWER).differs_from(replace(first, steps=()))


def test_when_it_is_tried_again_stands_behind_the_longest_reason(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(reports, "web:2")
    monkeypatch.setattr("reconciler.agent.passes.reporting.MAX_TEXT", 150)
    message = reports.make("web:2", NEWER).apps[0].message
    assert len(message) == 150
    assert message.endswith("; tried again at 1970-01-01T00:00:30Z")


def test_what_went_back_with_another_one_is_tried_again_with_it(tmp_path: Path) -> None:
    converged = converge(drawn(FLEET), REVISION, device(), Journal(tmp_path), 0.0)
    leader = FailedApp("db", "d", REVISION, "it is unhealthy", retry_at=30.0)
    gone_along = FailedApp("shop", "s", REVISION, "db went back", because="d")
    choice = replace(converged.choices["shop"], failed=gone_along)
    memory = replace(converged.memory, failed=(leader, gone_along))
    found = Pass("press", "2026-11-23T04:30:01Z", converged=replace(converged, choices={"shop": choice}, memory=memory))
    (app,) = compose_report(found, None, ()).apps
    assert app.message.endswith(": db went back; tried again at 1970-01-01T00:00:30Z")


def test_of_another_try_what_that_one_wrote_is_told(reports: Reports) -> None:
    fails(reports, "web:2", "no camera")
    reports.make("web:2", NEWER, tells_logs=True)
    fails(reports, "web:3")
    assert reports.make("web:3", NEWEST, tells_logs=True).apps[0].log == ()


def test_who_asks_for_it_no_more_is_told_nothing_more(reports: Reports) -> None:
    fails(reports, "web:2", "no camera")
    assert reports.make("web:2", NEWER, tells_logs=True).apps[0].log
    assert reports.make("web:2", NEWER).apps[0].log == ()


def test_what_services_wrote_is_the_first_thing_that_a_report_has_no_room_for() -> None:
    """Twenty lines of every app, and a message of each."""
    apps = [AppReport(f"app-{n}", "Failed", message="m" * 500, log=("x" * 100,) * 20) for n in range(40)]
    report = Report("press", "Failed", "2026-06-01T00:00:00Z", apps=tuple(apps), steps=("start a/b",))
    told = from_json(Report, encode(report))
    assert (told.is_shortened, told.steps) == (True, report.steps)
    assert {len(app.log) for app in told.apps} == {5}
    assert {len(app.message) for app in told.apps} == {500}
    more = replace(report, apps=tuple(replace(app, message="m" * 1000) for app in apps))
    assert {app.log for app in from_json(Report, encode(more)).apps} == {()}
