"""What the loops of the service count, out of the reports of their passes. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from reconciler.model import Report, ServiceReport
from reconciler.planning import Step

# A step is told as a line of a plan, which begins with its verb.
VERBS = frozenset(kind.verb for kind in get_args(Step))
OTHER = "other"
# Reason codes are a short list; services of a device are a few dozen. What is beyond is not told.
MOST_REASONS, MOST_SERVICES = 50, 1000


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a service was wanted, and for how much of that it was as it should be."""

    wanted: float = 0.0
    well: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """How often and when, since the agent started. Times are seconds since 1970, 0 for never."""

    passes: int = 0
    errors: int = 0
    pass_seconds: float = 0.0
    all_pass_seconds: float = 0.0
    passed_at: float = 0.0
    steps: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    rollbacks: int = 0
    # The apps that run their last good state, and what was tried before; None, before anybody has looked.
    gone_back: frozenset[tuple[str, str]] | None = None
    drifts: int = 0
    git_answers: int = 0
    git_failures: int = 0
    git_answered_at: float = 0.0
    send_failures: int = 0
    report_waits: bool = False
    services: Mapping[tuple[str, str], Seconds] = field(default_factory=dict)


def with_pass(counts: Counts, previous: Report | None, report: Report, steps: int) -> Counts:
    """With what a pass tells that performed so many steps. `previous` is the report of the pass before it."""
    done = [_verb(step) for step in report.steps[-steps:]] if steps else []
    # A report holds the newest steps only.
    done += [OTHER] * (steps - len(done))
    refused = [reason for reason in _refused(report) if previous is None or reason not in _refused(previous)]
    gone_back = counts.gone_back if _is_blind(report) else _gone_back(report)
    newly = (gone_back or frozenset()) - counts.gone_back if counts.gone_back is not None else frozenset()
    return replace(
        counts,
        steps=_more(counts.steps, done),
        refusals=_more(counts.refusals, [reason for reason, _ in refused]),
        rollbacks=counts.rollbacks + len(newly),
        gone_back=gone_back,
        drifts=counts.drifts + (bool(steps) and _is_drifted(report)),
    )


def with_seconds(counts: Counts, report: Report | None, seconds: float) -> Counts:
    """With so many seconds in which all was as in this report: every change of a container brings another one.

    While the Engine does not answer, what was wanted still is, and nobody knows that it is well.
    """
    if report is None:
        return counts
    if _is_blind(report):
        longer = {name: replace(one, wanted=one.wanted + seconds) for name, one in counts.services.items()}
        return replace(counts, services=longer)
    found: dict[tuple[str, str], Seconds] = {}
    for app in report.apps:
        for service in app.services:
            known = counts.services.get((app.name, service.name), Seconds())
            well = known.well + (seconds if app.phase == "Healthy" or is_up(service) else 0.0)
            found[app.name, service.name] = Seconds(known.wanted + seconds, well)
    return replace(counts, services=dict(list(found.items())[:MOST_SERVICES]))


def is_up(service: ServiceReport) -> bool:
    """Does its container run, and is it not unhealthy?"""
    return service.state == "running" and service.health in ("", "healthy")


def _verb(step: str) -> str:
    verb = step.partition(" ")[0]
    return verb if verb in VERBS else OTHER


def _more(counts: Mapping[str, int], seen: Iterable[str]) -> Mapping[str, int]:
    found = dict(counts)
    for one in seen:
        key = one if one in found or len(found) < MOST_REASONS else OTHER
        found[key] = found.get(key, 0) + 1
    return found


def _refused(report: Report) -> list[tuple[str, str]]:
    """The reason, and what was seen that is refused: the same commit is refused at every pass."""
    wrong = [one.reason for one in report.conditions if one.type == "Trusted" and one.status == "False"]
    return [(reason, report.revisions.seen) for reason in wrong]


def _gone_back(report: Report) -> frozenset[tuple[str, str]]:
    return frozenset((app.name, app.attempted) for app in report.apps if app.phase == "RolledBack")


def _is_blind(report: Report) -> bool:
    """Was the pass stopped before it could look?"""
    return report.phase == "Failed" and not report.apps


def _is_drifted(report: Report) -> bool:
    return any(one.type == "Drifted" and one.status == "True" for one in report.conditions)
