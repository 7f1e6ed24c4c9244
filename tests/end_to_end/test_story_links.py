"""Devices on bad links, over SSH and HTTPS: nothing is lost, and each ends at the newest trusted revision.

A sample by default; with SOAK=1, three devices with an Engine each, minutes of a flapping link, and 200 kills.
"""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import docker
import pytest
from plant import IMAGES, PATIENCE, Ground, Machine, Plant, ground, plant

from lab.engine import can_start_engines
from lab.waiting import wait_until

# Its Engines are its own, in networks of their own: it goes beside what needs the one of all tests.
pytestmark = pytest.mark.slow
LONG = bool(os.environ.get("SOAK"))
FLAPS, FLAP_SECONDS = (18, 5.0) if LONG else (2, 1.0)
KILLS = 200 if LONG else 6
FAKETIME = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ground]]:
    """For two devices, or three."""
    if not can_start_engines():
        pytest.skip("a private Engine needs root and dockerd; run lab/packages.sh")
    with ExitStack() as ends:
        yield [ends.enter_context(ground(tmp_path_factory.mktemp("ground"))) for _ in range(3 if LONG else 2)]


@pytest.fixture
def here(tmp_path: Path, grounds: list[Ground]) -> Iterator[Plant]:
    """Devices that run nothing yet."""
    with plant(tmp_path, grounds) as made:
        yield made


def running(here: Plant, image: str = "one") -> str:
    """Every device runs the first commit; its id."""
    commit = here.write(image)
    for machine in here.machines:
        machine.start()
    here.all_at(commit, image)
    return commit


def all_alive(here: Plant) -> None:
    for machine in here.machines:
        assert machine.running is not None
        assert machine.running.poll() is None, machine.log()[-2000:]
        assert "Traceback" not in machine.log()


def test_a_link_that_comes_and_goes_and_loses_a_third(here: Plant) -> None:
    running(here)
    for flap in range(FLAPS):
        for machine in here.machines:
            machine.link.cut()
        here.write("two" if flap % 2 else "one", note=f"flap {flap}")
        time.sleep(FLAP_SECONDS)
        for machine in here.machines:
            machine.link.mend()
            machine.link.lose(0.3)
        time.sleep(FLAP_SECONDS)
    newest = here.write("two", note="after all")
    for machine in here.machines:
        machine.link.mend()
    here.all_at(newest, "two")
    all_alive(here)


def test_a_server_that_is_away_for_long(here: Plant) -> None:
    """Offline the device heals, and reboots; on return it has what was pushed meanwhile."""
    running(here)
    here.server.stop()
    here.ssh.stop()
    newest = here.write("two", note="nobody hears of it yet")
    for machine in here.machines:
        machine.containers()[0].kill()
        healed(here, machine)
        # The power is gone: the agent starts without a network, and so does what it runs.
        machine.kill()
        machine.containers()[0].kill()
        machine.start()
        healed(here, machine)
    assert all(machine.images()[0][0] == IMAGES["one"] for machine in here.machines)
    here.server.start()
    here.ssh.start()
    here.all_at(newest, "two")
    all_alive(here)


def healed(here: Plant, machine: Machine) -> None:
    wait_until(lambda: machine.images() == [(IMAGES["one"], "running")], PATIENCE, "healing offline", 0.1)


def test_power_cuts_in_a_loop_while_updating(here: Plant) -> None:
    dice = random.Random(5)  # noqa: S311 - it plays
    running(here)
    for cut in range(KILLS):
        here.write("two" if cut % 2 else "one", note=f"cut {cut}")
        for machine in here.machines:
            if machine.running is None:
                machine.start()
        time.sleep(dice.uniform(0.2, 2.5))
        for machine in here.machines:
            machine.kill()
            if dice.random() < 0.2:
                for container in machine.containers():
                    container.remove(force=True) if dice.random() < 0.3 else stop_at_once(container)
    newest = here.write("two", note="after all")
    for machine in here.machines:
        machine.start()
    here.all_at(newest, "two")
    all_alive(here)


def stop_at_once(container: object) -> None:
    """As the power does; it may have been stopped."""
    with suppress(docker.errors.APIError):
        container.kill()  # type: ignore[attr-defined]


def test_a_disk_that_is_full(here: Plant) -> None:
    machine = here.machines[-1]
    state = machine.device.state
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", state], check=True)
    try:
        running(here)
        with (state / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"\0" * 4096)
        before = machine.containers()[0].id
        newest = here.write("two", note="no room for it")
        wait_until(lambda: "No space left" in machine.log() or "no space" in machine.log(), PATIENCE, "telling", 0.2)
        assert machine.containers()[0].id == before
        assert machine.images() == [(IMAGES["one"], "running")]
        (state / "filler").unlink()
        here.all_at(newest, "two")
        all_alive(here)
    finally:
        machine.kill()
        subprocess.run(["umount", "--lazy", state], check=True)


@pytest.mark.skipif(not FAKETIME, reason="no faketime (Debian: faketime)")
def test_a_clock_that_is_years_off(here: Plant) -> None:
    """Long ago, the newest commit is of the future; far ahead, it is one as any other."""
    running(here)
    machine = here.machines[0]
    machine.stop()
    before = machine.containers()[0].id
    newest = here.write("two", note="what is the time?")
    # By its library alone: the program `faketime` passes no signals on.
    machine.start("env", f"LD_PRELOAD={FAKETIME[0]}", "FAKETIME=-10y")
    wait_until(lambda: "FUTURE" in machine.log(), PATIENCE, "FUTURE", 0.2)
    assert machine.containers()[0].id == before
    assert machine.images() == [(IMAGES["one"], "running")]
    machine.stop()
    machine.start("env", f"LD_PRELOAD={FAKETIME[0]}", "FAKETIME=+10y")
    here.all_at(newest, "two")
    machine.stop()
    newest = here.write("one", note="it is today again")
    machine.start()
    here.all_at(newest, "one")
    all_alive(here)
