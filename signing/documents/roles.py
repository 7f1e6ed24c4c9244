"""Mode `commits` with roles: each commit is judged by the policy that lies in the files of the one before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from signing.commits import NAMESPACE as GIT
from signing.commits import CommitSignature, SignedObject, verify_split
from signing.documents.approval import NAMESPACE, Approval
from signing.documents.policy import ROOT, Policy
from signing.documents.quorum import Voice, Voices, check_quorum, voices_of
from signing.errors import SignatureError, shown
from signing.openpgp import ForgeKeys

# What the policy and its keys are made of: role `root` alone may change it.
POLICY_FOLDER = "trust/"


class History(Protocol):
    """The commits, as far as the object store has them. Raises SignatureError for what cannot be read."""

    def changed(self, before: str, after: str) -> Sequence[str]:
        """The paths of all files that differ between two commits."""

    def check_tree(self, commit: str) -> None:
        """Raises for a tree that no device reads."""

    def policy(self, commit: str) -> Policy:
        """The policy in the files of a commit."""

    def content(self, tree: str) -> str:
        """The digest of the `Listing` of a tree."""

    def approvals(self, base: str) -> Sequence[tuple[bytes, Mapping[str, bytes]]]:
        """What lies there for that base: documents, each with its signatures, not yet believed."""


@dataclass(frozen=True, slots=True)
class RolesAt:
    """The rules (signing/rules.py) at one commit of a branch."""

    base: str
    policy: Policy
    branch: str
    history: History
    forge: ForgeKeys | None = None
    # Keys that the device itself does not hear, whatever the policy says.
    deaf_to: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, base: str, branch: str, history: History, forge: ForgeKeys | None = None, deaf_to: Iterable[str] = ()
    ) -> Self:
        """Raises SignatureError when no policy can be read there."""
        return cls(base, history.policy(base), branch, history, forge, frozenset(deaf_to))

    @property
    def _revoked(self) -> frozenset[str]:
        return self.policy.revoked | self.deaf_to

    def verified(self, commit: SignedObject, since: datetime | None = None) -> CommitSignature:
        return verify_split(commit, replace(self.policy.signers, revoked=self._revoked), since)

    def approvers(self, commit: SignedObject, since: datetime) -> frozenset[str]:
        found: set[str] = set()
        at = max(since, commit.committed_at)
        for raw, signatures in self.history.approvals(self.base):
            try:
                found |= self._voices(raw, signatures, commit.tree, at)
            except SignatureError:
                continue  # whoever put it there: it approves nothing, and hides nothing
        return frozenset(found)

    def _voices(self, raw: bytes, signatures: Mapping[str, bytes], tree: str, at: datetime) -> frozenset[str]:
        """Who has signed this approval, if it is of that tree. Raises SignatureError."""
        approval = Approval.parse(raw)
        said = (approval.repository, approval.branch, approval.base, approval.tree)
        if said != (self.policy.repository, self.branch, self.base, tree):
            return frozenset()
        people = voices_of(raw, signatures, NAMESPACE, self.policy.signers, self._revoked, at).people
        return people if people and self.history.content(tree) == approval.content else frozenset()

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Raises PATH_QUORUM, PATH_NO_RULE, or POLICY_ALONE for a policy that changes together with something else."""
        paths = self.history.changed(before, after)
        self.check_each(dict.fromkeys(paths, people))
        if len({_is_policy(path) for path in paths}) > 1:
            told = f"it changes `{POLICY_FOLDER}` and other files; make two commits of it"
            raise SignatureError("POLICY_ALONE", told)

    def check_each(self, changed: Mapping[str, frozenset[str]]) -> None:
        """Raises PATH_QUORUM, PATH_NO_RULE."""
        for path, people in changed.items():
            voices = Voices(tuple(Voice(one, "") for one in people))
            for name in roles_for(self.policy, path):
                check_quorum(voices, name, self.policy.role(name), shown(path), "PATH_QUORUM")

    def following(self, commit_id: str, commit: SignedObject) -> Self:
        # Else somebody of a small role could stop all others by a file that no device reads.
        self.history.check_tree(commit_id)
        if not any(_is_policy(path) for path in self.history.changed(self.base, commit_id)):
            return replace(self, base=commit_id)
        policy = self.history.policy(commit_id)
        _check_can_change(policy, commit.committed_at)
        return replace(self, base=commit_id, policy=policy)


def _check_can_change(policy: Policy, at: datetime) -> None:
    """Raises SignatureError POLICY_ROLE for a policy that nobody could ever change again.

    One of the role can sign the commit; the others have to approve it.
    """
    usable = [
        one
        for one in policy.signers.by_blob.values()
        if one.key.fingerprint not in policy.revoked and (one.valid_before is None or one.valid_before > at)
    ]
    root = policy.role(ROOT)
    approve, sign = (
        {one.principal for one in usable if one.namespaces is None or name in one.namespaces} & root.principals
        for name in (NAMESPACE, GIT)
    )
    if len(approve | sign) < root.threshold or len(approve) < root.threshold - 1:
        told = f"nobody could change it again: role `{ROOT}` needs {root.threshold} whose keys may `{NAMESPACE}`"
        raise SignatureError("POLICY_ROLE", told)


def roles_for(policy: Policy, path: str) -> tuple[str, ...]:
    """Who has to agree that a file changes: the quorum of each. Raises SignatureError PATH_NO_RULE."""
    return (ROOT,) if _is_policy(path) else policy.rule(path).roles


def _is_policy(path: str) -> bool:
    return path.startswith(POLICY_FOLDER)
