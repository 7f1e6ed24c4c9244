"""Performs a plan, step after step. An app whose step fails is left there; the other apps go on."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.agent.engine import Engine
from reconciler.errors import EngineUnavailable, Interrupted, PermissionDenied, ReconcilerError
from reconciler.planning import (
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    PullImage,
    Step,
    StoreConfig,
)

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Performed:
    """How far we came: the steps done, as plan lines, and what stopped an app.

    `waited` are the apps that were waited for; `touched` those of which more than preparations were tried.
    """

    done: tuple[str, ...] = ()
    failures: Mapping[str, ReconcilerError] = field(default_factory=dict)
    waited: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()

    def then(self, later: "Performed") -> "Performed":
        """Both, with the failures of the later try for the apps that it tried."""
        return Performed(
            self.done + later.done,
            {**self.failures, **later.failures},
            self.waited | later.waited,
            self.touched | later.touched,
        )

    def without_failures(self, apps: Iterable[str]) -> "Performed":
        gone = set(apps)
        return replace(self, failures={app: error for app, error in self.failures.items() if app not in gone})


# After these alone, an app is as it was, and there is nothing to go back from.
_PREPARING = (PullImage, StoreConfig, CreateNetwork, CreateVolume, CreateContainer, ConnectNetwork)


def perform(steps: Iterable[Step], engine: Engine) -> Performed:
    """Perform the steps in order. Raises EngineUnavailable, PermissionDenied, Interrupted: nothing can follow."""
    done: list[str] = []
    failures: dict[str, ReconcilerError] = {}
    waited: set[str] = set()
    touched: set[str] = set()
    for step in steps:
        if step.app in failures:
            continue
        log.info("step     %s", step)
        if not isinstance(step, _PREPARING):
            touched.add(step.app)
        try:
            engine.perform(step)
        except (EngineUnavailable, PermissionDenied, Interrupted):
            raise
        except ReconcilerError as error:
            log.error("failed   %s: %s", step.subject, error)
            failures[step.app] = error
            continue
        done.append(str(step))
        if isinstance(step, AwaitHealthy):
            waited.add(step.app)
    return Performed(tuple(done), failures, frozenset(waited), frozenset(touched))
