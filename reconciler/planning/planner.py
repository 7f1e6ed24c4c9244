"""From two states to steps: `make_plan(desired, observed)`. The device performs the plan, the preview prints it."""

from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.model import App, Condition, Container, DesiredState, Network, ObservedNetwork, ObservedState, Service
from reconciler.model.image import listed_name
from reconciler.planning.fingerprint import changed_fields, network_fingerprint
from reconciler.planning.order import in_order
from reconciler.planning.service_plan import ServicePlan, has_finished, plan_service
from reconciler.planning.steps import (
    HEALING,
    AwaitCompleted,
    AwaitHealthy,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveNetwork,
    Step,
    StopContainer,
    StoreConfig,
)


class EmptyDesiredState(ReconcilerError):
    """Nothing is wanted where something runs, and no word in Git says that this is meant."""


def make_plan(desired: DesiredState, observed: ObservedState) -> Plan:
    """The steps that lead from what was seen to what is wanted; none when they agree. Raises EmptyDesiredState.

    What only heals comes first; then every image is made local before anything stops (design 6).
    """
    if observed.containers and desired.is_whole and not (desired.apps or desired.untouched or desired.allow_empty):
        raise EmptyDesiredState(
            "the fleet repository gives this device no app, but containers run here",
            where=f"device {desired.device}",
            advice="select the device by a layer with `apps:`, or say `allowEmpty: true` in the device's file",
        )
    prepared = {app.name: _prepare(app, observed) for app in desired.apps}
    anew, observed = _changed_networks(desired.apps, observed)
    changed = {app.name: _app_steps(app, observed) for app in desired.apps}
    healing = [] if anew else [name for name in changed if not prepared[name] and _only_heals(changed[name])]
    preparing = [step for steps in prepared.values() for step in steps]
    steps = [step for name in healing for step in changed[name]]
    steps += [step for step in preparing if isinstance(step, PullImage)]
    steps += [step for step in preparing if not isinstance(step, PullImage)]
    steps += anew
    steps += [step for name, own in changed.items() if name not in healing for step in own]
    return Plan((*steps, *_removals(desired, observed)))


def _only_heals(steps: list[Step]) -> bool:
    return all(isinstance(step, HEALING) for step in steps)


def _prepare(app: App, observed: ObservedState) -> list[Step]:
    """What must be on the device before the app's containers change."""
    steps: list[Step] = []
    for service in app.services:
        pulled = {step.image for step in steps if isinstance(step, PullImage)}
        if (
            listed_name(service.image) not in observed.images
            and service.image not in pulled
            and service.pull_policy != "never"
        ):
            subject = f"{app.name}/{service.name}"
            steps.append(
                PullImage(app.name, subject, f"{service.image} is not on the device", service.image, service.platform)
            )
    for config in app.configs:
        if config.digest not in observed.configs:
            steps.append(StoreConfig(app.name, f"{app.name} config {config.digest[:12]}", "not on the device", config))
    names = {network.name for network in observed.networks}
    for network in app.networks:
        if not network.external and network.name not in names:
            steps.append(_create_network(app, network, "not on the device"))
    volumes = {volume.name for volume in observed.volumes}
    for volume in app.volumes:
        if not volume.external and volume.name not in volumes:
            steps.append(CreateVolume(app.name, f"{app.name} volume {volume.name}", "not on the device", volume))
    return steps


def _create_network(app: App, network: Network, cause: str) -> CreateNetwork:
    subject = f"{app.name} network {network.name}"
    return CreateNetwork(app.name, subject, cause, network, network_fingerprint(network))


def _app_steps(app: App, observed: ObservedState) -> list[Step]:
    """The services in order, each after what it waits for; then the waits that remain; then the clearing up."""
    steps: list[Step] = []
    seen = {service.name: _containers(app, service, observed) for service in app.services}
    plans: dict[str, ServicePlan] = {}
    waited: set[str] = set()
    for service in in_order(app):
        plan = plan_service(app, service, seen[service.name], observed)
        plans[service.name] = plan
        if plan.starts:
            steps += _waits_before(app, service, plans, seen, waited)
        steps += plan.steps
        if plan.replaces:
            steps.append(_await_healthy(app, service, plan.address, "before what it replaces is removed"))
            waited.add(service.name)
    for service in in_order(app):
        plan = plans[service.name]
        if plan.starts and service.name not in waited:
            steps.append(_await_healthy(app, service, plan.address, "started"))
    steps += [step for plan in plans.values() for step in plan.cleanup]
    return steps + _gone_services(app, observed)


