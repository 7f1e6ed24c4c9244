"""The devices' own refs, as a collector sees them. What lies there is hostile: it never gets into the clone.

Needs GitPython, which devices do not have.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.errors import RemoteUnavailable
from reconciler.model import MAX_REPORT_BYTES
from reconciler.model.names import is_dns_label
from reconciler.repository.bare import init_bare
from reconciler.repository.desk import Desk
from reconciler.repository.found_reports import (
    MAX_COMMIT_BYTES,
    FoundReport,
    collected,
    enrollment_path,
    report_path,
)
from reconciler.repository.git import Git
from reconciler.repository.objects import small_objects
from reconciler.repository.status_branch import ENROLL_REFS, REPORT_REFS

# Devices that are fetched by one call, and what it may write for each of them at most.
_AT_ONCE = 250
_MOST_EACH = MAX_REPORT_BYTES + MAX_COMMIT_BYTES + 64 * 1024
_HERE = "refs/fetched"


@dataclass(frozen=True, slots=True)
class OwnRefs:
    """Refs of one kind, one for each device, and the one file that the commit of each holds."""

    under: str
    path_of: Callable[[str], str]

    def named(self, desk: Desk) -> dict[str, str]:
        """What each of them names now, by device; names that no device has are left out. Raises RemoteUnavailable."""
        return {name: commit for name, commit in desk.list_refs(self.under).items() if is_dns_label(name)}

    def remove(self, desk: Desk, kept: Container[str]) -> list[str]:
        """Remove all but those of these devices, whatever their names; which these were. Raises RemoteUnavailable."""
        gone = sorted(name for name in desk.list_refs(self.under) if name not in kept)
        desk.remove_refs([f"{self.under}/{name}" for name in gone])
        return gone

    def fetch(self, desk: Desk, wanted: Mapping[str, str]) -> dict[str, FoundReport | str]:
        """The file on each of these refs, not yet believed, or why there is none. Raises RemoteUnavailable.

        One that sends too much, or what git refuses, keeps nobody else from being heard.
        """
        return _fetched(desk, self, wanted) if wanted else {}


REPORTS, ENROLLMENTS = OwnRefs(REPORT_REFS, report_path), OwnRefs(ENROLL_REFS, enrollment_path)


def _fetched(desk: Desk, refs: OwnRefs, wanted: Mapping[str, str]) -> dict[str, FoundReport | str]:
    with TemporaryDirectory() as folder:
        store = Path(folder) / "reports.git"
        init_bare(store, "sha256" if len(next(iter(wanted.values()))) == 64 else "sha1")
        names = sorted(wanted)
        refused: dict[str, FoundReport | str] = {}
        for start in range(0, len(names), _AT_ONCE):
            refused |= _fetch(desk, refs.under, store, names[start : start + _AT_ONCE])
        return {**refused, **dict(_read(refs, store, [name for name in names if name not in refused]))}


def _fetch(desk: Desk, under: str, store: Path, names: list[str]) -> dict[str, str]:
    """Fetch their refs; why those cannot be fetched that keep the others from it."""
    refspecs = [f"+{under}/{name}:{_HERE}/{name}" for name in names]
    try:
        desk.fetch_into(store, refspecs, _MOST_EACH * len(names))
    except RemoteUnavailable as error:
        # Is it one of them, or the server? A server that is away says so again.
        desk.list_refs(f"{under}/{names[0]}")
        if len(names) == 1:
            return {names[0]: f"UNREADABLE: {error.what}"}
        middle = len(names) // 2
        return {**_fetch(desk, under, store, names[:middle]), **_fetch(desk, under, store, names[middle:])}
    return {}


def _read(refs: OwnRefs, store: Path, names: list[str]) -> Iterator[tuple[str, FoundReport | str]]:
    git = Git(store)
    ids = _ids(git)
    raws = small_objects(git, [f"{_HERE}/{name}" for name in names], MAX_COMMIT_BYTES)
    contents = small_objects(git, [f"{_HERE}/{name}:{refs.path_of(name)}" for name in names], MAX_REPORT_BYTES)
    for name, raw, content in zip(names, raws, contents, strict=True):
        if not content:
            yield name, f"STATUS_REJECTED: {refs.path_of(name)} is too big, or not there"
        else:
            found = collected(name, content, ids.get(name, ""), raw, refs.path_of(name))
            yield name, found or f"STATUS_REJECTED: its commit holds more than {refs.path_of(name)}"


def _ids(git: Git) -> dict[str, str]:
    out = git.run("for-each-ref", "--format=%(objectname) %(refname)", _HERE).decode()
    return {name.removeprefix(f"{_HERE}/"): found for found, name in (line.split(" ", 1) for line in out.splitlines())}
