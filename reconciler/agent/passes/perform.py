"""Performs a plan: its lanes side by side. An app whose step fails is left there; the other apps go on."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Thread

from reconciler.agent.engine.seam import Engine
from reconciler.errors import (
    EngineUnavailable,
    ImagePending,
    Interrupted,
    PermissionDenied,
    ReconcilerError,
    SealRefused,
    ServiceFailed,
    UpdateLocked,
)
from reconciler.planning import (
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    HoldForLock,
    Lanes,
    PullImage,
    Step,
    StoreConfig,
    side_by_side,
)
from reconciler.terminal import printable

log = logging.getLogger("reconciler")


_UNLOCK = "it goes on when the lock is gone; to go on without it, say `override: true` in `x-update-lock`"


@dataclass(frozen=True, slots=True)
class Performed:
    """How far we came: the steps done, as plan lines, and what stopped an app.

    `waited` are the apps that were waited for; `touched` those of which more than preparations were tried; `pulled` the
    images that came.
    """

    done: tuple[str, ...] = ()
    failures: Mapping[str, ReconcilerError] = field(default_factory=dict)
    waited: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    pulled: frozenset[str] = frozenset()

    def then(self, later: "Performed") -> "Performed":
        """Both, with the failures of the later try for the apps that it tried."""
        return Performed(
            self.done + later.done,
            {**self.failures, **later.failures},
            self.waited | later.waited,
            self.touched | later.touched,
            self.pulled | later.pulled,
        )

    @property
    def wrote(self) -> Mapping[str, tuple[str, ...]]:
        """By app, the last lines of what failed, where they were read."""
        found = {app: error.lines for app, error in self.failures.items() if isinstance(error, ServiceFailed)}
        return {app: lines for app, lines in found.items() if lines}

    def without_failures(self, apps: Iterable[str]) -> "Performed":
        gone = set(apps)
        return replace(self, failures={app: error for app, error in self.failures.items() if app not in gone})


# After these alone, an app is as it was, and there is nothing to go back from.
_PREPARING = (PullImage, StoreConfig, CreateNetwork, CreateVolume, CreateContainer, ConnectNetwork, HoldForLock)


def perform(steps: Iterable[Step], engine: Engine) -> Performed:
    """Perform the steps, side by side what may be. Raises EngineUnavailable, PermissionDenied, Interrupted: nothing can
    follow.
    """
    steps = tuple(steps)
    work = _Work(engine)
    for lanes in side_by_side(steps):
        work.go(lanes)
    # Each step is another object; told in the order of the plan, however the lanes went.
    done = tuple(str(step) for step in steps if id(step) in work.done)
    pulled = frozenset(step.image for step in steps if isinstance(step, PullImage) and id(step) in work.done)
    return Performed(done, work.failures, frozenset(work.waited), frozenset(work.touched), pulled)


class _Work:
    """A plan being performed; lanes write to it from threads of their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.done: set[int] = set()
        self.failures: dict[str, ReconcilerError] = {}
        self.waited: set[str] = set()
        self.touched: set[str] = set()

    def go(self, lanes: Lanes) -> None:
        """Do the lanes of one group. An error that ends all is raised when every lane has come to its end."""
        at_once = min(len(lanes), self._engine.at_once)
        if at_once == 1:
            for lane in lanes:
                self._lane(lane)
            return
        left, ends = iter(lanes), list[Exception]()

        def work() -> None:
            try:
                for lane in left:
                    self._lane(lane)
            except Exception as error:
                ends.append(error)

        # Daemons end with the process: Ctrl-C does not wait for a health check of ten minutes.
        threads = [Thread(target=work, name=f"lane-{number}", daemon=True) for number in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if ends:
            raise ends[0]

    def _lane(self, lane: tuple[Step, ...]) -> None:
        for step in lane:
            if step.app not in self.failures:
                self._step(step)

    def _step(self, step: Step) -> None:
        log.info("step     %s", step)
        is_first = step.app not in self.touched
        if not isinstance(step, _PREPARING):
            self.touched.add(step.app)
        try:
            if isinstance(step, HoldForLock):
                raise UpdateLocked(f"{step.subject} is not touched: {step.cause}", advice=_UNLOCK)
            self._engine.perform(step)
        except (EngineUnavailable, PermissionDenied, Interrupted):
            raise
        except ImagePending as pending:
            self.failures.setdefault(step.app, pending)
            return
        except ReconcilerError as error:
            log.error("failed   %s: %s", step.subject, error)
            for line in error.lines if isinstance(error, ServiceFailed) else ():
                log.error("wrote    %s: %s", step.subject, printable(line))
            if is_first and isinstance(error, SealRefused):
                # It was to be written in place, and nothing was.
                self.touched.discard(step.app)
            # Of two services of an app that fail side by side, the first to be told is the one that is reported.
            self.failures.setdefault(step.app, error)
            return
        self.done.add(id(step))
        if isinstance(step, AwaitHealthy):
            self.waited.add(step.app)
