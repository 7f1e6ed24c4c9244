"""Performs a plan, step after step. An app whose step fails is left there; the other apps go on."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.agent.engine import Engine
from reconciler.errors import EngineUnavailable, PermissionDenied, ReconcilerError
from reconciler.planning import Step

log = logging.getLogger("reconciler")


@dataclass(frozen=True, slots=True)
class Performed:
    """How far we came: the steps done, as plan lines, and what stopped an app."""

    done: tuple[str, ...] = ()
    failures: Mapping[str, ReconcilerError] = field(default_factory=dict)

    def then(self, later: "Performed") -> "Performed":
        return Performed(self.done + later.done, {**self.failures, **later.failures})


def perform(steps: Iterable[Step], engine: Engine) -> Performed:
    """Perform the steps in order. Raises EngineUnavailable and PermissionDenied, after which nothing else can work."""
    done: list[str] = []
    failures: dict[str, ReconcilerError] = {}
    for step in steps:
        if step.app in failures:
            continue
        log.info("step     %s", step)
        try:
            engine.perform(step)
        except (EngineUnavailable, PermissionDenied):
            raise
        except ReconcilerError as error:
            log.error("failed   %s: %s", step.subject, error)
            failures[step.app] = error
            continue
        done.append(str(step))
    return Performed(tuple(done), failures)
