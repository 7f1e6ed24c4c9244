"""What a collector makes of what lies on the devices' own refs: reports for the branch, and refusals to tell."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.fleet.status import DeviceStatus, judge_one
from reconciler.manifests import FleetFiles, Tree
from reconciler.model.codec import canonical, from_json
from reconciler.repository import FoundReport, commit_path, read_small, report_path

REFUSED_PATH = "refused.json"
# Strangers may make as many refs as the server lets them; nobody reads more names than these.
_MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A report that was not taken: which commit, as its ref named it, and why, for people."""

    commit: str
    why: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Those of a fleet, by device: what `refused.json` on the status branch holds."""

    refused: Mapping[str, Refusal] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "Refusals":
        """Nothing, for what cannot be read: it is a note for people, and is written anew."""
        try:
            return from_json(cls, content) if content else cls()
        except ValueError:
            return cls()

    @property
    def told(self) -> dict[str, str]:
        """Why, by device."""
        return {name: one.why for name, one in self.refused.items()}

    def encode(self) -> bytes:
        """With the same bytes for the same refusals."""
        return canonical(self) + b"\n"


def read_refusals(git_dir: Path, tip: str) -> Refusals:
    """Those that stand on the branch at this commit; none, where it has none."""
    return Refusals.parse(read_small(git_dir, tip, REFUSED_PATH)) if tip else Refusals()


@dataclass(frozen=True, slots=True)
class Collected:
    """What one look at the refs came to: reports by device that are news, and all refusals that hold now."""

    taken: Mapping[str, FoundReport]
    refusals: Refusals

    def files(self) -> Tree:
        """As they lie on the branch: each report with its commit beside it."""
        files = {report_path(name): one.content for name, one in self.taken.items()}
        return {**files, **{commit_path(name): one.raw_commit for name, one in self.taken.items()}}


def to_fetch(
    refs: Mapping[str, str], files: FleetFiles, known: Iterable[FoundReport], before: Refusals
) -> dict[str, str]:
    """Of the refs, by device, those whose commits were neither taken nor refused before, and whose devices may speak.

    A stranger's ref is told and never fetched.
    """
    taken = {one.device: one.raw_commit for one in known}
    wanted = {}
    for device, commit in refs.items():
        refused = before.refused.get(device)
        is_new = commit != _id_of(taken.get(device, b""), len(commit)) and (refused is None or refused.commit != commit)
        if is_new and device in files.device_paths:
            wanted[device] = commit
    return wanted


def collect(
    refs: Mapping[str, str],
    files: FleetFiles,
    known: Iterable[FoundReport],
    before: Refusals,
    found: Mapping[str, FoundReport | str],
) -> Collected:
    """Judge what was fetched: a report, or why there is none, by device."""
    folded = {one.device: one for one in known}
    taken: dict[str, FoundReport] = {}
    refused = {name: refusal for name, refusal in before.refused.items() if refs.get(name) == refusal.commit}
    for device in refs.keys() - files.device_paths.keys():
        refused[device] = Refusal(refs[device], "UNKNOWN_DEVICE: the fleet has no such device")
    for device, one in found.items():
        why = one if isinstance(one, str) else _why_not(device, files, one, folded.get(device))
        if why:
            refused[device] = Refusal(refs[device], why)
        elif isinstance(one, FoundReport):
            taken[device] = one
            refused.pop(device, None)
    return Collected(taken, Refusals(dict(sorted(refused.items())[:_MOST_REFUSED])))


def _why_not(device: str, files: FleetFiles, found: FoundReport, before: FoundReport | None) -> str:
    """Why a report is not put onto the branch; empty when it is."""
    new = judge_one(device, files, found)
    if new.flag:
        return new.flag
    old = judge_one(device, files, before)
    return "" if _is_newer(new, old) else "REPLAYED: what it said later is on the branch already"


def _is_newer(new: DeviceStatus, old: DeviceStatus) -> bool:
    """By the count of the device, or by its clock: who lost the state counts anew, and a clock may be set back."""
    if old.report is None or old.seen_at is None or new.report is None or new.seen_at is None:
        return True
    return new.report.sequence > old.report.sequence or new.seen_at > old.seen_at


def _id_of(raw_commit: bytes, digits: int) -> str:
    """The id of a commit (gitformat-pack(5)), in the object format whose ids have so many digits."""
    name = "sha256" if digits == 64 else "sha1"
    return hashlib.new(name, b"commit %d\0%s" % (len(raw_commit), raw_commit), usedforsecurity=False).hexdigest()
