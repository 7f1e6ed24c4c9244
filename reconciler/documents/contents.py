"""The object store as those see it who judge releases: what both faces must read in the very same way."""

from collections.abc import Iterable, Mapping

from reconciler.errors import GitError
from reconciler.repository import File, ObjectTooBig, Store, TreeRefused
from signing import SignatureError, identified
from signing.documents import LISTING_FILE, MAX_APPROVAL, MAX_DOCUMENT, MAX_LISTING, Branch, Entry, Listing


class Contents:
    """The commits of a store. Everything that cannot be read is a SignatureError: it must not hide what is good."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tree(self, commit: str) -> str:
        """The id of its tree, out of bytes that have the commit's id."""
        try:
            return identified(commit, self._store.commit(commit)).tree
        except GitError as error:
            told = (
                f"its commit {commit[:12]} is not here: whoever made it has to push it, and here it has to be fetched"
            )
            raise SignatureError("COMMIT_MISSING", told) from error

    def listing(self, commit: str) -> Listing:
        """Every file of it, by the digest of its content."""
        self.tree(commit)
        return self.listing_of(commit)

    def listing_of(self, tree: str) -> Listing:
        """The same of a tree, of which there may be no commit yet."""
        try:
            files = self._store.digests(tree)
        except (TreeRefused, ObjectTooBig) as error:
            raise refused(error) from error
        except GitError as error:
            raise SignatureError("COMMIT_MISSING", f"its files cannot be read: {error}") from error
        return Listing({file.path: Entry(file.mode, sha256, file.size) for file, sha256 in files})


def branch_of(store: Store, commit: str) -> Branch:
    """The documents of this commit. Raises SignatureError for a tree that no device reads."""
    try:
        files = {file.path: file for file in store.files_of(commit) if not _is_swollen(file)}
    except TreeRefused as error:
        raise refused(error) from error

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        wanted = [files[path] for path in paths]
        most = MAX_LISTING if all(file.path.endswith(f"/{LISTING_FILE}") for file in wanted) else MAX_DOCUMENT
        try:
            return store.read_files(wanted, most)
        except (TreeRefused, ObjectTooBig) as error:
            raise refused(error) from error
        except GitError as error:
            raise SignatureError("DOC_JSON", f"a document cannot be read: {error}") from error

    return Branch(frozenset(files), read)


def _is_swollen(file: File) -> bool:
    """No approval has so many bytes; by many names, one blob of a megabyte would be held a thousand times."""
    return file.path.startswith("approvals/") and file.size > MAX_APPROVAL


def refused(error: TreeRefused | ObjectTooBig) -> SignatureError:
    code = error.code if isinstance(error, TreeRefused) else "OBJ_TOO_BIG"
    told = f"{error.where}: {error.what}" if error.where else error.what
    return SignatureError(code, told.replace(f"{code}: ", ""))
