"""What a collector makes of what lies on the devices' own refs: reports for the branch, and refusals to tell. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.fleet.status import DeviceStatus, judge_one
from reconciler.manifests import FleetFiles
from reconciler.model.codec import canonical, from_json
from reconciler.model.tree import Tree
from reconciler.repository import FoundReport, commit_path, report_path
from reconciler.terminal import printable

REFUSED_PATH = "refused.json"
# Strangers may make as many refs as the server lets them; of these, some names are told.
_MOST_REFUSED, _MOST_STRANGERS = 1000, 20
_MOST_WORDS = 300
_REASON = re.compile(rf"[A-Z_]{{4,40}}: .{{1,{_MOST_WORDS}}}")


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was not taken, by device, and why: what `refused.json` on the status branch holds.

    A note for people that nobody signed; no collector obeys it.
    """

    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "Refusals":
        """Nothing, for what cannot be read; without what does not read as a reason."""
        try:
            found = from_json(cls, content) if content else cls()
        except ValueError:
            return cls()
        return cls({name: why for name, why in found.refused.items() if _REASON.fullmatch(why)})

    def encode(self) -> bytes:
        """With the same bytes for the same refusals."""
        return canonical(self) + b"\n"


@dataclass(frozen=True, slots=True)
class Collected:
    """What one look at the refs came to: reports by device that are news, and all refusals that hold now."""

    taken: Mapping[str, FoundReport]
    refusals: Refusals

    def files(self) -> Tree:
        """As they lie on the branch: each report with its commit beside it."""
        files = {report_path(name): one.content for name, one in self.taken.items()}
        return {**files, **{commit_path(name): one.raw_commit for name, one in self.taken.items()}}


def to_fetch(refs: Mapping[str, str], files: FleetFiles, known: Iterable[FoundReport]) -> dict[str, str]:
    """Of the refs, by device, those whose commits are not on the branch. A stranger's is never fetched."""
    there = {one.device: one for one in known}
    return {
        device: commit
        for device, commit in refs.items()
        if device in files.device_paths and not (device in there and there[device].is_of(commit))
    }


def collect(
    refs: Mapping[str, str],
    files: FleetFiles,
    known: Iterable[FoundReport],
    found: Mapping[str, FoundReport | str],
) -> Collected:
    """Judge what was fetched: a report, or why there is none, by device."""
    there = {one.device: one for one in known}
    taken: dict[str, FoundReport] = {}
    refused: dict[str, str] = {}
    for device, one in sorted(found.items()):
        if isinstance(one, str):
            refused[device] = one
            continue
        why, is_news = _judged(device, files, one, there.get(device))
        if why:
            refused[device] = why
        elif is_news:
            taken[device] = one
    strangers = sorted(refs.keys() - files.device_paths.keys())[:_MOST_STRANGERS]
    told = {name: "UNKNOWN_DEVICE: the fleet has no such device" for name in strangers}
    told |= {name: printable(why)[:_MOST_WORDS] for name, why in list(refused.items())[:_MOST_REFUSED]}
    return Collected(taken, Refusals(told))


def _judged(device: str, files: FleetFiles, found: FoundReport, before: FoundReport | None) -> tuple[str, bool]:
    """Why a report is refused, empty when it is not; and whether it is news."""
    new = judge_one(device, files, found)
    if new.flag or before is None:
        return new.flag, True
    if before.raw_commit == found.raw_commit:
        return "", False
    if _is_newer(new, judge_one(device, files, before)):
        return "", True
    # What a device left on its ref before it wrote the branch by itself is no attack.
    return "REPLAYED: what it said later is on the branch already" if before.is_collected else "", False


def _is_newer(new: DeviceStatus, old: DeviceStatus) -> bool:
    """By the count of the device, or by its clock: who lost the state counts anew, and a clock may be set back."""
    if old.report is None or old.seen_at is None or new.report is None or new.seen_at is None:
        return True
    return new.report.sequence > old.report.sequence or new.seen_at > old.seen_at
