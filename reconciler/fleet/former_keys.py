"""By which keys devices were ever known, and until when what a former one signed counts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from reconciler.errors import ManifestError
from reconciler.manifests import Device, FleetFiles
from reconciler.repository import FoundReport, Store, Version, read_positions, read_versions

# A device's file is a name, labels and some variables.
_MAX_DEVICE_BYTES = 64 * 1024
_NAMED = re.compile(rb"@sha(?:1|256):([0-9a-f]{64}|[0-9a-f]{40})")
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Past:
    """The branch that devices obey: all versions of their files, and where each of its commits stands.

    `others` are the names of the clone's other branches.
    """

    versions: tuple[Version, ...] = ()
    positions: Mapping[str, int] = field(default_factory=dict)
    others: frozenset[str] = frozenset()


def read_past(git_dir: Path, branch: str, tip: str, prefix: str, device: str = "") -> Past:
    """The past of the files of one device, or of all, in a fleet that lies below a prefix. Raises GitError."""
    ending = f"/{device}.yaml" if device else ".yaml"
    found = read_versions(git_dir, tip, f"{prefix}devices", ending, _MAX_DEVICE_BYTES)
    versions = tuple(Version(one.path.removeprefix(prefix), one.commit, one.content) for one in found)
    return Past(versions, read_positions(git_dir, tip), _branches(Store(git_dir).refs()) - {branch})


def _branches(refs: Iterable[str]) -> frozenset[str]:
    """The names of branches here and of remotes, out of all refs."""
    names = [ref.partition(" ")[2].split("/", 2) for ref in refs]
    here = {rest for _, kind, rest in (one for one in names if len(one) == 3) if kind == "heads"}
    there = {rest.partition("/")[2] for _, kind, rest in (one for one in names if len(one) == 3) if kind == "remotes"}
    return frozenset(here | there)


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A device as it was known by another key than today's, and where the commit stands that took the key away.

    Nowhere, when it is the key of the branch, and only the folder names another one.
    """

    device: Device
    until: int | None


class Keys:
    """Under which names and keys devices were ever known: the folder has the newest word, the branch those before."""

    def __init__(self, files: FleetFiles, past: Past | None = None) -> None:
        self._files = files
        self._past = past or Past()
        self._versions: dict[str, list[Version]] = {}
        for one in self._past.versions:
            self._versions.setdefault(one.path.rpartition("/")[2].removesuffix(".yaml"), []).append(one)
        self._today: dict[str, Device | None] = {}
        self._former: dict[str, tuple[FormerKey, ...]] = {}

    def ever(self, name: str) -> bool:
        """Was there ever a device of this name?"""
        return name in self._files.device_paths or name in self._versions

    def today(self, name: str) -> Device | None:
        """The device as its file of today knows it; None without a file that can be read, or a key in it."""
        if name not in self._today:
            self._today[name] = _with_key(self._files, name)
        return self._today[name]

    def former(self, name: str) -> tuple[FormerKey, ...]:
        """The other keys that it ever had."""
        if name not in self._former:
            today = self.today(name)
            known = self._read(name)
            self._former[name] = tuple(one for key, one in known.items() if today is None or key != today.identity)
        return self._former[name]

    def have_former(self) -> bool:
        """Has any device that was asked for another key than today's?"""
        return any(self.former(name) for name in self._versions)

    def progress(self) -> "Progress":
        """For reading the status branch once, from its beginning."""
        return Progress(self._past)

    def _read(self, name: str) -> dict[str, FormerKey]:
        """All keys that the branch ever named, by what names them in a file."""
        there: dict[str, Device] = {}
        known: dict[str, FormerKey] = {}
        for commit, changed in groupby(self._versions.get(name, ()), key=lambda one: one.commit):
            before = {device.identity: device for device in there.values()}
            for one in changed:
                there.pop(one.path, None)
                if (device := self._device(name, one)) is not None:
                    there[one.path] = device
            at = self._past.positions.get(commit, 0)
            known |= {key: FormerKey(device, at) for key, device in before.items()}
            known |= {device.identity: FormerKey(device, None) for device in there.values()}
        return known

    def _device(self, name: str, one: Version) -> Device | None:
        if self._files.tree.get(one.path) == one.content:
            return self.today(name)
        return _with_key(FleetFiles({one.path: one.content}), name) if one.content else None


def _with_key(files: FleetFiles, name: str) -> Device | None:
    """A device whose reports can be believed."""
    try:
        device = files.device(name) if name in files.device_paths else None
    except ManifestError:
        return None
    return device if device is not None and device.identity else None


class Progress:
    """How far along the fleet's branch somebody is known to have been, before each commit of the status branch.

    By the commits that reports name, whoever wrote them: nobody can name a commit that is not made yet. So no clock
    counts, and whoever has a former key cannot say afterwards what it would have said in its time.
    """

    def __init__(self, past: Past) -> None:
        self._past, self._furthest = past, -1
        self._before: dict[str, int] = {}

    def follow(self, found: Iterable[FoundReport]) -> Iterator[FoundReport]:
        """The same reports, the oldest first, and what they tell of the branch is known behind each."""
        for one in found:
            self._before.setdefault(one.commit, self._furthest)
            self._furthest = max(self._furthest, self._named(one.content))
            yield one

    def allows(self, key: FormerKey, commit: str) -> bool:
        """Had nobody seen yet that the key was taken away, when this commit of the status branch was written?"""
        return key.until is None or self._before.get(commit, self._furthest) < key.until

    def _named(self, content: bytes) -> int:
        """Where the newest commit stands that a report names; of other branches, which may be ahead, none counts."""
        furthest = -1
        for found in _NAMED.finditer(content):
            at = self._past.positions.get(found[1].decode(), -1)
            if at > furthest and _name_before(content, found.start()) not in self._past.others:
                furthest = at
        return furthest


def _name_before(content: bytes, end: int) -> str:
    """The name in `"NAME@sha1:..."`."""
    return content[max(0, end - _MAX_NAME) : end].rpartition(b'"')[2].decode("utf-8", "replace")
