"""Performs a plan, step after step. An app whose step fails is left there; the other apps go on."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.agent.engine import Engine
from reconciler.errors import EngineUnavailable, Interrupted, PermissionDenied, ReconcilerError
from reconciler.planning import AwaitHealthy, Step

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Performed:
    """How far we came: the steps done, as plan lines, what stopped an app, and the apps that were waited for."""

    done: tuple[str, ...] = ()
    failures: Mapping[str, ReconcilerError] = field(default_factory=dict)
    waited: frozenset[str] = frozenset()


def perform(steps: Iterable[Step], engine: Engine) -> Performed:
    """Perform the steps in order. Raises EngineUnavailable, PermissionDenied, Interrupted: nothing can follow."""
    done: list[str] = []
    failures: dict[str, ReconcilerError] = {}
    waited: set[str] = set()
    for step in steps:
        if step.app in failures:
            continue
        log.info("step     %s", step)
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
    return Performed(tuple(done), failures, frozenset(waited))
