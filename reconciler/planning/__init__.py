"""From two states to steps. Pure."""

from reconciler.planning.adoption import give_back
from reconciler.planning.fingerprint import digest, fingerprint, network_fingerprint
from reconciler.planning.in_place import kept_limits
from reconciler.planning.lanes import Lanes, side_by_side
from reconciler.planning.planner import EmptyDesiredState, make_plan
from reconciler.planning.preview import as_if_applied, asked_of_others
from reconciler.planning.service_plan import has_finished, matches, may_rest
from reconciler.planning.steps import (
    AwaitCompleted,
    AwaitHealthy,
    ConnectNetwork,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    DisconnectNetwork,
    HoldForLock,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    SignalContainer,
    StartContainer,
    Step,
    StopContainer,
    StoreConfig,
    UnpauseContainer,
    UpdateContainer,
    WriteLive,
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
    "HoldForLock",
    "Lanes",
    "Plan",
    "PullImage",
    "RemoveContainer",
    "RemoveImage",
    "RemoveNetwork",
    "RenameContainer",
    "RestartContainer",
    "SignalContainer",
    "StartContainer",
    "Step",
    "StopContainer",
    "StoreConfig",
    "UnpauseContainer",
    "UpdateContainer",
    "WriteLive",
    "as_if_applied",
    "asked_of_others",
    "digest",
    "fingerprint",
    "give_back",
    "has_finished",
    "kept_limits",
    "make_plan",
    "matches",
    "may_rest",
    "network_fingerprint",
    "side_by_side",
]
