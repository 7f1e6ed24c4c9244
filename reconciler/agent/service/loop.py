"""When to reconcile: now, then after each interval, or sooner when somebody nudges; and to heal, when the Engine tells
that something happened to a container.
"""

import contextlib
import enum
import logging
import math
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.agent.service.fights import Fights
from reconciler.agent.state.backoff import jittered
from reconciler.errors import Interrupted, ReconcilerError

log = logging.getLogger("reconciler")

Result = TypeVar("Result")

# What one act does to the Engine comes as several events, and some of them while it still goes on: wait until it is
# quiet for so long, but not for ever.
SETTLE_SECONDS, SETTLE_MOST_SECONDS = 0.1, 0.5
# An event may come before what the Engine lists knows of it: Engine 20.10 tells that a container died, clears up after
# it, and only then lists it as exited. Where a look after an event finds all well, another one follows.
SECOND_LOOK_SECONDS = 1.0
# With a tenth less of it, the rest that a server asks for is kept.
_LATER = 1.12
_NUDGE, _CHANGE = b"n", b"c"


class Rung(enum.Enum):
    """What a bell was rung for."""

    NOT = enum.auto()
    CHANGE = enum.auto()
    NUDGE = enum.auto()


def delay(interval: float, device: str, count: int) -> float:
    """Seconds until the next pass: a fleet that started in one second must not poll in one second for ever."""
    return jittered(interval, f"{device}:{count}")


class Bell:
    """Wakes who waits. It is rung from signal handlers and threads, so it takes no lock: a pipe is all there is."""

    def __init__(self, alive: Callable[[], None] = lambda: None, each: float = math.inf) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Called while somebody waits, at least once in so many seconds.
        self._alive, self._each = alive, each
        self.stopped = False

    def ring(self) -> None:
        """Do not wait out the interval."""
        self._write(_NUDGE)

    def ring_for_change(self) -> None:
        """Something happened to a container: heal, but do not ask Git sooner for it."""
        self._write(_CHANGE)

    def stop(self) -> None:
        """End as soon as no step is under way."""
        self.stopped = True
        self.ring()

    def wait(self, seconds: float) -> "Rung":
        """Until somebody rings, at most so long: for what, a nudge before a change."""
        if self.stopped:
            return Rung.NUDGE
        if not self._is_rung(seconds):
            return Rung.NOT
        return Rung.NUDGE if _NUDGE in os.read(self._reading, 4096) else Rung.CHANGE

    def sleep(self, seconds: float) -> None:
        """Sleep while a step waits for a container. Raises Interrupted when the agent is to stop."""
        if self.stopped:
            raise Interrupted("stopped while waiting for a container", advice="the next start goes on")
        self._alive()
        time.sleep(seconds)

    def _is_rung(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while True:
            self._alive()
            left = max(0.0, end - time.monotonic())
            if select.select([self._reading], [], [], min(left, self._each))[0]:
                return True
            if left <= self._each:
                return False

    def _write(self, word: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been rung often enough
            os.write(self._writing, word)


@dataclass(frozen=True, slots=True)
class Passes:
    """What the loop calls. `reconcile` tells how many seconds it must not come again; `heal`, the steps that it did."""

    reconcile: Callable[[], float]
    heal: Callable[[], Sequence[str]]


class Loop:
    """Calls `reconcile` at each interval, and `heal` between. An error ends a pass, never the loop."""

    def __init__(
        self, passes: Passes, interval: float, device: str, bell: Bell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._passes, self._interval, self._device, self._bell, self._clock = passes, interval, device, bell, clock
        self._fights = Fights()

    def run(self) -> None:
        count = 0
        while not self._bell.stopped:
            rest = _guarded(self._passes.reconcile) or 0.0
            count += 1
            # Who was told to come back later comes later still, and not all in one second.
            wait = max(self._interval, rest * _LATER) if rest else self._interval
            self._between(self._clock() + delay(wait, self._device, count))

    def _between(self, until: float) -> None:
        """Heal what changes, until it is time to ask Git again or somebody nudges."""
        second_look = until
        while (now := self._clock()) < until:
            wake = min(second_look, until)
            rung = self._bell.wait(wake - now)
            if rung is Rung.NUDGE or (rung is Rung.NOT and wake == until):
                return
            if rung is Rung.CHANGE and self._settle(until):
                return
            steps = _guarded(self._passes.heal) or ()
            self._fights.note(steps, self._clock())
            second_look = self._clock() + SECOND_LOOK_SECONDS if rung is Rung.CHANGE and not steps else until

    def _settle(self, until: float) -> bool:
        """Let things settle, longer where somebody undoes what we do; a nudge ends it, and is told."""
        began = self._clock()
        gap = self._fights.gap(began)
        if gap:
            log.warning("fight    %s: %d times within a minute; waiting %g s", *self._fights.worst(began), gap)
        end, last = began + max(gap, SETTLE_SECONDS), min(began + max(gap, SETTLE_MOST_SECONDS), until)
        while (now := self._clock()) < min(end, last):
            wake = min(end, last)
            rung = self._bell.wait(wake - now)
            if rung is Rung.NUDGE:
                return True
            if rung is Rung.CHANGE:
                end = max(end, self._clock() + SETTLE_SECONDS)
        return self._bell.stopped


def _guarded(act: Callable[[], Result]) -> Result | None:
    try:
        return act()
    except ReconcilerError as error:
        log.error("%s", error)
    except Exception:
        # The outermost guard: a device in the field must try again, whatever we got wrong.
        log.exception("a defect of the reconciler; the next pass tries again")
    return None
