"""What devices reported over time: each report that is believed, and what was news in it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice

from reconciler.fleet.former_keys import Keys, Progress
from reconciler.fleet.status import judge_report
from reconciler.manifests import Device
from reconciler.model import Report, Revision
from reconciler.repository import FoundReport
from signing import PublicKey


@dataclass(frozen=True, slots=True)
class Heard:
    """One report that is believed: when the device signed it, and the commit of the status branch that holds it."""

    device: str
    report: Report
    signed_at: datetime
    commit: str
    # The fingerprint of the key that signed it, when it is not the device's any more.
    former_key: str = ""

    @property
    def applied(self) -> str:
        """The commit of the fleet that ran; empty while there is none."""
        return commit_of(self.report.revisions.applied)


def heard(keys: Keys, found: Iterable[FoundReport], device: str = "") -> Iterator[Heard]:
    """The reports of a device, or of all, that carry a signature of their device; others are left out.

    `found` is the branch from its beginning, or what one device wrote when it never had another key.
    """
    progress = keys.progress()
    for one in progress.follow(found):
        if device in ("", one.device) and (believed := _judged(one, keys, progress)) is not None:
            yield believed


def heard_of(commit: str, keys: Keys, found: Iterable[FoundReport]) -> Iterator[Heard]:
    """Of these, each that says that the commit runs, and the ones of its device before and behind it.

    By device, in the order of the branch. Only what may be such a report is verified: most of a long history is not.
    """
    progress = keys.progress()
    by_device = groupby(sorted(progress.follow(found), key=lambda one: one.device), key=lambda one: one.device)
    for _, mine in by_device:
        yield from _around(commit, mine, lambda one: _judged(one, keys, progress))


def _around(
    commit: str, found: Iterable[FoundReport], judged: Callable[[FoundReport], Heard | None]
) -> Iterator[Heard]:
    passed: list[FoundReport] = []
    is_running = False
    for one in found:
        believed = judged(one) if is_running or commit.encode() in one.content else None
        runs = believed is not None and believed.applied == commit
        if runs and not is_running:
            yield from islice(filter(None, map(judged, reversed(passed))), 1)
        if believed is not None and (runs or is_running):
            yield believed
            passed, is_running = [], runs
        elif not is_running:
            passed.append(one)


def _judged(one: FoundReport, keys: Keys, progress: Progress) -> Heard | None:
    """The report, if it is the device's own: by today's key, or by one that was the device's when it was written."""
    today = keys.today(one.device)
    if today is not None and (believed := _believed(today, one)) is not None:
        return believed
    for former in keys.former(one.device):
        if progress.allows(former, one.commit) and (believed := _believed(former.device, one)) is not None:
            return replace(believed, former_key=PublicKey.parse(former.device.identity).fingerprint)
    return None


def _believed(device: Device, one: FoundReport) -> Heard | None:
    status = judge_report(device, one)
    if status.report is None or status.seen_at is None or status.flag:
        return None
    return Heard(device.name, status.report, status.seen_at, one.commit)


def news(reports: Iterable[Heard]) -> Iterator[tuple[Heard, str]]:
    """Those of one device in which something was new, each with what it was."""
    before: Report | None = None
    for one in reports:
        told = _news(before, one.report)
        before = one.report
        if told:
            yield one, told


def _news(before: Report | None, now: Report) -> str:
    if before is None:
        return "the first report"
    told = []
    if now.phase != before.phase:
        told.append(f"{before.phase} -> {now.phase}")
    if now.revisions.applied != before.revisions.applied:
        told.append(f"now at {short(now.revisions.applied)}" if now.revisions.applied else "runs nothing of the fleet")
    elif now.revisions.seen != before.revisions.seen:
        told.append(f"saw {short(now.revisions.seen)}")
    old = {one.type: one for one in before.conditions}
    for one in now.conditions:
        if one.type in ("Drifted", "Trusted", "Rendered", "Fresh", "Stalled"):
            was = old.get(one.type)
            if was is None or (was.status, was.reason) != (one.status, one.reason):
                told.append(f"{one.type} {one.reason}")
    phases = {app.name: app.phase for app in before.apps}
    told += [f"{app.name} {app.phase}" for app in now.apps if phases.get(app.name) != app.phase]
    gone = sorted(phases.keys() - {app.name for app in now.apps})
    told += [f"{name} is gone" for name in gone]
    return ", ".join(told) or (f"{len(now.steps)} steps" if now.steps else "")


def commit_of(revision: str) -> str:
    """The commit id of a reported revision; empty while there is none."""
    found = Revision.parse(revision)
    return found.commit if found else ""


def short(revision: str) -> str:
    """A reported revision for people."""
    found = Revision.parse(revision)
    return found.short if found else "nothing"
