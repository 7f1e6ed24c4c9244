"""The device's copy of the fleet repository: bare, fetched by exact refspec, never checked out."""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.errors import GitError, RemoteUnavailable, StateError, UnknownRevision
from reconciler.model import Revision
from reconciler.model.tree import Tree, is_needed_by
from reconciler.repository.bare import init_bare, loose_ref, sweep
from reconciler.repository.bundle import check_header, fetch_bundle
from reconciler.repository.busy import traced, unavailable
from reconciler.repository.git import Git, complaint, is_of_disk
from reconciler.repository.kept_store import KeptStore
from reconciler.repository.objects import read_tree, resolve
from reconciler.repository.remote import Remote, check_branch
from reconciler.repository.store import FETCHED_TAGS

# A fleet of 10,000 devices has some megabytes. A server that sends more than this would fill the disk.
MAX_FETCH = 512 * 1024 * 1024
_MISSING = re.compile(r"couldn't find remote ref refs/heads/([^ ]+)")
# What git says when it may not write more, or hold more.
_OVER_LIMIT = (b"File too large", b"died of signal 25", b"SIGXFSZ", b"ut of memory")
_AGAIN = "it is tried again at the next pass"


class Mirror(KeptStore):
    """The newest seen state of one branch, and any commit that was ever fetched of it.

    With `newest_only`, none of the commits before that.
    """

    def __init__(
        self,
        git_dir: Path,
        remote: Remote,
        branch: str,
        max_fetch: int = MAX_FETCH,
        others: Sequence[Remote] = (),
        *,
        newest_only: bool = False,
    ) -> None:
        super().__init__(git_dir, may_forget=newest_only)
        self._newest_only = newest_only
        self._remote, self._branch = remote, check_branch(branch)
        self._max_fetch, self._others = max_fetch, tuple(others)
        # The other server that answered at the last fetch, if it was one.
        self.stand_in = ""
        # By branch, what stood there, and the commit that it means: most of the time nothing moves.
        self._resolved: dict[str, tuple[str, str]] = {}

    def fetch(self, *more: str) -> Revision:
        """Fetch the branch and more of them, and say where it is now. Raises RemoteUnavailable, or UnknownRevision.

        Where the server does not answer, the others are asked, in their order.
        """
        wanted = {branch: _ref(branch) for branch in (self._branch, *map(check_branch, more))}
        depth = ("--depth=1",) if self._newest_only else ()
        self._ask(lambda remote: fetch(self._fetching(remote), remote, wanted, *depth), wanted.values())
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
            self._make_anew(object_format)
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

    def pin(self, commit: str) -> None:
        """Keep a commit in the store, wherever the branch goes."""
        with contextlib.suppress(GitError):  # the store is a cache: what was trusted stands in the journal
            Git(self._git_dir).run("update-ref", f"refs/pinned/{self._branch}", commit)

    def note_pushed(self, commit: str) -> None:
        """The branch is at this commit now, by our own push; what only led there is forgotten."""
        with contextlib.suppress(GitError):  # as `tidy`
            Git(self._git_dir).run("update-ref", _ref(self._branch), commit)
            # It also shortens the list of commits at which a fetch once stopped; each fetch sends that to the server.
            Git(self._git_dir).run("prune", "--expire=now")

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


def fetch(git: Git, remote: Remote, wanted: Mapping[str, str], *more: str) -> None:
    """Fetch branches, each into a ref, whatever was there; `more` are options of git-fetch(1).

    Raises RemoteUnavailable, UnknownRevision, StateError for a disk that takes nothing, or GitError with FETCH_TOO_BIG
    for more than git may write.
    """
    err = _fetched(git, remote, [f"+refs/heads/{branch}:{ref}" for branch, ref in wanted.items()], *more)
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
    if is_of_disk(said):
        raise StateError(f"cannot be written: {said}", where=str(git.git_dir), advice="make room, or check the disk")
    return err or b"git says nothing"
