"""A version on trial says that it has proven itself when it has, not when it would ask Git a second time."""

import threading

import pytest

from reconciler.agent.service import run as service
from reconciler.agent.service.run import Service


class Loops:
    """The report of its first whole pass has just been sent."""

    def __init__(self) -> None:
        self.proven = threading.Event()

    def send(self) -> None:
        self.proven.set()


def test_the_proof_is_told_once_the_report_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(service, "is_on_trial", lambda: True)
    monkeypatch.setattr(service, "tell_proven", lambda: told.append("proven"))
    running = Service.__new__(Service)
    running.has_newer_settings, running.successor, running._loops = False, None, Loops()  # type: ignore[assignment]
    running._send()
    assert told == ["proven"]
    running.successor = "0.2.0-a"
    running._send()
    assert told == ["proven"], "nothing is begun while another one follows"
