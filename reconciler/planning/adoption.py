"""Containers that Docker Compose made, taken over by an app that says so (`x-adopt`), and given back if that fails."""

from dataclasses import replace

from reconciler.model import App, Container, DesiredState, ObservedState
from reconciler.planning.draft import PREVIOUS, must_stop
from reconciler.planning.steps import RemoveContainer, RenameContainer, StartContainer, Step, StopContainer

_BACK = "given back to Docker Compose"


def adopting(desired: DesiredState, observed: ObservedState) -> ObservedState:
    """What was seen, with the containers of others that are to be taken over, as if they were ours."""
    taken = tuple(one for app in desired.apps if app.adopt for one in _made_by_compose(app, observed))
    return replace(observed, containers=observed.containers + taken) if taken else observed


def give_back(app: App, observed: ObservedState) -> list[Step]:
    """Remove what was made of the app, and let what Compose made run as before."""
    steps: list[Step] = []
    for container in observed.of_app(app.name):
        subject = f"{app.name}/{container.service}"
        if must_stop(container):
            steps.append(StopContainer(app.name, subject, _BACK, container.id))
        steps.append(RemoveContainer(app.name, subject, _BACK, container.id))
    for container in _made_by_compose(app, observed):
        subject = f"{app.name}/{container.service}"
        # Its name says that it is yet to be given back, so it comes last.
        if container.name.endswith(PREVIOUS):
            if not must_stop(container):
                steps.append(StartContainer(app.name, subject, _BACK, container.id))
            name = container.name.removesuffix(PREVIOUS)
            steps.append(RenameContainer(app.name, subject, _BACK, container.id, name))
    return steps


def _made_by_compose(app: App, observed: ObservedState) -> list[Container]:
    services = {service.name for service in app.services}
    return [one for one in observed.foreign if one.app == app.name and one.service in services]
