"""The device's copy of the fleet repository: bare, fetched by exact refspec, never checked out."""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.errors import GitError, RemoteUnavailable, StateError, UnknownRevision
from reconciler.model import Revision
from reconciler.model.tree import Tree, is_needed_by
from reconciler.repository.bundle import check_header, fetch_bundle
from reconciler.repository.busy import traced, unavailable
from reconciler.repository.git import Git, complaint, init_bare, loose_ref, set_aside, sweep
from reconciler.repository.objects import read_tree, resolve
from reconciler.repository.remote import Remote, check_branch
from reconciler.repository.store import FETCHED_TAGS, Store

# A fleet of 10,000 devices has some megabytes. A server that sends more than this would fill the disk.
MAX_FETCH = 512 * 1024 * 1024
_MISSING = re.compile(r"couldn't find remote ref refs/heads/([^ ]+)")
# What git says when it may not write more, or hold more.
_OVER_LIMIT = (b"File too large", b"died of signal 25", b"SIGXFSZ", b"ut of memory")
# What git says of a disk that takes nothing.
_NO_DISK = ("No space left on device", "Read-only file system", "Disk quota exceeded", "Input/output error")
_AGAIN = "it is tried again at the next pass"
_OTHER_FORMAT = "mismatched algorithms"
# What git says of a store that cannot be read any more. A server can say the same, so the store is asked as well.
_DAMAGED = (
    "is empty",
    "is corrupt",
    "is too small",
    "not found in pack",
    "not a git repository",
    "bad object",
    "unable to read",
    "missing blob object",
    "missing necessary objects",
    "unresolved deltas",
    "Could not read",
)


class Mirror(Store):
    """The newest seen state of one branch, and any commit that was ever fetched of it."""

    def __init__(
        self, git_dir: Path, remote: Remote, branch: str, max_fetch: int = MAX_FETCH, others: Sequence[Remote] = ()
    ) -> None:
        super().__init__(git_dir)
        self._remote, self._branch = remote, check_branch(branch)
        self._max_fetch, self._others = max_fetch, tuple(others)
        # The other server that answered at the last fetch, if it was one.
        self.stand_in = ""
        # By branch, what stood there, and the commit that it means: most of the time nothing moves.
        self._resolved: dict[str, tuple[str, str]] = {}

    def fetch(self, *more: str) -> Revision:
        """Fetch the branch and more of them, and say where it is now. Raises RemoteUnavailable, or UnknownRevision.

        A store that a power cut damaged, or that has another object format than the server's, is made anew.
        Where the server does not answer, the others are asked, in their order.
        """
        wanted = {branch: _ref(branch) for branch in (self._branch, *map(check_branch, more))}
        self._ask(lambda remote: fetch(self._fetching(remote), remote, wanted), wanted.values())
        return self.seen()

    def fetch_tags(self, prefix: str) -> None:
        """Fetch the tags whose names begin so, and forget those that are gone. Raises as `fetch` does."""

        def act(remote: Remote) -> None:
            # One that is behind has not forgotten them.
            fetch_tags(self._fetching(remote), remote, prefix, FETCHED_TAGS, prune=remote is self._remote)

        self._ask(act)

    def take(self, bundle: Path, *more: str, tags: str = "") -> None:
        """As `fetch`, out of a bundle; with `tags`, the tags of that prefix instead. Raises BundleRefused."""
        wanted = {f"refs/heads/{branch}": _ref(branch) for branch in (self._branch, *map(check_branch, more))}
        if tags:
            wanted = {f"refs/tags/{tags}*": f"{FETCHED_TAGS}/{tags}*"}
        object_format = check_header(bundle, self._max_fetch, wanted)
        init_bare(self._git_dir, object_format)
        if object_format != self._format() and self._is_empty():
            set_aside(self._git_dir)
            init_bare(self._git_dir, object_format)
        try:
            fetch_bundle(Git(self._git_dir, max_file=self._max_fetch), bundle, wanted)
        finally:
            sweep(self._git_dir)

    def seen(self, branch: str = "") -> Revision:
        """Where the branch, or another one, was at the last fetch. Raises UnknownRevision."""
        name = branch or self._branch
        stands = loose_ref(self._git_dir, _ref(name))
        known, commit = self._resolved.get(name, ("", ""))
        if not stands or stands != known:
            commit = resolve(Git(self._git_dir), _ref(name))
            self._resolved[name] = stands, commit
        return Revision(name, commit)

    def _fetching(self, remote: Remote) -> Git:
        return fetching(self._git_dir, remote, self._max_fetch)

    def _ask(self, act: Callable[[Remote], None], refs: Iterable[str] = ()) -> None:
        """Do it with the server, or with the first other that answers. Raises what the server itself came to."""
        self.stand_in = ""
        try:
            self._mend(lambda: act(self._remote))
        except RemoteUnavailable:
            if not any(self._ask_another(act, other, tuple(refs)) for other in self._others):
                raise

    def _ask_another(self, act: Callable[[Remote], None], other: Remote, refs: Sequence[str]) -> bool:
        """Does it answer? One that is behind brings nothing back: only the server itself may rewind a branch."""
        git = Git(self._git_dir)
        before = {ref: id for ref in refs if (id := git.attempt("rev-parse", "--verify", "--quiet", ref)[1].strip())}
        try:
            self._mend(lambda: act(other))
        except GitError:
            return False
        for ref, known in before.items():
            if git.attempt("merge-base", "--is-ancestor", ref, known.decode())[0] == 0:
                git.run("update-ref", ref, known.decode())
        self.stand_in = other.url
        return True

    def _mend(self, act: Callable[[], None]) -> None:
        """Do it; once more on a store that is made anew, where this one is damaged, or new and of another format."""
        init_bare(self._git_dir)
        try:
            act()
        except GitError as error:
            told = str(error)
            if _OTHER_FORMAT in told:
                if not self._is_empty():
                    raise
                set_aside(self._git_dir)
                init_bare(self._git_dir, "sha256")
            elif any(word in told for word in _DAMAGED) and self._is_damaged():
                set_aside(self._git_dir)
                init_bare(self._git_dir)
            else:
                raise
            act()

    def _format(self) -> str:
        return Git(self._git_dir).run("rev-parse", "--show-object-format").decode().strip()

    def _is_empty(self) -> bool:
        """Was nothing ever fetched?"""
        code, out, _ = Git(self._git_dir).attempt("for-each-ref", "--count=1")
        return code == 0 and not out

    def _is_damaged(self) -> bool:
        """Can something that refs lead to not be read? Words of the server's prove nothing: it would have us forget.

        Nor may anything be empty that no ref leads to: git stumbles over it when it comes again.
        """
        if any(path.stat().st_size == 0 for path in self._git_dir.glob("objects/??/*")):
            return True
        code, _, _ = Git(self._git_dir).attempt("rev-list", "--objects", "--quiet", "--all")
        return code != 0

    def change_format(self) -> bool:
        """Make the store anew in the other object format, as a server demands; False, when it holds something."""
        if not self._is_empty():
            return False
        other = "sha1" if self._format() == "sha256" else "sha256"
        set_aside(self._git_dir)
        init_bare(self._git_dir, other)
        return True

    def pin(self, commit: str) -> None:
        """Keep a commit in the store, wherever the branch goes."""
        with contextlib.suppress(GitError):  # the store is a cache: what was trusted stands in the journal
            Git(self._git_dir).run("update-ref", f"refs/pinned/{self._branch}", commit)

    def tidy(self) -> None:
        """Pack what many reports left, once there is much of it; nothing is ever pruned that is not in a pack."""
        options = {"gc.auto": "500", "gc.pruneExpire": "never", "gc.autoDetach": "false"}
        with contextlib.suppress(GitError):  # it can wait: the pass is done, and the next one tries again
            Git(self._git_dir, options).run("gc", "--auto", "--quiet")

    def files(self, commit: str, device: str) -> Tree:
        """The files of a commit that this device needs. Raises TreeRefused."""
        return read_tree(Git(self._git_dir), commit, lambda path: is_needed_by(path, device))


