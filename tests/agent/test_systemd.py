"""What systemd hears: on a real socket, as sd_notify(3) says it."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.host.systemd import Systemd
from reconciler.agent.service.loop import Bell, Rung

UNIT = Path(__file__).parents[2] / "packaging/reconciler.service"


class Heard:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def all(self) -> list[str]:
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a file", "no file"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Heard, str]]:
    name = f"{tmp_path.name}-{os.getpid()}"
    told, address = (
        (str(tmp_path / "n"), str(tmp_path / "n")) if request.param == "a file" else (f"@{name}", f"\0{name}")
    )
    heard = Heard(address)
    yield heard, told
    heard.close()


def test_it_says_what_happens(heard: tuple[Heard, str]) -> None:
    ear, address = heard
    systemd = Systemd({"NOTIFY_SOCKET": address})
    systemd.ready()
    systemd.status("Healthy at main@\n0123")
    systemd.stopping()
    assert ear.all() == ["READY=1", "STATUS=Healthy at main@?0123", "STOPPING=1"]


def test_without_a_watchdog_it_never_beats(heard: tuple[Heard, str]) -> None:
    ear, address = heard
    for more in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}):
        systemd = Systemd({"NOTIFY_SOCKET": address, **more})
        systemd.beat()
        assert systemd.pause == float("inf")
    assert ear.all() == []


def test_it_beats_twice_in_each_interval_however_often_it_is_called(heard: tuple[Heard, str]) -> None:
    ear, address = heard
    now = [100.0]
    systemd = Systemd(
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, lambda: now[0]
    )
    assert systemd.pause == 15.0
    for second in range(31):
        now[0] = 100.0 + second
        systemd.beat()
    assert ear.all() == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("address", ["", "relative", "/nonexistent/socket"])
def test_nobody_there_is_no_reason_to_fail(address: str) -> None:
    Systemd({"NOTIFY_SOCKET": address}).ready()


def test_whoever_waits_on_a_bell_is_alive() -> None:
    times: list[int] = []
    bell = Bell(lambda: times.append(1), each=0.01)
    assert bell.wait(0.05) is Rung.NOT
    assert len(times) >= 3
    threading.Thread(target=bell.ring_for_change).start()
    assert bell.wait(60) is Rung.CHANGE, "a ring ends it as before"
    bell.sleep(0)
    assert len(times) >= 5


def test_the_unit_hides_nothing_that_admission_looks_at() -> None:
    """Links of binds are followed before they are judged: what is hidden from us would be judged wrongly."""
    lines = UNIT.read_text().splitlines()
    assert {"Type=notify", "ExecStart=/opt/reconciler/bin/reconciler run", "ProtectHome=read-only"} <= set(lines)
    assert not [
        line for line in lines if line.startswith(("PrivateTmp=", "InaccessiblePaths=", "TemporaryFileSystem="))
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_reads_the_unit_without_a_word(tmp_path: Path) -> None:
    unit = tmp_path / "reconciler.service"
    unit.write_text(UNIT.read_text().replace("/opt/reconciler/bin/reconciler", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    # What else is installed on this machine is not ours to mend.
    assert [line for line in done.stderr.splitlines() if "reconciler" in line] == []
