"""From two states to steps. Pure."""

from reconciler.planning.fingerprint import digest, fingerprint, network_fingerprint
from reconciler.planning.in_place import kept_limits
from reconciler.planning.lanes import Lanes, side_by_side
from reconciler.planning.planner import EmptyDesiredState, make_plan
from reconciler.planning.preview import as_if_applied, asked_of_others
from reconciler.planning.service_plan import has_finished, matches
from reconciler.planning.steps import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    StoreConfig,
    UnpauseContainer,
    UpdateContainer,
)

__all__ = [
    "AwaitCompleted",
    "AwaitHealthy",
    "ConnectNetwork",
    "CreateContainer",
    "CreateNetwork",
    "CreateVolume",
    "DisconnectNetwork",
    "EmptyDesiredState",
    "Lanes",
    "Plan",
    "PullImage",
    "RemoveContainer",
    "RemoveNetwork",
    "RenameContainer",
    "RestartContainer",
    "StartContainer",
    "Step",
    "StopContainer",
    "StoreConfig",
    "UnpauseContainer",
    "UpdateContainer",
    "as_if_applied",
    "asked_of_others",
    "digest",
    "fingerprint",
    "has_finished",
    "kept_limits",
    "make_plan",
    "matches",
    "network_fingerprint",
    "side_by_side",
]
