"""Somebody who undoes what we do, again and again: noticed by the same step coming back, and not fought at once."""

from collections import Counter, deque
from collections.abc import Iterable

WINDOW_SECONDS = 60.0
# So often within a minute a person may try what happens; after that, each time waits twice as long.
PATIENCE = 3
FIRST_SECONDS, MOST_SECONDS = 1.0, 60.0


class Fights:
    """The steps of the last minute. Times are those of a clock that only goes on."""

    def __init__(self) -> None:
        self._done: deque[tuple[float, str]] = deque()

    def note(self, steps: Iterable[str], now: float) -> None:
        """These steps were done, each told as a plan tells it: verb, subject, cause. A wait undoes nothing."""
        self._done.extend((now, step) for step in steps if step.partition(" ")[0] != "wait")

    def worst(self, now: float) -> tuple[str, int]:
        """The step that came back most often within the window, and how often."""
        while self._done and now - self._done[0][0] > WINDOW_SECONDS:
            self._done.popleft()
        counted = Counter(step for _, step in self._done).most_common(1)
        return counted[0] if counted else ("", 0)

    def gap(self, now: float) -> float:
        """How long to leave things alone before the next healing, in seconds."""
        _, times = self.worst(now)
        return 0.0 if times <= PATIENCE else min(FIRST_SECONDS * 2 ** (times - PATIENCE - 1), MOST_SECONDS)
