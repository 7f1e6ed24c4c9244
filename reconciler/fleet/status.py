"""All reports, one table. A report counts only with its device's signature; silence and forgery are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler.errors import ManifestError
from reconciler.fleet.text import age, table
from reconciler.manifests import Device, FleetFiles
from reconciler.model import Report, Revision
from reconciler.model.codec import from_json
from reconciler.repository import FoundReport, report_path
from signing import AllowedSigners, SignatureError, split_commit, verify_commit

# After so many missed heartbeats somebody should look.
SILENT_AFTER_HEARTBEATS = 2


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One line of the table. `flag` says why a report is not believed; `seen_at` is when the device signed it.

    `refused` is what a collector says of a newer one, which it did not take.
    """

    device: str
    report: Report | None = None
    flag: str = ""
    seen_at: datetime | None = None
    refused: str = ""

    @property
    def phase(self) -> str:
        if self.flag:
            return "Refused"
        return self.report.phase if self.report else "Silent"

    @property
    def message(self) -> str:
        """The first thing that is wrong, for people."""
        if self.flag:
            return self.flag
        if self.refused:
            return f"a newer report was refused: {self.refused}"
        if self.report is None:
            return "has never reported"
        wrong = (c for c in self.report.conditions if c.message and c.status != "True" and c.type != "Drifted")
        return next((f"{c.reason}: {c.message}" for c in wrong), "")


def judge(files: FleetFiles, found: Iterable[FoundReport], refused: Mapping[str, str]) -> tuple[DeviceStatus, ...]:
    """Every device of the fleet, and everybody else who wrote to the status branch or was refused, by name."""
    by_name = {report.device: report for report in found}
    names = sorted(files.device_paths.keys() | by_name.keys() | refused.keys())
    judged = (judge_one(name, files, by_name.get(name)) for name in names)
    return tuple(replace(one, refused=refused.get(one.device, "")) for one in judged)


def newest_of(found: Iterable[FoundReport], carried: Iterable[FoundReport]) -> list[FoundReport]:
    """Of each device one report: the carried one, unless the branch has one that was signed later."""
    by_name = {report.device: report for report in found}
    for report in carried:
        before = by_name.get(report.device)
        if before is None or _signed_at(report) > _signed_at(before):
            by_name[report.device] = report
    return list(by_name.values())


def _signed_at(report: FoundReport) -> datetime:
    """When, as its commit says; whether that is believed, is asked later."""
    try:
        return split_commit(report.raw_commit).committed_at
    except SignatureError:
        return datetime.min.replace(tzinfo=UTC)


def judge_one(name: str, files: FleetFiles, found: FoundReport | None) -> DeviceStatus:
    """One device, and its newest report if there is one."""
    if found is None:
        return DeviceStatus(name)
    if name not in files.device_paths:
        return DeviceStatus(name, flag="UNKNOWN_DEVICE: the fleet has no such device")
    try:
        device = files.device(name)
    except ManifestError as error:
        return DeviceStatus(name, flag=f"INVALID: its file is broken: {error.problems[0]}")
    if not device.identity:
        return DeviceStatus(name, flag="NO_IDENTITY: its file has no `identity`, so nothing it says can be checked")
    return judge_report(device, found)


def judge_report(device: Device, found: FoundReport) -> DeviceStatus:
    """One report of a device that has an identity, believed or flagged."""
    try:
        return _believed(device, found)
    except SignatureError as error:
        return DeviceStatus(device.name, flag=f"{error.code}: {error.message}")
    except ValueError as error:
        return DeviceStatus(device.name, flag=f"STATUS_REJECTED: {error}")


def _believed(device: Device, found: FoundReport) -> DeviceStatus:
    """Raises SignatureError or ValueError for a report that is not the device's own."""
    signers = AllowedSigners.parse(
        f'{device.name} namespaces="git" {device.identity}'.encode(), f"device {device.name}"
    )
    signature = verify_commit(found.raw_commit, signers)
    if found.touched != (report_path(device.name),):
        raise ValueError("its commit writes more than its own report")
    if not found.content:
        raise ValueError("its report is too big, or none")
    report = from_json(Report, found.content)
    if report.device != device.name:
        raise ValueError(f"it is a report of {report.device!r}")
    return DeviceStatus(device.name, report, seen_at=signature.commit.committed_at)


def as_table(statuses: Iterable[DeviceStatus], now: datetime) -> str:
    """DEVICE, PHASE, REVISION, SEEN and what is wrong."""
    rows = []
    for status in statuses:
        seconds = (now - status.seen_at).total_seconds() if status.seen_at else 0.0
        when = late(status, now)
        revision = _short(status.report.revisions.applied) if status.report else ""
        seen = f"{age(seconds)} ago{f' ({when})' if when else ''}" if status.seen_at else "never"
        rows.append((status.device, status.phase, revision, seen, status.message))
    return table(("DEVICE", "PHASE", "REVISION", "SEEN", "MESSAGE"), rows)


def late(status: DeviceStatus, now: datetime) -> str:
    """What is wrong with the time of its report, if anything."""
    seconds = (now - status.seen_at).total_seconds() if status.seen_at else 0.0
    if seconds < -60:
        return "in the future: its clock is wrong"
    heartbeat = status.report.heartbeat_seconds if status.report else 0.0
    return "silent" if 0 < heartbeat * SILENT_AFTER_HEARTBEATS < seconds else ""


def _short(revision: str) -> str:
    found = Revision.parse(revision)
    return found.short if found else ""
