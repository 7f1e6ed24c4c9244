"""Values that both sides speak: no clock, no disk, no YAML."""

from reconciler.model.condition import Fact, ReportedCondition, carry_over
from reconciler.model.desired import DEFAULT_NETWORK, App, ConfigFile, DesiredState, Network, Pool, Volume
from reconciler.model.observed import Container, Lock, ObservedNetwork, ObservedState, ObservedVolume
from reconciler.model.place import Place
from reconciler.model.report import MAX_REPORT_BYTES, AppReport, Report, Revisions, ServiceReport, Versions
from reconciler.model.revision import Revision
from reconciler.model.service import (
    OF_SERVICE,
    Attachment,
    Condition,
    Dependency,
    DeviceMapping,
    DeviceRequest,
    Healthcheck,
    Limits,
    Link,
    Logging,
    Mount,
    Port,
    Service,
    Ulimit,
    Update,
)

__all__ = [
    "DEFAULT_NETWORK",
    "MAX_REPORT_BYTES",
    "OF_SERVICE",
    "App",
    "AppReport",
    "Attachment",
    "Condition",
    "ConfigFile",
    "Container",
    "Dependency",
    "DesiredState",
    "DeviceMapping",
    "DeviceRequest",
    "Fact",
    "Healthcheck",
    "Limits",
    "Link",
    "Lock",
    "Logging",
    "Mount",
    "Network",
    "ObservedNetwork",
    "ObservedState",
    "ObservedVolume",
    "Place",
    "Pool",
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
