"""Who set each value, and by which commit: `explain`, joined with the author, the date and the signer from Git."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.manifests import Explanation, Setting
from reconciler.model.tree import Tree
from reconciler.repository.blame import Blames
from signing import AllowedSigners, SignatureError, split_commit, verify_commit

NOT_COMMITTED = "not committed"
SIGNERS_FILE = "trust/allowed_signers"
_WORDS = {"UNSIGNED": "unsigned", "SIGNER_UNKNOWN": "unknown key"}


@dataclass(frozen=True, slots=True)
class Writer:
    """A commit as people want to know it. `signer` is who signed it, else `refused` says why nobody is believed."""

    commit: str = ""
    author: str = ""
    date: str = ""
    signer: str = ""
    refused: str = ""
    # The commit with which a shallow clone begins: an older one may have written it.
    is_oldest: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return NOT_COMMITTED
        signed = f"signed by {self.signer}" if self.signer else self.refused
        older = ", or an older commit: the clone is shallow" if self.is_oldest else ""
        return f"{self.commit[:12]} {self.date[:10]} {self.author}, {signed}{older}"


def writers(found: Iterable[Explanation], blames: Blames, tree: Tree) -> Mapping[Setting, Writer]:
    """The writer of every setting. Signatures are judged by the keys of the files that are shown."""
    settings = dict.fromkeys(setting for one in found for setting in one.settings)
    commits = {setting: blames.of(setting.place.file).commit(setting.place.line) for setting in settings}
    raw = blames.raw_commits(sorted(set(commits.values()) - {""}))
    signers, oldest = signers_of(tree), blames.history_begins()
    known = {commit: writer_of(commit, content, signers, commit in oldest) for commit, content in raw.items()}
    return {setting: known.get(commit, Writer()) for setting, commit in commits.items()}


def writer_of(commit: str, raw: bytes, signers: AllowedSigners | SignatureError, is_oldest: bool = False) -> Writer:
    """Who made a commit and who signed it, by these keys."""
    try:
        taken = split_commit(raw)
    except SignatureError as error:
        return Writer(commit, refused=error.code, is_oldest=is_oldest)
    author, date = taken.author, taken.committed_at.isoformat()
    try:
        if isinstance(signers, SignatureError):
            raise signers
        signer = verify_commit(raw, signers).principal
    except SignatureError as error:
        return Writer(commit, author, date, "", _WORDS.get(error.code, error.code), is_oldest)
    return Writer(commit, author, date, signer, "", is_oldest)


def signers_of(tree: Tree) -> AllowedSigners | SignatureError:
    """Who may sign; or why nobody can be told, which is then the answer for each commit."""
    try:
        return AllowedSigners.parse(tree.get(SIGNERS_FILE, b""), SIGNERS_FILE)
    except SignatureError as error:
        return error
