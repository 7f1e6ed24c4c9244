"""The state that we pretend to have seen, so that the planner can compare two revisions."""

from reconciler.model import (
    Container,
    DesiredState,
    ObservedNetwork,
    ObservedState,
    ObservedVolume,
)
from reconciler.model.image import listed_name
from reconciler.planning.fingerprint import fingerprint, network_fingerprint


def as_if_applied(desired: DesiredState) -> ObservedState:
    """What a device would show right after this was applied, without drift."""
    containers = [
        Container(
            id=f"{app.name}/{service.name}",
            name=service.container_name,
            app=app.name,
            service=service.name,
            fingerprint=fingerprint(service),
            image=service.image,
            image_id=service.image,
            state="running",
            health="healthy",
            networks=frozenset(attachment.network for attachment in service.networks),
        )
        for app in desired.apps
        for service in app.services
    ]
    return ObservedState(
        desired.device,
        tuple(containers),
        tuple(
            ObservedNetwork(network.name, network.name, app.name, network_fingerprint(network))
            for app in desired.apps
            for network in app.networks
            if not network.external
        ),
        tuple(ObservedVolume(volume.name, app.name) for app in desired.apps for volume in app.volumes),
        {listed_name(service.image): service.image for app in desired.apps for service in app.services},
        frozenset(config.digest for app in desired.apps for config in app.configs),
    )
