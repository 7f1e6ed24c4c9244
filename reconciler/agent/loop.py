"""When to reconcile: now, then after each interval, or sooner when somebody nudges."""

import contextlib
import hashlib
import logging
import os
import select
import time
from collections.abc import Callable

from reconciler.errors import Interrupted, ReconcilerError

log = logging.getLogger("reconciler")

# A fleet that started in one second must not poll in one second for ever (decided by name, so tests can repeat it).
JITTER = 0.1


def delay(interval: float, device: str, count: int) -> float:
    """Seconds until the next pass: the interval, give or take a tenth, as the device's name and the count decide."""
    fraction = int(hashlib.sha256(f"{device}:{count}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return interval * (1 - JITTER + 2 * JITTER * fraction)


class Bell:
    """Wakes who waits. It is rung from signal handlers, so it takes no lock: a pipe is all there is."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopped = False

    def ring(self) -> None:
        """Do not wait out the interval."""
        with contextlib.suppress(BlockingIOError):  # full: it has been rung often enough
            os.write(self._writing, b"\0")

    def stop(self) -> None:
        """End as soon as no step is under way."""
        self.stopped = True
        self.ring()

    def wait(self, seconds: float) -> None:
        """Until somebody rings, at most so long."""
        if not self.stopped and select.select([self._reading], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reading, 4096)

    def sleep(self, seconds: float) -> None:
        """Sleep while a step waits for a container. Raises Interrupted when the agent is to stop."""
        if self.stopped:
            raise Interrupted("stopped while waiting for a container", advice="the next start goes on")
        time.sleep(seconds)


class Loop:
    """Calls `reconcile` until it is stopped. An error ends a pass, never the loop."""

    def __init__(self, reconcile: Callable[[], None], interval: float, device: str, bell: Bell) -> None:
        self._reconcile, self._interval, self._device, self._bell = reconcile, interval, device, bell

    def run(self) -> None:
        count = 0
        while not self._bell.stopped:
            self._pass()
            count += 1
            self._bell.wait(delay(self._interval, self._device, count))

    def _pass(self) -> None:
        try:
            self._reconcile()
        except ReconcilerError as error:
            log.error("%s", error)
        except Exception:
            # The outermost guard: a device in the field must try again, whatever we got wrong.
            log.exception("a defect of the reconciler; the next pass tries again")
