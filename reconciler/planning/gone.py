"""What carries our label and this device's name, and is wanted no more. Volumes stay."""

from dataclasses import replace
from itertools import groupby

from reconciler.model import App, Container, DesiredState, ObservedState
from reconciler.planning.draft import PREVIOUS, must_stop, set_aside
from reconciler.planning.steps import RemoveContainer, RemoveNetwork, RenameContainer, Step, StopContainer

_GONE = "no longer in the Compose file"


def gone_apps(desired: DesiredState, observed: ObservedState) -> tuple[list[Step], ObservedState]:
    """Remove the containers of apps that are wanted no more; and the state as it will be then."""
    wanted = {app.name for app in desired.apps} | desired.untouched
    gone = [c for c in observed.containers if c.app not in wanted] if desired.is_whole else []
    steps = [step for container in gone for step in _remove(container, "the app is no longer wanted")]
    return steps, replace(observed, containers=tuple(c for c in observed.containers if c not in gone))


def gone_networks(desired: DesiredState, observed: ObservedState) -> list[Step]:
    """Remove the networks that no app names."""
    networks = {network.name for app in desired.apps for network in app.networks}
    gone = [n for n in observed.networks if n.app and n.app not in desired.untouched and n.name not in networks]
    return [
        RemoveNetwork(network.app, f"{network.app} network {network.name}", "no longer wanted", network.id)
        for network in (gone if desired.is_whole else ())
    ]


def gone_services(app: App, observed: ObservedState, *, in_the_way: bool) -> tuple[list[Step], list[Step]]:
    """The steps before the app's other services change, and those when all is well.

    While others start, they are `in_the_way`: set aside as one that is replaced, so that a way back is left, and
    their ports are free.
    """
    names = {service.name for service in app.services}
    gone = sorted((c for c in observed.of_app(app.name) if c.service not in names), key=lambda c: c.service)
    before: list[Step] = []
    after: list[Step] = []
    for _, group in groupby(gone, key=lambda c: c.service):
        last, *rest = sorted(group, key=lambda c: (not c.name.endswith(PREVIOUS), not c.is_running, c.name))
        for container in rest:
            before += _remove(container, _GONE)
        if in_the_way:
            before += _set_aside(last)
            last = replace(last, state="exited")
        after += _remove(last, _GONE)
    return before, after


def _set_aside(container: Container) -> list[Step]:
    subject = f"{container.app}/{container.service}"
    name = container.name + PREVIOUS
    rename = RenameContainer(container.app, subject, "kept until the others are healthy", container.id, name)
    stop = StopContainer(container.app, subject, _GONE, container.id)
    return set_aside(container, None if container.name.endswith(PREVIOUS) else rename, stop)


def _stop(container: Container, cause: str) -> list[Step]:
    subject = f"{container.app}/{container.service}"
    return [StopContainer(container.app, subject, cause, container.id)] if must_stop(container) else []


def _remove(container: Container, cause: str) -> list[Step]:
    subject = f"{container.app}/{container.service}"
    return [*_stop(container, cause), RemoveContainer(container.app, subject, cause, container.id)]
