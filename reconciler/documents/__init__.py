"""Git as those see it who judge documents and policies: what both faces must read in the very same way."""

from reconciler.documents.contents import Contents, branch_of
from reconciler.documents.policy_file import SIGNERS_SOURCE, compile_policy
from reconciler.documents.roles import CommitHistory, RolesHistory

__all__ = ["SIGNERS_SOURCE", "CommitHistory", "Contents", "RolesHistory", "branch_of", "compile_policy"]