def _containers(app: App, service: Service, observed: ObservedState) -> tuple[Container, ...]:
    return tuple(c for c in observed.containers if c.app == app.name and c.service == service.name)


def _await_healthy(app: App, service: Service, address: str, cause: str, required: bool = True) -> AwaitHealthy:
    return AwaitHealthy(app.name, f"{app.name}/{service.name}", cause, address, service, required)


def _waits_before(
    app: App,
    service: Service,
    plans: dict[str, ServicePlan],
    seen: dict[str, tuple[Container, ...]],
    waited: set[str],
) -> list[Step]:
    """The waits that `depends_on` asks for before this service may start, those apart that hold already."""
    steps: list[Step] = []
    for dependency in service.depends_on:
        needed, plan = app.service(dependency.service), plans.get(dependency.service)
        if needed is None or plan is None or needed.name in waited or dependency.condition is Condition.STARTED:
            continue
        serving = next((c for c in seen[needed.name] if c.id == plan.address), None)
        cause = f"{service.name} depends on it"
        if dependency.condition is Condition.COMPLETED:
            if serving is None or not has_finished(needed, serving):
                subject = f"{app.name}/{needed.name}"
                steps.append(AwaitCompleted(app.name, subject, cause, plan.address, needed, dependency.required))
        elif plan.starts or serving is None or serving.health != "healthy":
            steps.append(_await_healthy(app, needed, plan.address, cause, dependency.required))
        waited.add(needed.name)
    return steps


def _changed_networks(apps: tuple[App, ...], observed: ObservedState) -> tuple[list[Step], ObservedState]:
    """Make changed networks anew, and the state as it will be then: their containers stopped, and apart from them.

    The Engine cannot change a network, nor remove one with endpoints; the containers survive, and join the new one.
    """
    steps: list[Step] = []
    for app in apps:
        for network in app.networks:
            found = next((n for n in observed.networks if n.name == network.name and n.app == app.name), None)
            if found is not None and not network.external and found.fingerprint != network_fingerprint(network):
                users = [container for container in observed.containers if network.name in container.networks]
                steps += _make_anew(app, network, found, users)
                apart = {user.id: _apart(user, network.name) for user in users}
                observed = replace(observed, containers=tuple(apart.get(c.id, c) for c in observed.containers))
    return steps, observed


def _make_anew(app: App, network: Network, found: ObservedNetwork, users: list[Container]) -> list[Step]:
    steps: list[Step] = []
    why = f"network {network.name} is made anew"
    for user in users:
        subject = f"{user.app}/{user.service}"
        if user.is_running:
            steps.append(StopContainer(app.name, subject, why, user.id))
        steps.append(DisconnectNetwork(app.name, subject, why, user.id, network.name))
    cause = f"{', '.join(changed_fields(found.fingerprint, network_fingerprint(network)))} changed"
    steps.append(RemoveNetwork(app.name, f"{app.name} network {network.name}", cause, found.id))
    return [*steps, _create_network(app, network, cause)]


def _apart(user: Container, network: str) -> Container:
    return replace(user, networks=user.networks - {network}, state="exited" if user.is_running else user.state)


def _gone_services(app: App, observed: ObservedState) -> list[Step]:
    names = {service.name for service in app.services}
    gone = [container for container in observed.of_app(app.name) if container.service not in names]
    return [step for container in gone for step in _remove(container, "no longer in the Compose file")]


def _remove(container: Container, cause: str) -> list[Step]:
    subject = f"{container.app}/{container.service}"
    stop = [StopContainer(container.app, subject, cause, container.id)] if container.is_running else []
    return [*stop, RemoveContainer(container.app, subject, cause, container.id)]


def _removals(desired: DesiredState, observed: ObservedState) -> list[Step]:
    """What carries our label and this device's name, and is wanted no more. Volumes stay."""
    if not desired.is_whole:
        return []
    wanted = {app.name for app in desired.apps} | desired.untouched
    steps = [
        step
        for container in observed.containers
        if container.app not in wanted
        for step in _remove(container, "the app is no longer wanted")
    ]
    networks = {network.name for app in desired.apps for network in app.networks}
    for network in observed.networks:
        if network.app and network.app not in desired.untouched and network.name not in networks:
            subject = f"{network.app} network {network.name}"
            steps.append(RemoveNetwork(network.app, subject, "no longer wanted", network.id))
    return steps
