"""Pulls go on aside, so that what runs is healed meanwhile: a pass asks for an image, and is told where it stands."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from reconciler.agent.engine.pull_progress import Progress, Tell
from reconciler.agent.state.backoff import backoff, jittered
from reconciler.agent.state.moment import boot_seconds, rfc3339
from reconciler.errors import ImagePending, ImageUnavailable, NoRoom, ReconcilerError
from reconciler.planning import PullImage

log = logging.getLogger("reconciler")

# As balena and helios: more at once only share the same link.
MOST_AT_ONCE = 3
# Between two lines of the log on one pull.
TOLD_EVERY_SECONDS = 10.0


class Machinery(Protocol):
    """What happens beside the passes: threads and timers.

    `now` is in seconds of a clock that nobody sets: by one that was set back, the next try would be as far away as the
    jump. `wall` is what people call the time, in seconds since 1970; it is for words alone.
    """

    def now(self) -> float: ...

    def wall(self) -> float: ...

    def aside(self, name: str, act: Callable[[], None]) -> None: ...

    def later(self, seconds: float, act: Callable[[], None]) -> None: ...


class Threads:
    """The real machinery. Its threads end with the process, which waits for none of them."""

    def now(self) -> float:
        return boot_seconds()

    def wall(self) -> float:
        return time.time()

    def aside(self, name: str, act: Callable[[], None]) -> None:
        threading.Thread(target=act, name=name, daemon=True).start()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()


class _GivenUp(ReconcilerError):
    """Nobody wants the image any more."""


@dataclass(eq=False)
class _Pull:
    """One image that somebody wants. It is queued, under way, or waits for its next try at `due`.

    `due_by_wall` is the same, as it was told: told anew after each step of that clock, reports would never end.
    """

    step: PullImage
    is_wanted: bool = True
    is_under_way: bool = False
    progress: Progress = field(default_factory=Progress)
    tries: int = 0
    why: ReconcilerError | None = None
    due: float = 0.0
    due_by_wall: float = 0.0
    told_at: float = 0.0

    def stands(self) -> ImageUnavailable:
        """Where it stands, as a pass tells it. The report changes by tenths, not with every byte."""
        image = self.step.image
        if self.is_under_way:
            return ImagePending(f"pulling {image}{self.progress.in_tenths}")
        if self.why is None:
            return ImagePending(f"{image} is pulled when others are here")
        kind = NoRoom if isinstance(self.why, NoRoom) else ImageUnavailable
        return kind(self.why.what, advice=f"nothing was stopped; the next try is at {rfc3339(self.due_by_wall)}")


class Pulls:
    """All pulls of a device. `pull` does one and returns when it is done; `ring` wakes the passes when one ended."""

    def __init__(
        self,
        pull: Callable[[str, str, Tell], None],
        ring: Callable[[], None],
        machinery: Machinery | None = None,
    ) -> None:
        self._pull, self._ring = pull, ring
        self._machinery = machinery or Threads()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Pull] = {}
        self._asked: set[tuple[str, str]] = set()
        self._ended: list[PullImage] = []

    def want(self, step: PullImage) -> None:
        """Have the image pulled. Always raises where it stands: ImagePending or ImageUnavailable."""
        key = step.image, step.platform
        with self._lock:
            self._asked.add(key)
            pull = self._known.setdefault(key, _Pull(step))
            self._start_due()
            raise pull.stands()

    def end_pass(self) -> tuple[PullImage, ...]:
        """Give up what nobody asked for since the last pass ended; and the pulls that ended well since then."""
        with self._lock:
            for key in self._known.keys() - self._asked:
                self._known.pop(key).is_wanted = False
            ended, self._ended = tuple(self._ended), []
            self._asked.clear()
            self._start_due()
        return ended

    def hurry(self) -> None:
        """The network is back: try at once what waits for its next try."""
        with self._lock:
            for pull in self._known.values():
                pull.due, pull.tries = 0.0, 0
            self._start_due()

    def _start_due(self) -> None:
        """Start what may start, in the order in which it was asked for. The lock is held."""
        under_way = sum(pull.is_under_way for pull in self._known.values())
        for pull in self._known.values():
            if under_way >= MOST_AT_ONCE:
                return
            if not pull.is_under_way and pull.due <= self._machinery.now():
                pull.is_under_way, pull.progress = True, Progress()
                under_way += 1
                self._machinery.aside(f"pull {pull.step.image}", partial(self._try, pull))

    def _try(self, pull: _Pull) -> None:
        """One try, in a thread of its own."""
        began = pull.told_at = self._machinery.now()
        try:
            log.info("pull     %s %s", pull.step.subject, pull.step.image)
            self._pull(pull.step.image, pull.step.platform, partial(self._tell, pull))
        except _GivenUp:
            log.info("pull     %s is not wanted any more", pull.step.image)
        except ReconcilerError as error:
            self._failed(pull, error)
        except Exception as error:
            # Outermost guard of this thread: no image would ever come again after a defect of ours.
            log.exception("a defect of the reconciler; the pull is tried again")
            self._failed(pull, ImageUnavailable(f"cannot pull {pull.step.image}: {error!r}"))
        else:
            log.info("pulled   %s in %.1f s", pull.step.image, self._machinery.now() - began)
            self._succeeded(pull)
        with self._lock:
            self._start_due()
        self._ring()

    def _succeeded(self, pull: _Pull) -> None:
        with self._lock:
            if pull.is_wanted:
                self._known.pop((pull.step.image, pull.step.platform))
                self._ended.append(pull.step)

    def _failed(self, pull: _Pull, error: ReconcilerError) -> None:
        with self._lock:
            pull.tries += 1
            wait = jittered(backoff(pull.tries), f"{pull.step.image}:{pull.tries}")
            pull.is_under_way, pull.why = False, error
            pull.due, pull.due_by_wall = self._machinery.now() + wait, self._machinery.wall() + wait
        log.warning("%s; the next try is in %.0f s", error.what, wait)
        self._machinery.later(wait, self._try_due)

    def _try_due(self) -> None:
        with self._lock:
            self._start_due()

    def _tell(self, pull: _Pull, progress: Progress) -> None:
        """One word of progress. Raises what ends the pull."""
        now = self._machinery.now()
        pull.progress = progress
        if not pull.is_wanted:
            raise _GivenUp(f"{pull.step.image} is not wanted any more")
        if now - pull.told_at >= TOLD_EVERY_SECONDS:
            pull.told_at = now
            log.info("pulling  %s: %s", pull.step.image, progress)
