"""Mode `commits` with roles, out of an object store: the policy in a commit's files, and what was approved."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.documents.contents import Contents
from reconciler.documents.policy_file import SIGNERS_SOURCE, compile_policy
from reconciler.errors import GitError, ReconcilerError, UnknownRevision
from reconciler.manifests import POLICY_FILE
from reconciler.repository import Store
from signing import SignatureError
from signing.documents import Branch, Policy

# A policy in the files of a commit counts from that commit to the next; it has no dates of its own.
_NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)

Documents = Sequence[tuple[bytes, Mapping[str, bytes]]]


class RolesHistory:
    """The commits of a store, and the approvals on the branch of documents; there need be no such branch."""

    def __init__(self, store: Store, documents: Callable[[], Branch]) -> None:
        """`documents` gives the branch of documents, and raises UnknownRevision when there is none."""
        self._store, self._documents = store, documents
        self._changed: dict[tuple[str, str], Sequence[str]] = {}
        self._approvals: dict[str, Documents] = {}
        self._contents: dict[str, str] = {}

    def changed(self, before: str, after: str) -> Sequence[str]:
        """The paths that differ. Each pair is asked for twice: who may, and does the policy change?"""
        pair = (before, after)
        if pair not in self._changed:
            try:
                self._changed = {pair: self._store.changed(before, after)}
            except GitError as error:
                told = f"what it changes cannot be read: {error}"
                raise SignatureError("COMMIT_MISSING", told) from error
        return self._changed[pair]

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
            return self._documents().approvals(base)
        except (UnknownRevision, SignatureError):
            # Junk there takes approvals away, as whoever may push could do in any case; signed commits need none.
            return ()
