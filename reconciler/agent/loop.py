"""When to reconcile: now, then after each interval, or sooner when somebody nudges."""

import hashlib
import logging
import threading
from collections.abc import Callable

from reconciler.errors import ReconcilerError

log = logging.getLogger("reconciler")

# A fleet that started in one second must not poll in one second for ever (decided by name, so tests can repeat it).
JITTER = 0.1


def delay(interval: float, device: str, count: int) -> float:
    """Seconds until the next pass: the interval, give or take a tenth, as the device's name and the count decide."""
    fraction = int(hashlib.sha256(f"{device}:{count}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return interval * (1 - JITTER + 2 * JITTER * fraction)


class Loop:
    """Calls `reconcile` until it is stopped. An error ends a pass, never the loop."""

    def __init__(self, reconcile: Callable[[], None], interval: float, device: str) -> None:
        self._reconcile, self._interval, self._device = reconcile, interval, device
        self._nudged = threading.Event()
        self._stopped = False

    def nudge(self) -> None:
        """Do not wait out the interval."""
        self._nudged.set()

    def stop(self) -> None:
        """End after the pass that is under way."""
        self._stopped = True
        self._nudged.set()

    def run(self) -> None:
        count = 0
        while not self._stopped:
            self._nudged.clear()
            self._pass()
            count += 1
            if not self._stopped:
                self._nudged.wait(delay(self._interval, self._device, count))

    def _pass(self) -> None:
        try:
            self._reconcile()
        except ReconcilerError as error:
            log.error("%s", error)
        except Exception:
            # The outermost guard: a device in the field must try again, whatever we got wrong.
            log.exception("a defect of the reconciler; the next pass tries again")