def fetching(git_dir: Path, remote: Remote, most: int = MAX_FETCH) -> Git:
    """git for what comes from the server: so many bytes at once, and no more."""
    return Git(git_dir, remote.options(), most, traced(remote))


def fetch_tags(git: Git, remote: Remote, prefix: str, under: str, *, prune: bool = True) -> None:
    """Fetch tags by a prefix into refs under this folder; `prune` removes those that are gone. Raises as `fetch`."""
    err = _fetched(git, remote, [f"+refs/tags/{prefix}*:{under}/{prefix}*"], *(["--prune"] if prune else []))
    if err:
        raise unavailable("cannot fetch", err, remote, _AGAIN)


def fetch(git: Git, remote: Remote, wanted: Mapping[str, str]) -> None:
    """Fetch branches, each into a ref, whatever was there.

    Raises RemoteUnavailable, UnknownRevision, StateError for a disk that takes nothing, or GitError with FETCH_TOO_BIG
    for more than git may write.
    """
    err = _fetched(git, remote, [f"+refs/heads/{branch}:{ref}" for branch, ref in wanted.items()])
    if missing := _MISSING.search(complaint(err)):
        told = f"no branch `{missing[1]}`"
        raise UnknownRevision(told, where=remote.url, advice="push it, or set `branch` to one that is")
    if err:
        raise unavailable("cannot fetch", err, remote, _AGAIN)


def _ref(branch: str) -> str:
    """Where a branch of the server is kept here."""
    return f"refs/reconciler/{branch}"


def _fetched(git: Git, remote: Remote, refspecs: Sequence[str], *more: str) -> bytes:
    """Fetch; what git says when it fails, or nothing."""
    flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc", *more)
    code, _, err = git.attempt("fetch", *flags, "--end-of-options", remote.url, *refspecs)
    if code == 0:
        return b""
    sweep(git.git_dir)
    if git.max_file is not None and any(word in err for word in _OVER_LIMIT):
        told = f"FETCH_TOO_BIG: the server sends more than {git.max_file // 1_000_000} MB at once"
        raise GitError(told, where=remote.url, advice="look what is in the repository; nothing of it was kept")
    said = complaint(err)
    # Of this disk, and not of the server's, which tells by `remote`.
    if not said.startswith("remote") and any(word in said for word in _NO_DISK):
        raise StateError(f"cannot be written: {said}", where=str(git.git_dir), advice="make room, or check the disk")
    return err or b"git says nothing"
