"""All reports, one table. A report counts only with its device's signature; silence and forgery are shown."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import GitError, ManifestError
from reconciler.fleet.report_times import AHEAD_SECONDS
from reconciler.fleet.text import age, table
from reconciler.manifests import Device, FleetFiles
from reconciler.model import Report, Revision
from reconciler.model.codec import from_json, to_plain
from reconciler.repository import FoundReport, read_arrivals, report_path
from signing import AllowedSigners, SignatureError, split_commit, verify_commit

# After so many missed heartbeats somebody should look.
SILENT_AFTER_HEARTBEATS = 2


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One line of the table. `flag` says why a report is not believed; `seen_at` is when the device signed it.

    `refused` is what a collector says of a newer one, which it did not take. What the clock of the reader says of the
    report's time comes by `as_of`: for how many seconds nothing was heard, once that is too long; and how far it is
    ahead, once that is too far.
    """

    device: str
    report: Report | None = None
    flag: str = ""
    seen_at: datetime | None = None
    refused: str = ""
    silent_for: float = 0.0
    ahead_by: float = 0.0

    @property
    def is_ahead(self) -> bool:
        """Is its newest report of the future?"""
        return self.ahead_by > 0

    @property
    def is_silent(self) -> bool:
        """Is its newest report too old, or is there none?"""
        return not self.flag and (self.report is None or self.silent_for > 0)

    @property
    def phase(self) -> str:
        """What is shown: a phase of long ago is none of today."""
        if self.flag:
            return "Refused"
        return "Silent" if self.is_silent else self.last_phase

    @property
    def last_phase(self) -> str:
        """What its newest report says, however old; empty without one."""
        return self.report.phase if self.report else ""

    @property
    def silence(self) -> str:
        """How the silence began: `last Healthy, 40d ago`; empty for a device that is heard."""
        if not self.is_silent:
            return ""
        return f"last {self.last_phase}, {age(self.silent_for)} ago" if self.report else "has never reported"

    @property
    def message(self) -> str:
        """The first thing that is wrong, for people; and before it, that it is told of an old time."""
        return self.flag or "; ".join(filter(None, (self.silence if self.report else "", self._wrong)))

    @property
    def _wrong(self) -> str:
        if self.refused:
            return f"a newer report was refused: {self.refused}"
        if self.is_ahead:
            return "its report is of the future: its clock is wrong"
        if self.report is None:
            return self.silence
        wrong = (c for c in self.report.conditions if c.message and c.status != "True" and c.type != "Drifted")
        return next((f"{c.reason}: {c.message}" for c in wrong), "")


def judge(
    files: FleetFiles, found: Iterable[FoundReport], refused: Mapping[str, str], now: datetime
) -> list[DeviceStatus]:
    """Every device of the fleet, and everybody else who wrote to the status branch or was refused, by name."""
    by_name = {report.device: report for report in found}
    names = sorted(files.device_paths.keys() | by_name.keys() | refused.keys())
    judged = (judge_one(name, files, by_name.get(name)) for name in names)
    return [as_of(replace(one, refused=refused.get(one.device, "")), now) for one in judged]


def as_of(status: DeviceStatus, now: datetime, arrived_at: datetime | None = None) -> DeviceStatus:
    """The same at this time: silent, if heartbeats were missed; ahead, if its report is of the future.

    For one that is ahead, whose own time tells nothing, it counts by when its report was on the branch, where others
    tell that.
    """
    if status.report is None or status.seen_at is None:
        return status
    ahead_by = (status.seen_at - now).total_seconds()
    is_ahead = ahead_by > AHEAD_SECONDS
    heard_at = arrived_at if is_ahead and arrived_at is not None else status.seen_at
    seconds = (now - heard_at).total_seconds()
    is_late = 0 < status.report.heartbeat_seconds * SILENT_AFTER_HEARTBEATS < seconds
    return replace(status, silent_for=seconds if is_late else 0.0, ahead_by=ahead_by if is_ahead else 0.0)


def with_arrivals(statuses: Sequence[DeviceStatus], git_dir: Path, tip: str, now: datetime) -> list[DeviceStatus]:
    """The same, those that are ahead by what the status branch tells of them at this commit, if there is one."""
    ahead = {one.device for one in statuses if one.is_ahead}
    arrived: dict[str, datetime] = {}
    if ahead and tip:
        with suppress(GitError):  # then their own word counts
            arrived = read_arrivals(git_dir, tip, ahead, now)
    return [as_of(one, now, arrived[one.device]) if one.device in arrived else one for one in statuses]


def seen(status: DeviceStatus, now: datetime) -> str:
    """When its newest report was signed, for people."""
    if status.seen_at is None:
        return "never"
    return "ahead" if status.is_ahead else f"{age((now - status.seen_at).total_seconds())} ago"


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
        revision = _short(status.report.revisions.applied) if status.report else ""
        rows.append((status.device, status.phase, revision, seen(status, now), status.message))
    return table(("DEVICE", "PHASE", "REVISION", "SEEN", "MESSAGE"), rows)


def plain(status: DeviceStatus) -> dict[str, object]:
    """All of it, for programs."""
    return {
        "device": status.device,
        "phase": status.phase,
        "lastPhase": status.last_phase,
        "silent": status.is_silent,
        "message": status.message,
        "flag": status.flag,
        "refused": status.refused,
        "seenAt": status.seen_at.isoformat() if status.seen_at else None,
        "report": to_plain(status.report),
    }


def _short(revision: str) -> str:
    found = Revision.parse(revision)
    return found.short if found else ""
