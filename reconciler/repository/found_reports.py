"""Reports as they lie in a repository, not yet believed: who is said to have written each, and by which commit.

A device's report is one file of a commit that the device signed. That commit is on the status branch itself, or a
collector put the report there, with the very bytes of the device's commit beside it.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.model import MAX_REPORT_BYTES
from reconciler.model.names import is_dns_label
from reconciler.repository.bare import init_bare
from reconciler.repository.bundle import check_header, fetch_bundle
from reconciler.repository.git import Git
from reconciler.repository.objects import MAX_FILE_BYTES, list_ids, resolve, small_objects
from reconciler.repository.raw_objects import RawObject, tree_objects

# A report has 64 KiB at most.
MAX_CARRIED = 1024 * 1024
# Contents of a history that are held in memory at once.
_AT_ONCE = 500
# Commits of the branch in which somebody looks for when a report came.
_NEWEST = 1000
# A commit of one device says its report's steps in words, and bears one signature.
MAX_COMMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class FoundReport:
    """A report: its bytes, a commit that holds it, the commit that its device shall have signed, and what that set."""

    device: str
    content: bytes
    commit: str
    raw_commit: bytes
    touched: tuple[str, ...]
    # A collector put it there, with the commit beside it.
    is_collected: bool = False

    def is_of(self, commit: str) -> bool:
        """Is this the id of the commit that its device shall have signed?"""
        algorithm = "sha256" if len(commit) == 64 else "sha1"
        return RawObject(b"commit", self.raw_commit).id(algorithm).hex() == commit


def report_path(device: str) -> str:
    """Where a device's report is on the status branch."""
    return f"devices/{device}/status.json"


def enrollment_path(device: str) -> str:
    """Where a device's request to join is, on its own ref."""
    return f"devices/{device}/enrollment.json"


def commit_path(device: str) -> str:
    """Where the commit of a device is, beside a report that was collected."""
    return f"devices/{device}/status.commit"


