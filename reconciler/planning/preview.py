"""The state that we pretend to have seen, so that the planner can compare two revisions."""

from collections.abc import Iterable

from reconciler.model import (
    App,
    Container,
    DesiredState,
    ObservedNetwork,
    ObservedState,
    ObservedVolume,
    Service,
)
from reconciler.model.image import listed_name
from reconciler.planning.fingerprint import fingerprint, network_fingerprint
from reconciler.planning.in_place import kept_limits


def as_if_applied(desired: DesiredState) -> ObservedState:
    """What a device would show right after this was applied, without drift."""
    images = {listed_name(service.image) for app in desired.apps for service in app.services}
    return ObservedState(
        desired.device,
        tuple(_running(app, service) for app in desired.apps for service in app.services),
        tuple(
            ObservedNetwork(network.name, network.name, app.name, network_fingerprint(network))
            for app in desired.apps
            for network in app.networks
            if not network.external
        ),
        tuple(ObservedVolume(volume.name, app.name) for app in desired.apps for volume in app.volumes),
        {image: image for image in images},
        frozenset(config.name for app in desired.apps for config in app.configs),
        live={
            mount.live: mount.source
            for app in desired.apps
            for service in app.services
            for mount in service.mounts
            if mount.live
        },
    )


def _running(app: App, service: Service) -> Container:
    return Container(
        id=f"{app.name}/{service.name}",
        name=service.container_name,
        app=app.name,
        service=service.name,
        fingerprint=fingerprint(service),
        image=service.image,
        # Two names of one image are one image.
        image_id=listed_name(service.image),
        state="running",
        health="healthy",
        networks=frozenset(attachment.network for attachment in service.networks),
        limits=kept_limits(service.limits),
        restart=service.restart,
        restart_attempts=service.restart_attempts,
        files=frozenset(mount.source for mount in service.mounts if mount.is_file and not mount.live),
        joined=frozenset(f"{app.name}/{name}" for name in service.lives_in),
    )


def asked_of_others(before: Iterable[App], after: Iterable[App]) -> frozenset[tuple[str, str]]:
    """What the plan for these apps could find at other apps of the device, by kind and name.

    A preview that leaves out apps which name one of these would show steps that the device will not do, or hide some.
    What stays as it is asks for nothing.
    """
    before, after = tuple(before), tuple(after)
    asked = _named(after) - _named(before)
    stored = {config.name for app in before for config in app.configs}
    for config in (config for app in after for config in app.configs if config.name not in stored):
        # An app that has a config from elsewhere than a file or its own text mentions the empty name.
        asked |= {("config", config.digest), ("config", "")}
    # Who joins a network whose declaration differs has to leave it meanwhile, or keeps it from being removed.
    asked |= {("network", name) for _, name, _ in _declared(before) ^ _declared(after)}
    return frozenset(asked)


def _named(apps: Iterable[App]) -> set[tuple[str, str]]:
    """What is made local or created only if nobody had it before."""
    found: set[tuple[str, str]] = set()
    for app in apps:
        found |= {("image", listed_name(service.image)) for service in app.services}
        found |= {("volume", volume.name) for volume in app.volumes}
    return found


def _declared(apps: Iterable[App]) -> set[tuple[str, str, str]]:
    networks = ((app.name, network) for app in apps for network in app.networks if not network.external)
    return {(app, network.name, network_fingerprint(network)) for app, network in networks}
