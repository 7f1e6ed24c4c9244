"""Waits for a service without a health check, while somebody sets the clock. Time is a script here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.agent.docker_engine.waiting import Waits
from reconciler.errors import ServiceFailed
from reconciler.model import Service, Update
from reconciler.planning import AwaitCompleted, AwaitHealthy

NOON, HOUR, MONITOR = 1_800_000_000.0, 3600.0, 5.0
# Looks are so far apart that the one that finds it well may come so late.
A_LOOK = 0.3
SERVICE = Service("web", "web:1", "shop-web-1", update=Update(monitor=MONITOR))
WAIT = AwaitHealthy("shop", "shop/web", "started", "ab", SERVICE)


@dataclass
class Machine:
    """An Engine with one container, and two clocks. `ahead` is by how much the Engine's differs from the agent's.

    `meanwhile` is what happens when so many seconds have gone by.
    """

    time: float = 1000.0
    set_to: float = NOON
    ahead: float = 0.0
    is_on_this_machine: bool = True
    state: str = "running"
    exit_code: int = 0
    restarts: int = 0
    started: float = 0.0
    meanwhile: dict[float, Callable[[], None]] = field(default_factory=dict)

    @property
    def api(self) -> "Machine":
        return self

    def wall(self) -> float:
        return self.set_to + self.time

    def clock(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for when in [when for when in self.meanwhile if when <= self.time]:
            self.meanwhile.pop(when)()

    def set_clock(self, seconds: float) -> None:
        self.set_to += seconds

    def start(self) -> None:
        self.started, self.state = self.wall() + self.ahead, "running"

    def crash(self) -> None:
        """And come back, as its restart policy says."""
        self.restarts += 1
        self.start()

    def inspect_container(self, container: str) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.started, UTC).isoformat()
        state = {"Status": self.state, "ExitCode": self.exit_code, "StartedAt": at}
        return {"State": state, "Config": {}, "RestartCount": self.restarts}

    def waits(self) -> Waits:
        return Waits(self, lambda _: (), self.sleep, self.clock, self.wall)  # type: ignore[arg-type]  # as a Client


def waited(machine: Machine, waits: Waits | None = None) -> float:
    """The seconds until the container is judged to be well."""
    before = machine.time
    (waits or machine.waits()).until_healthy(WAIT)
    return machine.time - before


def test_it_is_well_when_it_has_run_for_so_long() -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    assert waited(machine, waits) == pytest.approx(MONITOR, abs=A_LOOK)


@pytest.mark.parametrize("step", [-HOUR, HOUR, -10.0, 10.0])
def test_a_clock_that_is_set_after_the_start_makes_no_wait_longer_or_shorter(step: float) -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.set_clock(step)
    assert waited(machine, waits) == pytest.approx(MONITOR, abs=A_LOOK)


@pytest.mark.parametrize("step", [-HOUR, HOUR, -10.0, 10.0])
def test_a_clock_that_is_set_during_a_wait_changes_nothing(step: float) -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.meanwhile[machine.time + 2] = lambda: machine.set_clock(step)
    assert waited(machine, waits) == pytest.approx(MONITOR, abs=A_LOOK)


def test_what_crashes_is_not_well_because_the_clock_goes_ahead() -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.set_clock(HOUR)
    machine.meanwhile[machine.time + 3] = machine.crash
    with pytest.raises(ServiceFailed, match="exits and is started again"):
        waited(machine, waits)


@pytest.mark.parametrize("ahead", [-HOUR, -10.0, 10.0, HOUR])
def test_an_engine_elsewhere_may_have_another_time(ahead: float) -> None:
    machine = Machine(ahead=ahead, is_on_this_machine=False)
    waits = machine.waits()
    machine.start()
    assert waited(machine, waits) == pytest.approx(MONITOR, abs=A_LOOK)


def test_what_was_watched_once_is_not_watched_again_elsewhere_either() -> None:
    machine = Machine(ahead=HOUR, is_on_this_machine=False)
    waits = machine.waits()
    machine.start()
    waited(machine, waits)
    assert waited(machine, waits) == pytest.approx(0.0, abs=A_LOOK)
    machine.start()
    assert waited(machine, waits) == pytest.approx(MONITOR, abs=A_LOOK)


def test_what_has_run_since_before_the_wait_is_waited_for_no_longer() -> None:
    """Services are started one after the other, and then waited for."""
    machine = Machine()
    waits = machine.waits()
    machine.sleep(1)
    machine.start()
    machine.sleep(3)
    assert waited(machine, waits) == pytest.approx(MONITOR - 3, abs=A_LOOK)
    assert waited(machine, waits) == 0


def test_what_was_there_before_the_agent_has_run_since_the_agent_began_at_least() -> None:
    machine = Machine()
    machine.start()
    machine.set_clock(HOUR)
    waits = machine.waits()
    machine.sleep(3)
    assert waited(machine, waits) == pytest.approx(MONITOR - 3, abs=A_LOOK)
    machine.sleep(HOUR)
    assert waited(machine, waits) == 0


def test_once_the_clock_was_set_it_is_trusted_again_for_what_comes_after() -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.set_clock(-HOUR)
    waited(machine, waits)
    machine.crash()
    machine.sleep(3)
    assert waited(machine, waits) == pytest.approx(MONITOR - 3, abs=A_LOOK)


def test_what_somebody_starts_anew_meanwhile_begins_anew() -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.meanwhile[machine.time + 3] = machine.start
    assert waited(machine, waits) == pytest.approx(3 + MONITOR, abs=A_LOOK)


def test_a_job_is_waited_for_whatever_the_time_is() -> None:
    machine = Machine()
    waits = machine.waits()
    machine.start()
    machine.set_clock(-HOUR)

    def end() -> None:
        machine.state = "exited"

    machine.meanwhile[machine.time + 3] = end
    before = machine.time
    waits.until_completed(AwaitCompleted("shop", "shop/web", "api depends on it", "ab", SERVICE))
    assert machine.time - before == pytest.approx(3, abs=A_LOOK)