def device_of(path: str) -> str:
    """Whose report a path is; empty for any other path."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and path == report_path(parts[1]) and is_dns_label(parts[1]) else ""


def collected(device: str, content: bytes, commit: str, raw_commit: bytes, path: str = "") -> FoundReport | None:
    """A report, or another file of a device, with the commit that holds this very file and nothing else; else None."""
    path = path or report_path(device)
    # Nothing lies beside a report that its device put onto the branch itself; its trees need not be made.
    if not raw_commit or raw_commit.partition(b"\n")[0] not in _tree_lines(path, content):
        return None
    return FoundReport(device, content, commit, raw_commit, (path,), is_collected=True)


def _tree_lines(path: str, content: bytes) -> Iterator[bytes]:
    """What a commit of this file alone begins with, in both object formats."""
    for object_format in ("sha1", "sha256"):
        *_, root = tree_objects(object_format, {path: content})
        yield b"tree " + root.id(object_format).hex().encode()


def read_reports(git_dir: Path, revision: str, known: Container[str] | None = None) -> list[FoundReport]:
    """The newest report of each device on the branch, by name. Oversized ones come back empty.

    So do those of others than the known devices: what strangers put there is not read.
    """
    git = Git(git_dir)
    tip = resolve(git, revision)
    # By id, not by `TIP:PATH`: for each of those, git would go through the folder of all devices again.
    ids = list_ids(git, tip)
    there = sorted(filter(None, map(device_of, ids)))
    names = [name for name in there if known is None or name in known]
    strangers = [FoundReport(name, b"", tip, b"", ()) for name in there if known is not None and name not in known]
    beside = [name for name in names if commit_path(name) in ids]
    contents = small_objects(git, [ids[report_path(name)] for name in names], MAX_REPORT_BYTES)
    raws = small_objects(git, [ids[commit_path(name)] for name in beside], MAX_COMMIT_BYTES)
    commits = dict(zip(beside, raws, strict=True))
    found = [
        collected(name, content, tip, commits.get(name, b"")) for name, content in zip(names, contents, strict=True)
    ]
    own = {name: content for name, content, one in zip(names, contents, found, strict=True) if one is None}
    return sorted([*filter(None, found), *_written_here(git, tip, own), *strangers], key=lambda one: one.device)


def _written_here(git: Git, tip: str, contents: dict[str, bytes]) -> Iterator[FoundReport]:
    """Reports that their devices put on the branch by themselves, with the newest commit that set each."""
    writers: dict[str, tuple[str, tuple[str, ...]]] = {}
    for commit, paths in _writers(git, tip) if contents else ():
        for device in filter(None, map(device_of, paths)):
            writers.setdefault(device, (commit, paths))
    names = sorted(contents.keys() & writers.keys())
    # An empty one, which no signature fits, for what cannot be read: no writer may blind all.
    raws = small_objects(git, [writers[name][0] for name in names], MAX_FILE_BYTES)
    for name, raw in zip(names, raws, strict=True):
        yield FoundReport(name, contents[name], writers[name][0], raw, writers[name][1])


def read_small(git_dir: Path, commit: str, path: str) -> bytes:
    """A file of a commit; nothing, where there is none or a big one."""
    return small_objects(Git(git_dir), [f"{commit}:{path}"], MAX_FILE_BYTES)[0]


def read_carried(bundle: Path, branch: str) -> list[FoundReport]:
    """The reports in a bundle that a device wrote; nothing of it stays in the clone. Raises BundleRefused, GitError."""
    with TemporaryDirectory() as folder:
        bare = Path(folder) / "carried.git"
        wanted = {f"refs/heads/{branch}": "refs/heads/carried"}
        init_bare(bare, check_header(bundle, MAX_CARRIED, wanted))
        fetch_bundle(Git(bare, max_file=MAX_CARRIED), bundle, wanted)
        return read_reports(bare, "refs/heads/carried")


def read_history(git_dir: Path, revision: str, device: str = "") -> Iterator[FoundReport]:
    """Every report that was ever on the branch, or those of one device, oldest first.

    An oversized one, or one that is gone, has no content. Raises UnknownRevision, GitError.
    """
    git = Git(git_dir)
    written = [
        (name, commit, paths)
        for commit, paths in _writers(git, resolve(git, revision), "--reverse")
        for name in filter(None, map(device_of, paths))
        if not device or name == device
    ]
    for start in range(0, len(written), _AT_ONCE):
        yield from _of_history(git, written[start : start + _AT_ONCE])


def read_arrivals(git_dir: Path, revision: str, devices: Collection[str], now: datetime) -> dict[str, datetime]:
    """By when the newest report of each of these devices was on the branch, as the first tells who wrote after it.

    A commit whose time has not come, or goes back behind one before it, tells nothing; of a report that only such ones
    follow, nobody knows. Only the newest commits are read: what is in none of them was there before. Raises
    UnknownRevision, GitError.
    """
    git = Git(git_dir)
    clock, waiting, arrived = 0, set(devices), dict[str, datetime]()
    for written_at, paths in _written(git, resolve(git, revision)):
        mine = {device for device in map(device_of, paths) if device in devices}
        waiting |= mine
        arrived = {device: at for device, at in arrived.items() if device not in mine} if mine else arrived
        if clock <= written_at <= now.timestamp():
            clock = written_at
            arrived |= dict.fromkeys(waiting, datetime.fromtimestamp(clock, UTC))
            waiting.clear()
    return arrived


def _written(git: Git, tip: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """When each commit says that it was written, oldest first, with the paths that it changes."""
    for told, paths in _writers(git, tip, "--reverse", f"--max-count={_NEWEST}", told="%ct"):
        yield int(told) if told.isdecimal() else 0, paths


def _of_history(git: Git, part: Sequence[tuple[str, str, tuple[str, ...]]]) -> Iterator[FoundReport]:
    raws = small_objects(git, [commit for _, commit, _ in part], MAX_REPORT_BYTES)
    contents = small_objects(git, [f"{commit}:{report_path(name)}" for name, commit, _ in part], MAX_REPORT_BYTES)
    asked = [(name, commit) for name, commit, paths in part if commit_path(name) in paths]
    told = small_objects(git, [f"{commit}:{commit_path(name)}" for name, commit in asked], MAX_COMMIT_BYTES)
    beside = dict(zip(asked, told, strict=True))
    for (name, commit, paths), raw, content in zip(part, raws, contents, strict=True):
        yield collected(name, content, commit, beside.get((name, commit), b"")) or FoundReport(
            name, content, commit, raw, paths
        )


def _writers(git: Git, tip: str, *more: str, told: str = "%H") -> Iterable[tuple[str, tuple[str, ...]]]:
    """Each commit of the branch, newest first, with the paths that it changes. `told` says what of it is told."""
    flags = ("--first-parent", "-m", "--no-renames", f"--format=%x01{told}", "--name-only", *more)
    out = git.run("log", *flags, tip, "--")
    for block in out.decode("utf-8", "replace").split("\x01")[1:]:
        commit, *paths = block.split("\n")
        yield commit, tuple(path for path in paths if path)
