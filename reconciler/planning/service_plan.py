"""One service: which of the containers seen is the one wanted, and the steps that leave only it, running.

Three names tell every state in which power may have failed:

    NAME            the container that serves
    NAME.next       created to replace it; not started yet, or running beside it (order: start-first)
    NAME.previous   the one that served before, stopped, kept until the whole app is well again

So going back is no special case: when the wanted service is the earlier one again, `NAME.previous` is the container
that matches it, and takes its name back.

A container that we stop may exit with 0, as a finished job does. Only its name tells the two apart: it is called
`NAME.previous` before it is stopped, and until it has been started again.
"""

from dataclasses import dataclass

from reconciler.model import App, Container, ObservedState, Service
from reconciler.model.image import listed_name
from reconciler.planning.draft import LOST, NEXT, Draft, best, change, is_set_aside, must_stop
from reconciler.planning.fingerprint import changed_fields, fingerprint
from reconciler.planning.in_place import IN_PLACE, is_possible
from reconciler.planning.reload import plan_reload
from reconciler.planning.steps import AwaitHealthy, RemoveContainer, RestartContainer, StartContainer, Step


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The steps for one service; `cleanup` comes when the whole app is well. `address` is the serving container."""

    address: str
    steps: tuple[Step, ...] = ()
    cleanup: tuple[Step, ...] = ()
    starts: bool = False
    replaces: bool = False
    wakes: bool = False
    # The steps wait for it themselves, before what it replaces stops.
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What the plans of other services of the app mean for this one.

    `homes` are the containers that it must live in, by id; None when one of them is yet to be made. `restarts_for`
    names the service that starts anew, and this one with it.
    """

    homes: frozenset[str] | None = frozenset()
    restarts_for: str = ""


def plan_service(
    app: App, service: Service, containers: tuple[Container, ...], observed: ObservedState, around: Around = Around()
) -> ServicePlan:
    """Decide for one service, from the containers seen that carry its label."""
    kept = _kept(service, containers, observed, around)
    others = [container for container in containers if container is not kept]
    if kept is None and not others:
        return _fresh(app, service, observed)
    draft = Draft(app.name, service, why_replaced(service, containers, observed) if kept is None else "")
    fallback = _fallback(service, kept, others)
    if service.update.starts_first and fallback is not None and fallback.is_running and _is_next(kept):
        draft.steps += plan_reload(app, service, None, observed).before
        return _start_first(draft, kept, others, fallback, observed.unlimited)
    reload = plan_reload(app, service, kept, observed)
    draft.steps += reload.before
    if kept is None and fallback is not None and _is_pulled_late(service, observed):
        fallback = draft.make_room_for_image(others, fallback)
    else:
        draft.make_room(kept, others, fallback)
    draft.install(kept, fallback)
    if kept is not None:
        draft.heal(kept, observed.unlimited)
        draft.steps += reload.running
    starts = kept is None or not (must_stop(kept) or (may_rest(service, kept) and not draft.comes_back(kept)))
    if starts:
        draft.add(StartContainer, draft.address, cause=_why_start(kept, draft.why))
    elif around.restarts_for and kept is not None and kept.is_running:
        draft.add(RestartContainer, kept.id, cause=f"{around.restarts_for} starts anew")
        starts = True
    draft.settle(kept)
    cleanup = (change(RemoveContainer, app.name, service, fallback.id, cause="replaced"),) if fallback else ()
    wakes = kept is not None and kept.state == "paused" and not service.ignores("paused")
    return ServicePlan(draft.address, tuple(draft.steps), cleanup, starts, fallback is not None, wakes)


def _is_pulled_late(service: Service, observed: ObservedState) -> bool:
    return service.update.pull != "first" and listed_name(service.image) not in observed.images


def _is_next(kept: Container | None) -> bool:
    """Is what is wanted yet to take over?"""
    return kept is None or kept.name.endswith(NEXT)


