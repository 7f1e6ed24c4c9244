"""Values that both sides speak: no clock, no disk, no YAML."""

from reconciler.model.condition import Fact, ReportedCondition, carry_over
from reconciler.model.desired import (
    DEFAULT_NETWORK,
    App,
    Attachment,
    Condition,
    ConfigFile,
    Dependency,
    DesiredState,
    Healthcheck,
    Limits,
    Logging,
    Mount,
    Network,
    Port,
    Service,
    Ulimit,
    Update,
    Volume,
)
from reconciler.model.observed import Container, ObservedNetwork, ObservedState, ObservedVolume
from reconciler.model.place import Place
from reconciler.model.report import MAX_REPORT_BYTES, AppReport, Report, Revisions, ServiceReport, Versions
from reconciler.model.revision import Revision

__all__ = [
    "DEFAULT_NETWORK",
    "MAX_REPORT_BYTES",
    "App",
    "AppReport",
    "Attachment",
    "Condition",
    "ConfigFile",
    "Container",
    "Dependency",
    "DesiredState",
    "Fact",
    "Healthcheck",
    "Limits",
    "Logging",
    "Mount",
    "Network",
    "ObservedNetwork",
    "ObservedState",
    "ObservedVolume",
    "Place",
    "Port",
    "Report",
    "ReportedCondition",
    "Revision",
    "Revisions",
    "Service",
    "ServiceReport",
    "Ulimit",
    "Update",
    "Versions",
    "Volume",
    "carry_over",
]
