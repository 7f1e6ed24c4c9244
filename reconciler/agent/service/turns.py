"""How far the two loops are: somebody who asks for a pass wants one that began after the asking."""

import threading
import time
from collections.abc import Callable

from reconciler.agent.passes.reconcile import Result


class Turns:
    """Counts the turns of the loop of Git and of that of the Engine. Each loop has one thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = self._answered = 0
        self._began = 0
        # The first pass that knows what Git said in its newest turn; and the newest one that has ended.
        self._knows = 0
        self._ended = 0
        self._result: Result | None = None

    def asks(self) -> None:
        """The loop of Git begins a turn."""
        with self._changed:
            self._asked += 1

    def knows(self) -> None:
        """It is known what Git says: a pass that begins from now on goes by it."""
        with self._changed:
            self._answered = self._asked
            self._knows = self._began + 1
            self._changed.notify_all()

    def begins(self) -> None:
        """The loop of the Engine begins a pass."""
        with self._changed:
            self._began += 1

    def ended(self, result: Result) -> None:
        """It has ended."""
        with self._changed:
            self._ended, self._result = self._began, result
            self._changed.notify_all()

    def next(self, ring: Callable[[], None], seconds: float) -> Result | None:
        """Ring, and wait for a turn of Git that began after that and for a pass that goes by it; None if too late."""
        end = time.monotonic() + seconds
        with self._changed:
            turn = self._asked + 1
            ring()
            if not self._changed.wait_for(lambda: self._answered >= turn, end - time.monotonic()):
                return None
            knowing = self._knows
            if not self._changed.wait_for(lambda: self._ended >= knowing, end - time.monotonic()):
                return None
            return self._result