def _start_first(
    draft: Draft, kept: Container | None, others: list[Container], fallback: Container, unlimited: frozenset[str]
) -> ServicePlan:
    """Run the new one beside the old one, and only when it is well let it take over."""
    discarded = [container for container in others if container is not fallback]
    draft.clear_the_way(kept, discarded)
    address = draft.next
    if kept is None:
        draft.create(draft.next, fallback)
    else:
        address = kept.id
        draft.heal(kept, unlimited)
    if kept is None or not must_stop(kept):
        draft.add(StartContainer, address, cause=_why_start(kept, draft.why))
    required = draft.service.update.failure_action != "continue"
    draft.add(AwaitHealthy, address, draft.service, required, cause="before the old one stops")
    draft.retire(fallback)
    draft.discard_rest(kept, discarded)
    draft.install(kept, fallback)
    cleanup = (change(RemoveContainer, draft.app, draft.service, fallback.id, cause="replaced"),)
    return ServicePlan(draft.address, tuple(draft.steps), cleanup, starts=True, replaces=True, is_awaited=True)


def has_finished(service: Service, container: Container) -> bool:
    """Is this a job that exited with 0? It is done for its fingerprint, and not started again."""
    return service.may_finish and container.state == "exited" and container.exit_code == 0


def may_rest(service: Service, container: Container) -> bool:
    """May it stay stopped? A job that is done may, and what somebody asked to be left alone."""
    return has_finished(service, container) or (container.state == "exited" and service.ignores("stopped"))


def why_replaced(service: Service, containers: tuple[Container, ...], observed: ObservedState) -> str:
    """What differs between the container that serves and the one wanted, for people."""
    serving = best(service, containers)
    if serving.state in LOST:
        return f"was {serving.state}"
    if not serving.fingerprint:
        return "taken over from Docker Compose"
    fields = _must_differ(service, serving, observed)
    told = [f"image {serving.image} -> {service.image}"] if "image" in fields else []
    rest = ", ".join(field for field in fields if field != "image")
    if fields:
        return "; ".join([*told, f"{rest} changed"] if rest else told)
    if observed.images.get(listed_name(service.image)) in (None, serving.image_id):
        return f"{', '.join(service.lives_in)} is another container now"
    return f"image {service.image} moved to {observed.images.get(listed_name(service.image), '')[:19]}"


def matches(service: Service, container: Container, observed: ObservedState) -> bool:
    """Is this container what the service asks for, or can be made so, of the image that its reference means today?"""
    local = observed.images.get(listed_name(service.image))
    return local in (None, container.image_id) and not _must_differ(service, container, observed)


def _must_differ(service: Service, container: Container, observed: ObservedState) -> tuple[str, ...]:
    """The fields for which the container must be made anew."""
    wanted = fingerprint(service)
    fields = changed_fields(container.fingerprint, wanted) if container.fingerprint != wanted else ()
    if not {mount.source for mount in service.mounts if mount.is_file and not mount.live} <= container.files:
        # The folder of such files was another one when it was made.
        fields = tuple(sorted({*fields, "mounts"}))
    if not is_possible(service, container, observed.unlimited):
        return tuple(sorted({*fields, "limits"}))
    # How eagerly memory is swapped out cannot be changed in place, nor be read where the kernel does not do it.
    is_swapped_alike = service.limits.memory_swappiness == container.limits.memory_swappiness
    return tuple(field for field in fields if field not in IN_PLACE or (field == "limits" and not is_swapped_alike))


def _kept(
    service: Service, containers: tuple[Container, ...], observed: ObservedState, around: Around
) -> Container | None:
    able = (c for c in containers if c.joined == around.homes and c.state not in LOST)
    alike = tuple(container for container in able if matches(service, container, observed))
    return best(service, alike) if alike else None


def _fallback(service: Service, kept: Container | None, others: list[Container]) -> Container | None:
    """The container to keep until the new one is well: the one that served before, if anything is being replaced."""
    able = [c for c in others if c.state not in LOST]
    previous = next((c for c in able if is_set_aside(c, service.container_name)), None)
    if previous is not None:
        return previous
    if kept is not None and not kept.name.endswith(NEXT):
        return None
    serving = tuple(c for c in able if not c.name.endswith(NEXT))
    return best(service, serving) if serving else None


def _fresh(app: App, service: Service, observed: ObservedState) -> ServicePlan:
    draft = Draft(app.name, service, "not on the device")
    draft.steps += plan_reload(app, service, None, observed).before
    draft.create(service.container_name)
    draft.add(StartContainer, service.container_name, cause="created")
    return ServicePlan(service.container_name, tuple(draft.steps), starts=True)


def _why_start(kept: Container | None, why: str) -> str:
    if kept is None:
        return why
    if kept.state == "exited" and kept.exit_code is None:
        return "was stopped"
    if kept.state == "exited":
        return f"had exited with {kept.exit_code}"
    return f"was {kept.state}"
