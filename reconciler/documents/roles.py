"""Mode `commits` with roles, out of an object store: the policy in a commit's files, and what was approved."""

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from reconciler.documents.contents import Contents, refused
from reconciler.documents.policy_file import SIGNERS_SOURCE, compile_policy
from reconciler.errors import GitError, ReconcilerError
from reconciler.manifests import POLICY_FILE
from reconciler.repository import ObjectTooBig, Store, TreeRefused
from signing import SignatureError
from signing.documents import Branch, Policy

# A policy in the files of a commit counts from that commit to the next; it has no dates of its own.
_NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)

# For all merges of one pass.
MERGING_SECONDS = 60.0
Documents = Sequence[tuple[bytes, Mapping[str, bytes]]]


class CommitHistory:
    """The commits of a store, as those see them who judge merges: what cannot be read is a SignatureError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: dict[tuple[str, str], Sequence[str]] = {}
        self._own: dict[str, Container[str]] = {}
        self._left = MERGING_SECONDS

    def commit(self, commit: str) -> bytes:
        with _readable():
            return self._store.commit(commit)

    def brought_in(self, first: str, second: str, limit: int) -> Sequence[tuple[str, bytes]]:
        with _readable():
            return self._store.brought_in(first, second, limit)

    def bases(self, first: str, second: str) -> Sequence[str]:
        with _readable():
            return self._store.bases(first, second)

    def own(self, commit: str) -> Container[str]:
        if commit not in self._own:
            with _readable():
                self._own = {commit: self._store.own(commit)}
        return self._own[commit]

    def files(self, commit: str) -> Container[str]:
        with _readable():
            return self._store.plain_paths(commit)

    def merged_tree(self, first: str, second: str) -> str:
        """Nothing, once merging has taken its time: what somebody hostile pushed must not hold up a device."""
        if self._left <= 0:
            return ""
        began = time.monotonic()
        try:
            return self._store.merged_tree(first, second)
        finally:
            self._left -= time.monotonic() - began

    def changed(self, before: str, after: str) -> Sequence[str]:
        """The paths that differ. A pair is asked for more than once: who may, and does the policy change?"""
        pair = (before, after)
        if pair not in self._changed:
            with _readable():
                self._changed = {pair: self._store.changed(before, after)}
        return self._changed[pair]


class RolesHistory(CommitHistory):
    """The same, with policies and approvals; there need be no branch of documents."""

    def __init__(self, store: Store, documents: Callable[[], Branch]) -> None:
        """`documents` gives the branch of documents, and raises UnknownRevision when there is none."""
        super().__init__(store)
        self._documents = documents
        self._branch: Branch | None = None
        self._approvals: dict[str, Documents] = {}
        self._contents: dict[str, str] = {}

    def check_tree(self, commit: str) -> None:
        """Raises SignatureError TREE_* or PATH_CHARS."""
        with _readable():
            self._store.files_of(commit)

    def policy(self, commit: str) -> Policy:
        """Raises SignatureError POLICY_FILE with the first thing that is wrong."""
        try:
            files = self._store.named(commit, (POLICY_FILE, SIGNERS_SOURCE))
            return compile_policy({path: raw for path, raw in files.items() if raw}, 1, _NO_DATE)[0]
        except ReconcilerError as error:
            told = f"the policy at {commit[:12]} cannot be used: {str(error).splitlines()[0]}"
            raise SignatureError("POLICY_FILE", told) from error

    def content(self, tree: str) -> str:
        """Each is asked for more than once: whoever may push could have all files read again for each commit."""
        if tree not in self._contents:
            self._contents = {tree: Contents(self._store).listing_of(tree).content}
        return self._contents[tree]

    def approvals(self, base: str) -> Documents:
        if base not in self._approvals:
            self._approvals = {base: self._read(base)}
        return self._approvals[base]

    def _read(self, base: str) -> Documents:
        try:
            if self._branch is None:
                self._branch = self._documents()
            return self._branch.approvals(base)
        except (GitError, SignatureError):
            # Junk there takes approvals away, as whoever may push could do in any case; signed commits need none.
            self._branch = Branch.empty()
            return ()


@contextmanager
def _readable() -> Iterator[None]:
    """What cannot be read is refused, at the commit that is judged: what came before it stands."""
    try:
        yield
    except (TreeRefused, ObjectTooBig) as error:
        raise refused(error) from error
    except GitError as error:
        raise SignatureError("COMMIT_MISSING", f"a commit cannot be read: {error}") from error
