"""`reconciler pause`: nothing of the device is changed, all of it is seen and told, and it ends by itself."""

import time
from pathlib import Path

import pytest
from soak_rig import Rig

from reconciler.agent.cli import main
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import LONGEST_PAUSE, Pause
from reconciler.model import Report


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A device on which all is well."""
    rig = Rig(tmp_path, monkeypatch, seed=1)
    rig.step_quietly()
    assert rig.is_well()
    return rig


def pause(rig: Rig, minutes: float, why: str = "") -> None:
    now = rig.now.timestamp()
    Journal(rig.folder / "state").write_pause(Pause(now + 60 * minutes, why))


def reconcile(rig: Rig) -> Report:
    rig.now += rig.minute
    return rig.reconciler.reconcile().report


def told(report: Report, kind: str) -> tuple[str, str, str]:
    one = next(condition for condition in report.conditions if condition.type == kind)
    return one.status, one.reason, one.message


def test_nothing_is_healed_or_updated_and_what_is_new_is_still_trusted(rig: Rig) -> None:
    pause(rig, 60, "new valves")
    victim = next(iter(rig.engine.boxes.values()))
    rig.engine.kill(victim.id)
    rig.images = dict.fromkeys(rig.images, "good:1")
    rig.commit("New images")
    writes = len(rig.engine.writes)
    report = reconcile(rig)
    assert len(rig.engine.writes) == writes
    assert report.phase == "Paused"
    status, reason, message = told(report, "Reconciling")
    assert (status, reason) == ("False", "Paused")
    assert message.startswith("until 2026-06-01T")
    assert "new valves" in message
    assert message.endswith("steps wait")
    assert told(report, "Trusted")[0] == "True"
    assert rig.git.main in report.revisions.trusted
    assert rig.git.main not in report.revisions.applied
    assert told(report, "Ready")[0] == "False", "what is wrong is told all the same"

    rig.now += rig.minute * 60
    assert reconcile(rig).phase == "Healthy"
    assert rig.is_well(), "it ended by itself"


def test_a_pause_survives_a_power_cut(rig: Rig) -> None:
    pause(rig, 60)
    rig.reboot()
    for box in list(rig.engine.boxes.values()):
        rig.engine.forget(box.id)
    assert reconcile(rig).phase == "Paused"
    assert not rig.engine.boxes
    Journal(rig.folder / "state").forget_pause()
    assert reconcile(rig).phase == "Healthy"


@pytest.mark.parametrize("until", [LONGEST_PAUSE + 120, -1])
def test_a_pause_that_is_too_long_or_over_does_not_hold(until: float, rig: Rig) -> None:
    """As after a clock that was years ahead when somebody paused."""
    now = rig.now.timestamp()
    Journal(rig.folder / "state").write_pause(Pause(now + until))
    assert reconcile(rig).phase == "Healthy"


def test_a_torn_pause_does_not_hold_and_is_set_aside(rig: Rig) -> None:
    (rig.folder / "state/pause.json").write_text("{")
    assert reconcile(rig).phase == "Healthy"
    assert (rig.folder / "state/pause.json.torn").exists()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "{apiVersion: fleet/v1, kind: Agent, metadata: {name: press}, "
        "spec: {remote: {url: 'https://git.acme.example/fleet.git'}, state: state}}"
    )
    at = ["--config", str(config)]
    assert main(["pause", "--for", "30m", "--why", "a\nb", *at]) == 0
    assert capsys.readouterr().out.startswith("paused until ")
    held = Journal(tmp_path / "state")._load("pause.json", Pause)
    assert held is not None
    assert 1790 < held.until - time.time() <= 1800
    assert held.why == "a b"
    assert main(["resume", *at]) == 0
    assert main(["resume", *at]) == 0
    assert capsys.readouterr().out == "resumed\nit was not paused\n"
    for wrong in ("0", "8d1h", "200h", "never"):
        with pytest.raises(SystemExit):
            main(["pause", "--for", wrong, *at])
