"""Mode `commits` with roles: each commit is judged by the policy that lies in the files of the one before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from signing.commits import CommitSignature, SignedObject, verify_split
from signing.documents.approval import NAMESPACE, Approval
from signing.documents.policy import ROOT, Policy
from signing.documents.quorum import Voice, Voices, check_quorum, voices_of
from signing.errors import SignatureError
from signing.openpgp import ForgeKeys

# What the policy and its keys are made of: role `root` alone may change it.
POLICY_FOLDER = "trust/"


class History(Protocol):
    """The commits, as far as the object store has them. Raises SignatureError for what cannot be read."""

    def changed(self, before: str, after: str) -> Sequence[str]:
        """The paths of all files that differ between two commits."""

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

    @classmethod
    def of(cls, base: str, branch: str, history: History, forge: ForgeKeys | None = None) -> Self:
        """Raises SignatureError when no policy can be read there."""
        return cls(base, history.policy(base), branch, history, forge)

    def verified(self, commit: SignedObject) -> CommitSignature:
        return verify_split(commit, replace(self.policy.signers, revoked=self.policy.revoked))

    def approvers(self, commit: SignedObject) -> frozenset[str]:
        found: set[str] = set()
        for raw, signatures in self.history.approvals(self.base):
            try:
                approval = Approval.parse(raw)
            except SignatureError:
                continue  # whoever put it there: it approves nothing, and hides nothing
            said = (approval.repository, approval.branch, approval.base, approval.tree)
            if said != (self.policy.repository, self.branch, self.base, commit.tree):
                continue
            signers, revoked = self.policy.signers, self.policy.revoked
            people = voices_of(raw, signatures, NAMESPACE, signers, revoked, commit.committed_at).people
            if people and self.history.content(commit.tree) == approval.content:
                found |= people
        return frozenset(found)

    def check(self, before: str, after: str, people: frozenset[str]) -> None:
        """Raises PATH_QUORUM, PATH_NO_RULE, or POLICY_ALONE for a policy that changes together with something else."""
        paths = self.history.changed(before, after)
        voices = Voices(tuple(Voice(one, "") for one in people))
        for path in paths:
            for name in roles_for(self.policy, path):
                check_quorum(voices, name, self.policy.role(name), f"`{path}`", "PATH_QUORUM")
        if len({_is_policy(path) for path in paths}) > 1:
            told = f"it changes `{POLICY_FOLDER}` and other files; make two commits of it"
            raise SignatureError("POLICY_ALONE", told)

    def following(self, commit_id: str) -> Self:
        if any(_is_policy(path) for path in self.history.changed(self.base, commit_id)):
            return replace(self, base=commit_id, policy=self.history.policy(commit_id))
        return replace(self, base=commit_id)


def roles_for(policy: Policy, path: str) -> tuple[str, ...]:
    """Who has to agree that a file changes: the quorum of each. Raises SignatureError PATH_NO_RULE."""
    return (ROOT,) if _is_policy(path) else policy.rule(path).roles


def _is_policy(path: str) -> bool:
    return path.startswith(POLICY_FOLDER)
