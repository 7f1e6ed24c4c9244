"""How a device sends its report: onto the branch that all share, or to a ref of its own. Signed either way."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.errors import GitError, PushRejected, RemoteUnavailable, StateError, UnknownRevision
from reconciler.repository.bare import init_bare
from reconciler.repository.bundle import create_bundle
from reconciler.repository.busy import traced, unavailable
from reconciler.repository.commits import Author, Sign, commit_files
from reconciler.repository.found_reports import report_path
from reconciler.repository.git import Git, complaint, is_of_disk, went_elsewhere
from reconciler.repository.lone_commit import SHA1, SHA256, clear, format_before, lay_commit
from reconciler.repository.mirror import Mirror
from reconciler.repository.remote import Remote, check_branch

# Devices that report in the same second race for the branch; the next pass tries again anyway.
ATTEMPTS = 5
# Where each device has its own refs, which nobody else writes.
REPORT_REFS, ENROLL_REFS = "refs/reports", "refs/enroll"
_LOST_RACE = (b"non-fast-forward", b"fetch first", b"cannot lock ref", b"failed to update ref")
# Of a server that holds nothing, a git of the longer format reads the shorter ids as something else.
_OTHER_FORMAT = (b"hash algorithm", b"unexpected capabilities")


class _OtherFormat(RemoteUnavailable):
    """The server names objects by another digest."""


class StatusBranch:
    """One device's way to write the shared status branch."""

    def __init__(self, git_dir: Path, remote: Remote, branch: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._git_dir, self._remote, self._branch, self._sleep = git_dir, remote, check_branch(branch), sleep
        # Which makes a damaged store anew, finds the server's object format, and packs what piles up. What others have
        # reported in years is of no use here.
        self._mirror = Mirror(git_dir, remote, branch, newest_only=True)

    def append(self, device: str, content: bytes, message: str, author: Author, sign: Sign) -> str:
        """Commit this report on top of the branch and push it; its id. Raises RemoteUnavailable, StateError."""
        try:
            return self._append(device, content, message, author, sign)
        except GitError as error:
            # What a server says of its disk is not of this one.
            if not isinstance(error, RemoteUnavailable) and is_of_disk(error.what):
                raise StateError(error.what, where=str(self._git_dir), advice="make room, or check the disk") from error
            raise

    def clear(self) -> None:
        """Leave nothing on the disk."""
        clear(self._git_dir)

    def _append(self, device: str, content: bytes, message: str, author: Author, sign: Sign) -> str:
        for attempt in range(ATTEMPTS):
            files, tip = {report_path(device): content}, self._tip()
            commit = commit_files(Git(self._git_dir), tip, files, message, author, sign)
            try:
                _push(self._git_dir, self._remote, commit, f"refs/heads/{self._branch}")
            except PushRejected:
                # A share of a second that grows, and differs between devices because their reports do.
                self._sleep((int(commit[:4], 16) / 0xFFFF) * 0.2 * 2**attempt)
                continue
            except _OtherFormat:
                if not self._mirror.change_format():
                    raise
                continue
            self._mirror.note_pushed(commit)
            self._mirror.tidy()
            return commit
        raise RemoteUnavailable(
            f"lost the race for branch `{self._branch}` {ATTEMPTS} times",
            where=self._remote.url,
            advice="the next pass tries again",
        )

    def carry(self, bundle: Path, device: str, content: bytes, message: str, author: Author, sign: Sign) -> None:
        """Write this report, on top of nothing, into a bundle. Raises GitError."""
        init_bare(self._git_dir)
        commit = commit_files(Git(self._git_dir), None, {report_path(device): content}, message, author, sign)
        _bundle(self._git_dir, bundle, self._branch, commit)

    def _tip(self) -> str | None:
        try:
            return self._mirror.fetch().commit
        except UnknownRevision:
            return None


class OwnRef:
    """A ref that only one device writes, with one commit on top of nothing: nobody races for it."""

    def __init__(self, git_dir: Path, remote: Remote) -> None:
        self._git_dir, self._remote = git_dir, remote

    def put(self, ref: str, files: Mapping[str, bytes], message: str, author: Author, sign: Sign) -> str:
        """Put these files in place of all that was there; the commit's id. Raises RemoteUnavailable, StateError."""
        # A server does not change its format, so the one of the last time is tried first.
        first = format_before(self._git_dir)
        try:
            return self._put(first, ref, files, message, author, sign)
        except _OtherFormat:
            return self._put(SHA1 if first == SHA256 else SHA256, ref, files, message, author, sign)

    def commit(self, object_format: str, files: Mapping[str, bytes], message: str, author: Author, sign: Sign) -> str:
        """As `put`, and nobody hears of it yet. Raises StateError."""
        return lay_commit(self._git_dir, object_format, files, message, author, sign)

    def clear(self) -> None:
        """Leave nothing on the disk."""
        clear(self._git_dir)

    def _put(
        self, object_format: str, ref: str, files: Mapping[str, bytes], message: str, author: Author, sign: Sign
    ) -> str:
        commit = self.commit(object_format, files, message, author, sign)
        _push(self._git_dir, self._remote, commit, ref, force=True)
        return commit


class ReportRef:
    """One device's ref for reports, which holds the newest one; a collector looks after it."""

    def __init__(self, git_dir: Path, remote: Remote, branch: str) -> None:
        self._git_dir, self._branch, self._own = git_dir, check_branch(branch), OwnRef(git_dir, remote)

    def append(self, device: str, content: bytes, message: str, author: Author, sign: Sign) -> str:
        """Put this report in place of the one before; the commit's id. Raises RemoteUnavailable, StateError."""
        return self._own.put(f"{REPORT_REFS}/{device}", {report_path(device): content}, message, author, sign)

    def clear(self) -> None:
        """Leave nothing on the disk."""
        self._own.clear()

    def carry(self, bundle: Path, device: str, content: bytes, message: str, author: Author, sign: Sign) -> None:
        """Write this report into a bundle, as if onto the branch. Raises GitError."""
        commit = self._own.commit(SHA1, {report_path(device): content}, message, author, sign)
        _bundle(self._git_dir, bundle, self._branch, commit)


def _bundle(git_dir: Path, bundle: Path, branch: str, commit: str) -> None:
    object_format = "sha256" if len(commit) == 64 else "sha1"
    create_bundle(git_dir, bundle, {f"refs/heads/{branch}": commit}, (), object_format)


def _push(git_dir: Path, remote: Remote, commit: str, ref: str, *, force: bool = False) -> None:
    git = Git(git_dir, remote.options(), variables=traced(remote))
    refspec = f"{'+' if force else ''}{commit}:{ref}"
    flags = ("--porcelain", "--no-progress", "--no-verify", "--end-of-options")
    code, out, err = git.attempt("push", *flags, remote.url, refspec)
    if other := went_elsewhere(out.decode("utf-8", "replace"), ref):
        what = f"somebody made `{other}`, which stands in the way of `{ref}`"
        raise RemoteUnavailable(what, where=remote.url, advice="remove it on the server")
    if code == 0:
        return
    # Whoever replaces a ref of his own lost no race: something else stands in the way.
    if not force and any(word in out + err for word in _LOST_RACE):
        raise PushRejected("somebody else pushed first", where=remote.url)
    if any(word in err for word in _OTHER_FORMAT):
        raise _OtherFormat(f"cannot push: {complaint(out + err)}", where=remote.url)
    raise unavailable("cannot push", out + err, remote, "it is kept, and tried again")
