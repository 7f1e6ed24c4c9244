"""Was this process asked to end? Also while it becomes another program, in which no word must be lost."""

import signal
from collections.abc import Callable

_ENDS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Hears SIGTERM and SIGINT from the moment that it is made, and those that came while they were held back."""

    def __init__(self) -> None:
        self.is_asked = False
        self._stop: Callable[[], None] = lambda: None
        for number in _ENDS:
            signal.signal(number, lambda *_: self._hear())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)

    def then(self, stop: Callable[[], None]) -> None:
        """Call this when it is asked; at once, when it was."""
        self._stop = stop
        if self.is_asked:
            stop()

    def hold_back(self) -> bool:
        """From now on signals wait for the program that follows (execve(2) keeps them); False, if one came before."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        return not self.is_asked

    def _hear(self) -> None:
        self.is_asked = True
        self._stop()
