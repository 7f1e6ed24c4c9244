"""From two states to steps: `make_plan(desired, observed)`. The device performs the plan, the preview prints it."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.model import App, Condition, Container, DesiredState, Network, ObservedNetwork, ObservedState, Service
from reconciler.model.image import listed_name
from reconciler.planning.adoption import adopting
from reconciler.planning.fingerprint import changed_fields, network_fingerprint
from reconciler.planning.gone import gone_apps, gone_networks, gone_services
from reconciler.planning.locks import effective_locks, held_back
from reconciler.planning.order import in_order
from reconciler.planning.service_plan import Around, ServicePlan, has_finished, plan_service
from reconciler.planning.steps import (
    HEALING,
    AwaitCompleted,
    AwaitHealthy,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    HoldForLock,
    Plan,
    PullImage,
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
    observed = adopting(desired, observed)
    locks = effective_locks(desired, observed)
    prepared = {app.name: _prepare(app, observed) for app in desired.apps}
    gone, observed = gone_apps(desired, observed)
    gone = held_back(gone, locks)
    anew, observed = _changed_networks(desired, observed, locks)
    changed = {app.name: held_back(_app_steps(app, observed), locks) for app in desired.apps}
    prepared = {app.name: _pulled_first(app, prepared[app.name], changed[app.name]) for app in desired.apps}
    # The image of a container that exists is missed only when it must be created anew: it can wait until the end.
    unhurried = [step for name, own in prepared.items() for step in own if not _is_needed(step, changed[name])]
    prepared = {name: [step for step in own if step not in unhurried] for name, own in prepared.items()}
    healing = [] if anew else [name for name in changed if not prepared[name] and _only_heals(changed[name])]
    preparing = [step for steps in prepared.values() for step in steps]
    steps = [step for name in healing for step in changed[name]]
    steps += [step for step in preparing if isinstance(step, PullImage)]
    steps += [step for step in preparing if not isinstance(step, PullImage)]
    # Before the others change: they may take a name or a port that becomes free.
    steps += gone + anew
    steps += [step for name, own in changed.items() if name not in healing for step in own]
    locked = {step.app for step in gone if isinstance(step, HoldForLock)}
    steps += [step for step in gone_networks(desired, observed) if step.app not in locked]
    return Plan((*steps, *unhurried))


def _pulled_first(app: App, preparing: list[Step], changing: list[Step]) -> list[Step]:
    """Without the pulls of images that come when the old container has stopped, as `x-pull` asks."""
    later = {step.image for step in changing if isinstance(step, PullImage)}
    later -= {service.image for service in app.services if service.update.pull == "first"}
    return [step for step in preparing if not (isinstance(step, PullImage) and step.image in later)]


def _is_needed(preparing: Step, changing: list[Step]) -> bool:
    """Must this step come before the app changes? All must but pulls of images of which no container is created.

    While a lock holds the app, its images come all the same.
    """
    if any(isinstance(step, HoldForLock) for step in changing):
        return True
    created = {step.service.image for step in changing if isinstance(step, CreateContainer)}
    return not isinstance(preparing, PullImage) or preparing.image in created


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
    stored = {mount.source for service in app.services for mount in service.mounts if not mount.live}
    for config in app.configs:
        if config.name in stored and config.name not in observed.configs:
            steps.append(StoreConfig(app.name, f"{app.name} config {config.digest[:12]}", "not on the device", config))
    # A network of this name that is not ours is not taken for it: creating it fails, and says so.
    names = {network.name for network in observed.networks if network.app or app.adopt}
    for network in app.networks:
        if not network.external and network.name not in names and not _users(network, observed):
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
    seen = {service.name: _containers(app, service, observed) for service in app.services}
    ordered = in_order(app)
    plans: dict[str, ServicePlan] = {}
    for service in ordered:
        plans[service.name] = plan_service(app, service, seen[service.name], observed, _around(service, plans, seen))
    steps, cleanup = gone_services(app, observed, in_the_way=any(plan.starts for plan in plans.values()))
    waited: dict[tuple[str, Condition], bool] = {}
    for service in ordered:
        plan = plans[service.name]
        if plan.starts:
            steps += _waits_before(app, service, plans, seen, waited)
        steps += plan.steps
        if plan.replaces:
            if not plan.is_awaited:
                steps.append(_await_change(app, service, plan.address, "before what it replaces is removed"))
            waited[service.name, Condition.HEALTHY] = True
    for service in ordered:
        plan = plans[service.name]
        if (plan.starts or plan.wakes) and service.name not in {name for name, _ in waited}:
            steps.append(_await_change(app, service, plan.address, "started" if plan.starts else "unpaused"))
    return [*steps, *(step for plan in plans.values() for step in plan.cleanup), *cleanup]


def _around(service: Service, plans: Mapping[str, ServicePlan], seen: Mapping[str, tuple[Container, ...]]) -> Around:
    """What becomes of the services before it that it lives in, or starts anew with."""
    addresses = {plans[name].address for name in service.lives_in if name in plans}
    known = {container.id for name in service.lives_in for container in seen.get(name, ())}
    anew = (d.service for d in service.depends_on if d.restart and d.service in plans and plans[d.service].starts)
    return Around(frozenset(addresses) if addresses <= known else None, next(anew, ""))


def _containers(app: App, service: Service, observed: ObservedState) -> tuple[Container, ...]:
    return tuple(c for c in observed.containers if c.app == app.name and c.service == service.name)


def _await_healthy(app: App, service: Service, address: str, cause: str, required: bool = True) -> AwaitHealthy:
    return AwaitHealthy(app.name, f"{app.name}/{service.name}", cause, address, service, required)


def _await_change(app: App, service: Service, address: str, cause: str) -> AwaitHealthy:
    """Wait for what this plan itself changed, as its `update_config` says."""
    return _await_healthy(app, service, address, cause, service.update.failure_action != "continue")


def _waits_before(
    app: App,
    service: Service,
    plans: dict[str, ServicePlan],
    seen: dict[str, tuple[Container, ...]],
    waited: dict[tuple[str, Condition], bool],
) -> list[Step]:
    """The waits that `depends_on` asks for before this service may start, those apart that hold already.

    `waited` are the waits that are planned, and whether each is required.
    """
    steps: list[Step] = []
    for dependency in service.depends_on:
        needed = app.service(dependency.service)
        if needed is None or dependency.condition is Condition.STARTED:
            continue
        plan = plans[needed.name]
        done = waited.get((needed.name, dependency.condition))
        if done or (done is not None and not dependency.required):
            continue
        serving = next((c for c in seen[needed.name] if c.id == plan.address), None)
        cause = f"{service.name} depends on it"
        if dependency.condition is Condition.COMPLETED:
            if serving is None or not has_finished(needed, serving):
                subject = f"{app.name}/{needed.name}"
                steps.append(AwaitCompleted(app.name, subject, cause, plan.address, needed, dependency.required))
        elif plan.starts or serving is None or serving.health != "healthy":
            steps.append(_await_healthy(app, needed, plan.address, cause, dependency.required))
        waited[needed.name, dependency.condition] = dependency.required
    return steps


def _changed_networks(
    desired: DesiredState, observed: ObservedState, locks: dict[str, str]
) -> tuple[list[Step], ObservedState]:
    """Make networks anew, and the state as it will be then: their containers stopped, and apart from them.

    The Engine cannot change a network, nor remove one with endpoints; the containers survive, and join the new one.
    One that is gone is made anew as well when containers know it: they know its id, and would not join another's.
    """
    steps: list[Step] = []
    ours = {app.name for app in desired.apps}
    for app in desired.apps:
        for network in app.networks:
            named = [n for n in observed.networks if n.name == network.name]
            found = min(named, key=lambda n: n.app != app.name, default=None)
            users = _users(network, observed)
            # A user that nobody describes could not be brought back to the network.
            if _must_be_made_anew(app, network, found, users) and ours.issuperset(user.app for user in users):
                anew = _make_anew(app, network, found, users)
                if (held := held_back(anew, locks)) != anew:
                    steps += held
                    continue
                steps += anew
                apart = {user.id: _apart(user, network.name) for user in users}
                observed = replace(observed, containers=tuple(apart.get(c.id, c) for c in observed.containers))
    return steps, observed


def _users(network: Network, observed: ObservedState) -> list[Container]:
    return [container for container in observed.containers if network.name in container.networks]


def _must_be_made_anew(app: App, network: Network, found: ObservedNetwork | None, users: list[Container]) -> bool:
    if network.external:
        return False
    if found is None:
        return bool(users)
    return found.app == app.name and found.fingerprint != network_fingerprint(network)


def _make_anew(app: App, network: Network, found: ObservedNetwork | None, users: list[Container]) -> list[Step]:
    steps: list[Step] = []
    why = f"network {network.name} is made anew"
    for user in users:
        subject = f"{user.app}/{user.service}"
        if user.is_running:
            steps.append(StopContainer(app.name, subject, why, user.id))
        steps.append(DisconnectNetwork(app.name, subject, why, user.id, network.name))
    if found is None:
        return [*steps, _create_network(app, network, "not on the device")]
    cause = f"{', '.join(changed_fields(found.fingerprint, network_fingerprint(network)))} changed"
    steps.append(RemoveNetwork(app.name, f"{app.name} network {network.name}", cause, found.id))
    return [*steps, _create_network(app, network, cause)]


def _apart(user: Container, network: str) -> Container:
    return replace(user, networks=user.networks - {network}, state="exited" if user.is_running else user.state)
