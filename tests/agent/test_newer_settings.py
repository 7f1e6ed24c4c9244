"""Settings that change under an agent at work: those by which none could start change nothing."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from reconciler.agent.host.ending import Ending
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.service.loop import Bell
from reconciler.agent.service.outbox import Outbox
from reconciler.agent.service.run import Service
from reconciler.agent.settings.config import load_config
from reconciler.agent.settings.settings_file import SettingsFile
from reconciler.agent.state.journal import Journal
from reconciler.errors import ConfigError, PermissionDenied, StateError, StateInUse

SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press}
spec:
  remote: {url: https://git.example/fleet}
  trust: {mode: commits, allowedSigners: signers}
  state: STATE
  metrics: {listen: '127.0.0.1:9436'}
"""


@pytest.fixture
def at_work(tmp_path: Path) -> Service:
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS.replace("STATE", "state"))
    service = Service.__new__(Service)
    service._settings = SettingsFile(path)
    service._config = service._settings.config
    return service


@pytest.mark.parametrize("state", ["/proc/nowhere", "config.yaml"])
def test_a_state_that_cannot_be_used_is_told_before_it_is_gone_over_to(state: str, at_work: Service) -> None:
    with pytest.raises((StateError, PermissionDenied), match=r"cannot be used|may not be written|is no folder"):
        at_work._check(SETTINGS.replace("STATE", state).encode())


def test_nor_is_one_taken_at_which_another_is_at_work(at_work: Service, tmp_path: Path) -> None:
    with Journal(tmp_path / "other").locked(), pytest.raises(StateInUse):
        at_work._check(SETTINGS.replace("STATE", "other").encode())


def test_its_own_state_by_another_name_is_no_other_one(
    at_work: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.agent.service.run.Errands.check", lambda _: None)
    with Journal(tmp_path / "state").locked():
        (tmp_path / "link").symlink_to("state")
        for name in ("link", "../" + tmp_path.name + "/state"):
            at_work._check(SETTINGS.replace("STATE", name).encode())


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "127.0.0.1:65536", "0.0.0.0:9436", "127.0.0.1:0"])
def test_metrics_are_told_at_a_port_of_loopback_alone(listen: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS.replace("127.0.0.1:9436", listen))
    with pytest.raises(ConfigError, match="is no port on loopback"):
        load_config(path)


class Hung:
    """An agent with a report on its way, at a server that says nothing; the loop of Git has found out what follows."""

    def __init__(self) -> None:
        self.bell, self.answers, self.stops = Bell(), threading.Event(), threading.Event()
        service = Service.__new__(Service)
        service._outbox, service._bell = cast(Outbox, self), cast(Bell, self)
        service._sending = threading.Thread(target=self.answers.wait, args=(30,), daemon=True)
        service._asking = threading.Thread(target=service._leave, daemon=True)
        service.has_newer_settings, service.successor, service._systemd = False, None, Systemd({})
        self.service = service

    def stop(self) -> None:
        """The Engine is looked after no more."""
        self.stops.set()

    def leave(self) -> None:
        self.service._sending.start()
        self.service._asking.start()


@pytest.fixture
def hung() -> Hung:
    return Hung()


def test_another_version_comes_when_no_report_is_on_its_way_and_until_then_the_engine_is_looked_after(
    hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs beside this one, by the same state."""
    monkeypatch.setattr("reconciler.agent.service.run.LAST_WORDS_SECONDS", 0.1)
    hung.service.successor = "0.2.0-a"
    hung.leave()
    assert not hung.stops.wait(0.2)
    assert hung.bell.stopped, "no report is begun any more"
    hung.answers.set()
    assert hung.stops.wait(10)


def test_newer_settings_do_not_wait_for_long_for_a_server_of_reports(
    hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be what names another one."""
    monkeypatch.setattr("reconciler.agent.service.run.LAST_WORDS_SECONDS", 0.1)
    hung.service.has_newer_settings = True
    hung.leave()
    assert hung.stops.wait(10)
    hung.service._wait_for_last_words(cast(Ending, SimpleNamespace(is_asked=False)))
    assert not hung.service._asking.is_alive()
    assert hung.service._sending.is_alive(), "it ends with the process"
    hung.answers.set()


def test_nothing_is_begun_while_another_one_follows(hung: Hung) -> None:
    """The outbox of this one cannot even send."""
    hung.service.successor = "0.2.0-a"
    assert [hung.service._send(), hung.service._retry()] == [(), 0.0]
