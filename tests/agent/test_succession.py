"""How the old version treats the one that is on trial. Whole agents: tests/end_to_end/test_story_update.py."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.agent.host.ending import Ending
from reconciler.agent.settings.config import Config, load_config
from reconciler.agent.state.journal import Journal
from reconciler.agent.versions import succession
from reconciler.agent.versions.succession import Succession, start_proven
from reconciler.agent.versions.updating import proven
from reconciler.errors import StateError

SETTINGS = "{apiVersion: fleet/v1, kind: Agent, metadata: {name: d}, spec: {remote: {url: https://g.example/f}}}"
NAME = "0.2.0-a"
Try = Callable[..., str]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From where somebody would go on in this process, which here goes on as it is."""
    homes: list[str] = []
    monkeypatch.setattr(succession, "start_anew", lambda ending, home="": homes.append(home))
    return homes


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.yaml").write_text(SETTINGS)
    return replace(load_config(tmp_path / "config.yaml"), state=tmp_path / "state")


def write_version(config: Config, program: str) -> str:
    """A version that does this when it is started; where it lies."""
    package = config.state / "versions" / NAME / "reconciler/agent"
    package.mkdir(parents=True)
    for name, text in (("../__init__.py", ""), ("__init__.py", ""), ("__main__.py", program)):
        (package / name).write_text(text)
    return str(package.parent.parent)


def why(config: Config) -> str:
    return Journal(config.state).updates.failed[NAME].why


def test_the_one_on_trial_does_not_speak_to_systemd(
    config: Config, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = config.state / "seen.json"
    write_version(config, f"import json, os, sys\njson.dump(dict(os.environ), open({str(seen)!r}, 'w'))\nsys.exit(7)\n")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    Succession(config, Journal(config.state), Ending()).to(NAME)
    environment = json.loads(seen.read_text())
    assert (environment["RECONCILER_ON_TRIAL"], environment.get("NOTIFY_SOCKET")) == ("1", None)
    assert why(config) == "it ended with 7 before it was well; its log says why"
    assert anew == [""], "the old one goes on"


def test_who_waits_for_the_end_of_one_that_is_stuck_is_alive(
    config: Config, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(succession, "END_SECONDS", 0.2)
    write_version(config, "import signal\nsignal.pause()\n")
    beats: list[None] = []
    hurried = replace(config, updates=replace(config.updates, patience=0.0))
    Succession(hurried, Journal(config.state), Ending(), lambda: beats.append(None)).to(NAME)
    assert len(beats) >= 3, "a watchdog that is short would end it before it has told of the bad version"
    assert why(config) == "it was not well within 0 s; its log says why"


def test_one_whose_trial_never_began_has_not_failed(config: Config, anew: list[str]) -> None:
    """Somebody ended the agent while it waited for a report to be out."""
    ending, journal = Ending(), Journal(config.state)
    ending.is_asked = True
    Succession(config, journal, ending).to(NAME)
    assert (journal.updates.failed, anew) == ({}, [])
    assert not (config.state / "updates.json").exists(), "nor would a power cut say so"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_version_that_git_may_not_choose_any_more_does_not_go_on(
    allowed: bool, config: Config, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write_version(config, "")
    monkeypatch.setattr(succession, "code_home", lambda: home)
    monkeypatch.setenv("RECONCILER_INSTALLED", "/opt/reconciler")
    journal = Journal(config.state)
    journal.write_updates(proven(journal.updates, NAME))
    start_proven(replace(config, updates=replace(config.updates, allowed=allowed)), journal, Ending())
    assert (anew, journal.updates.proven) == (([], NAME) if allowed else (["/opt/reconciler"], ""))


@pytest.mark.parametrize(("running", "goes_on"), [("", []), (NAME, ["/opt/reconciler"])])
def test_a_disk_that_takes_nothing_does_not_keep_a_device_from_starting(
    running: str, goes_on: list[str], config: Config, anew: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StateError("cannot be written: No space left on device")

    home = write_version(config, "")
    monkeypatch.setattr(succession, "code_home", lambda: home if running else "/opt/reconciler")
    monkeypatch.setenv("RECONCILER_INSTALLED", "/opt/reconciler")
    journal = Journal(config.state)
    journal.write_updates(proven(journal.updates, NAME))
    monkeypatch.setattr("reconciler.agent.state.journal.write_atomically", refuse)
    allowed = replace(config, updates=replace(config.updates, allowed=not running))
    start_proven(allowed, journal, Ending())
    assert anew == goes_on, "one whose starts nobody can count is not started; one that Git may not choose goes"
