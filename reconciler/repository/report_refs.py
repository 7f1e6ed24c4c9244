"""The devices' own refs, as a collector sees them. What lies there is hostile: it never gets into the clone.

Needs GitPython, which devices do not have.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.errors import RemoteUnavailable
from reconciler.model import MAX_REPORT_BYTES
from reconciler.repository.desk import Desk
from reconciler.repository.found_reports import MAX_COMMIT_BYTES, FoundReport, collected, report_path
from reconciler.repository.git import Git, init_bare
from reconciler.repository.objects import small_objects
from reconciler.repository.status_branch import REPORT_REFS

# Devices that are fetched by one call, and what it may write for each of them at most.
_AT_ONCE = 250
_MOST_EACH = MAX_REPORT_BYTES + MAX_COMMIT_BYTES + 64 * 1024
_HERE = "refs/fetched"


def list_report_refs(desk: Desk) -> dict[str, str]:
    """What each device's ref names now, by device. Raises RemoteUnavailable."""
    return desk.list_refs(REPORT_REFS)


def fetch_reports(desk: Desk, wanted: Mapping[str, str]) -> dict[str, FoundReport | str]:
    """The report on each of these refs, not yet believed, or why there is none. Raises RemoteUnavailable.

    One that sends too much, or what git refuses, keeps nobody else from being heard.
    """
    if not wanted:
        return {}
    with TemporaryDirectory() as folder:
        store = Path(folder) / "reports.git"
        init_bare(store, "sha256" if len(next(iter(wanted.values()))) == 64 else "sha1")
        names = sorted(wanted)
        refused: dict[str, FoundReport | str] = {}
        for start in range(0, len(names), _AT_ONCE):
            refused |= _fetch(desk, store, names[start : start + _AT_ONCE])
        return {**refused, **dict(_read(store, [name for name in names if name not in refused]))}


def _fetch(desk: Desk, store: Path, names: list[str]) -> dict[str, str]:
    """Fetch their refs; why those cannot be fetched that keep the others from it."""
    try:
        desk.fetch_into(store, [f"+{REPORT_REFS}/{name}:{_HERE}/{name}" for name in names], _MOST_EACH * len(names))
    except RemoteUnavailable as error:
        # Is it one of them, or the server? A server that is away says so again.
        desk.list_refs(f"{REPORT_REFS}/{names[0]}")
        if len(names) == 1:
            return {names[0]: f"UNREADABLE: {error.what}"}
        middle = len(names) // 2
        return {**_fetch(desk, store, names[:middle]), **_fetch(desk, store, names[middle:])}
    return {}


def _read(store: Path, names: list[str]) -> Iterator[tuple[str, FoundReport | str]]:
    git = Git(store)
    ids = _ids(git)
    raws = small_objects(git, [f"{_HERE}/{name}" for name in names], MAX_COMMIT_BYTES)
    contents = small_objects(git, [f"{_HERE}/{name}:{report_path(name)}" for name in names], MAX_REPORT_BYTES)
    for name, raw, content in zip(names, raws, contents, strict=True):
        if not content:
            yield name, "STATUS_REJECTED: its report is too big, or none"
        else:
            found = collected(name, content, ids.get(name, ""), raw)
            yield name, found or "STATUS_REJECTED: its commit holds more than its own report"


def _ids(git: Git) -> dict[str, str]:
    out = git.run("for-each-ref", "--format=%(objectname) %(refname)", _HERE).decode()
    return {name.removeprefix(f"{_HERE}/"): found for found, name in (line.split(" ", 1) for line in out.splitlines())}
