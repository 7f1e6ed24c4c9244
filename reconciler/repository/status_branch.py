"""Reports on their branch: append one by a signed commit, retry a lost race, read them all."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.errors import PushRejected, RemoteUnavailable, UnknownRevision
from reconciler.model import MAX_REPORT_BYTES
from reconciler.repository.bundle import check_header, create_bundle, fetch_bundle
from reconciler.repository.commits import Author, Sign, commit_files
from reconciler.repository.git import Git, complaint, init_bare
from reconciler.repository.mirror import fetch, fetching
from reconciler.repository.objects import MAX_FILE_BYTES, resolve, small_objects
from reconciler.repository.remote import Remote, check_branch

# Devices that report in the same second race for the branch; the next pass tries again anyway.
ATTEMPTS = 5
# A report has 64 KiB at most.
MAX_CARRIED = 1024 * 1024


def report_path(device: str) -> str:
    """Where a device's report is on the status branch."""
    return f"devices/{device}/status.json"


def device_of(path: str) -> str:
    """Whose report a path is; empty for any other path."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and path == report_path(parts[1]) else ""


class StatusBranch:
    """One device's way to write the shared status branch."""

    def __init__(self, git_dir: Path, remote: Remote, branch: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._git_dir, self._remote, self._branch, self._sleep = git_dir, remote, check_branch(branch), sleep
        self._ref = f"refs/reconciler/reports/{branch}"

    def append(self, device: str, content: bytes, message: str, author: Author, sign: Sign) -> str:
        """Commit this report on top of the branch and push it; the commit's id. Raises RemoteUnavailable."""
        init_bare(self._git_dir)
        for attempt in range(ATTEMPTS):
            files = {report_path(device): content}
            commit = commit_files(Git(self._git_dir), self._tip(), files, message, author, sign)
            try:
                self._push(commit)
            except PushRejected:
                # A share of a second that grows, and differs between devices because their reports do.
                self._sleep((int(commit[:4], 16) / 0xFFFF) * 0.2 * 2**attempt)
                continue
            return commit
        raise RemoteUnavailable(
            f"lost the race for branch `{self._branch}` {ATTEMPTS} times",
            where=self._remote.url,
            advice="the next pass tries again",
        )

    def carry(self, path: Path, device: str, content: bytes, message: str, author: Author, sign: Sign) -> None:
        """Write this report, on top of nothing, into a bundle. Raises GitError."""
        init_bare(self._git_dir)
        git = Git(self._git_dir)
        commit = commit_files(git, None, {report_path(device): content}, message, author, sign)
        object_format = "sha256" if len(commit) == 64 else "sha1"
        create_bundle(self._git_dir, path, {f"refs/heads/{self._branch}": commit}, (), object_format)

    def _tip(self) -> str | None:
        try:
            fetch(fetching(self._git_dir, self._remote), self._remote, {self._branch: self._ref})
        except UnknownRevision:
            return None
        return resolve(Git(self._git_dir), self._ref)

    def _push(self, commit: str) -> None:
        git = Git(self._git_dir, self._remote.options())
        target = f"{commit}:refs/heads/{self._branch}"
        code, _, err = git.attempt("push", "--quiet", "--no-verify", "--end-of-options", self._remote.url, target)
        if code == 0:
            return
        if any(
            word in err for word in (b"non-fast-forward", b"fetch first", b"cannot lock ref", b"failed to update ref")
        ):
            raise PushRejected("somebody else pushed first", where=self._remote.url)
        raise RemoteUnavailable(
            f"cannot push the report: {complaint(err)}", where=self._remote.url, advice="it is kept, and tried again"
        )


@dataclass(frozen=True, slots=True)
class FoundReport:
    """A report as it lies on the branch, not yet believed: its bytes, and the commit that wrote it."""

    device: str
    content: bytes
    commit: str
    raw_commit: bytes
    touched: tuple[str, ...]


def read_reports(git_dir: Path, revision: str) -> list[FoundReport]:
    """The newest report of each device, each with the commit that wrote it. Oversized ones come back empty."""
    git = Git(git_dir)
    tip = resolve(git, revision)
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for commit, paths in _writers(git, tip):
        for device in filter(None, map(device_of, paths)):
            found.setdefault(device, (commit, tuple(paths)))
    names = sorted(found)
    contents = small_objects(git, [f"{tip}:{report_path(device)}" for device in names], MAX_REPORT_BYTES)
    # An empty one, which no signature fits, for what cannot be read: no writer may blind all.
    raws = small_objects(git, [found[device][0] for device in names], MAX_FILE_BYTES)
    return [
        FoundReport(device, content, found[device][0], raw, found[device][1])
        for device, content, raw in zip(names, contents, raws, strict=True)
    ]


def read_carried(bundle: Path, branch: str) -> list[FoundReport]:
    """The reports in a bundle that a device wrote; nothing of it stays in the clone. Raises BundleRefused, GitError."""
    with TemporaryDirectory() as folder:
        bare = Path(folder) / "carried.git"
        wanted = {f"refs/heads/{branch}": "refs/heads/carried"}
        init_bare(bare, check_header(bundle, MAX_CARRIED, wanted))
        fetch_bundle(Git(bare, max_file=MAX_CARRIED), bundle, wanted)
        return read_reports(bare, "refs/heads/carried")


def _writers(git: Git, tip: str) -> Iterable[tuple[str, list[str]]]:
    """Each commit, newest first, with the paths that it changes."""
    out = git.run("log", "--first-parent", "-m", "--no-renames", "--format=%x01%H", "--name-only", tip, "--")
    for block in out.decode("utf-8", "replace").split("\x01")[1:]:
        commit, *paths = block.split("\n")
        yield commit, [path for path in paths if path]
