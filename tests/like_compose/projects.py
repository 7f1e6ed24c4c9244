"""The projects of the corpus as a device shall run them, and the kinds of steps that lead there."""

import sys
from dataclasses import replace
from pathlib import Path

from reconciler.manifests import FleetFiles
from reconciler.model import App, DesiredState
from reconciler.planning import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    StartContainer,
    StoreConfig,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "manifests"))

from test_compose_corpus import READ, tree_of  # found by the line above

__all__ = ["DEVICE", "MAKING", "READ", "STARTING", "desired_of", "watched_for"]

DEVICE = "like-compose"
MAKING = (CreateNetwork, CreateVolume, StoreConfig, CreateContainer, ConnectNetwork)
STARTING = (StartContainer, AwaitHealthy, AwaitCompleted)


def desired_of(folder: Path) -> DesiredState:
    return DesiredState(DEVICE, FleetFiles(tree_of(folder)).render("press").desired.apps)


def watched_for(seconds: float, desired: DesiredState) -> DesiredState:
    """The same, but what has no health check is well when it has run for so long."""
    return replace(desired, apps=tuple(_watched(app, seconds) for app in desired.apps))


def _watched(app: App, seconds: float) -> App:
    watched = (replace(one, update=replace(one.update, monitor=seconds)) for one in app.services)
    return replace(app, services=tuple(watched))
