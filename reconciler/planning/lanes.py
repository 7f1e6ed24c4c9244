"""Which steps of a plan may be done side by side: services that do not need each other start together, as with Compose.

A plan stays a sequence, and doing it in that order is always right. This only finds what need not wait.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from reconciler.model import Service
from reconciler.planning.steps import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    PullImage,
    RenameContainer,
    StartContainer,
    Step,
    StopContainer,
)

# Each lane is the steps of one service, in order; what stands beside it is independent.
Lanes = tuple[tuple[Step, ...], ...]

_WAITS = (AwaitHealthy, AwaitCompleted)
# They tell of which service they are, and so what it needs.
_OPENS = (CreateContainer, *_WAITS)
_FOLLOWS = (ConnectNetwork, StartContainer, StopContainer, RenameContainer)


def side_by_side(steps: Iterable[Step]) -> Iterator[Lanes]:
    """The steps in groups, to be done one group after the other; the lanes of a group may be done at once.

    What neither makes a service nor waits for one is a group of its own: removing, networks, healing. Pulls that
    follow each other need each other not at all.
    """
    for is_pull, alike in groupby(steps, key=lambda step: isinstance(step, PullImage)):
        if is_pull:
            yield tuple((step,) for step in alike)
        else:
            yield from _of_services(alike)


def _of_services(steps: Iterable[Step]) -> Iterator[Lanes]:
    lanes: dict[str, list[Step]] = {}
    services: dict[str, Service] = {}
    for step in steps:
        if not _may_join(step, lanes, services):
            yield from _closed(lanes)
            lanes, services = {}, {}
        if isinstance(step, _OPENS):
            services[step.subject] = step.service
        if step.subject in services and isinstance(step, (*_OPENS, *_FOLLOWS)):
            lanes.setdefault(step.subject, []).append(step)
        else:
            yield ((step,),)
    yield from _closed(lanes)


def _may_join(step: Step, lanes: dict[str, list[Step]], services: dict[str, Service]) -> bool:
    """May it be done while these lanes are? A wait only looks; another must not overtake what its service needs."""
    if isinstance(step, _WAITS):
        return True
    service = step.service if isinstance(step, CreateContainer) else services.get(step.subject)
    if service is None or not isinstance(step, (*_OPENS, *_FOLLOWS)):
        return False
    needed = {f"{step.app}/{name}" for name in (*(d.service for d in service.depends_on), *service.lives_in)}
    return needed.isdisjoint(lanes)


def _closed(lanes: dict[str, list[Step]]) -> Iterator[Lanes]:
    if lanes:
        yield tuple(tuple(lane) for lane in lanes.values())
