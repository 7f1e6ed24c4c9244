"""An approval: people say, beside the commits, that one tree of files may follow one commit of a branch.

It carries what a forge makes new commits of: the base and the files are signed, whatever the commits look like.
"""

import re
from dataclasses import dataclass
from typing import Self

from signing.documents.fields import REPOSITORY, SHA256, read_document, write_document

NAMESPACE = "approve.v1@fleet"
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]{0,199}")


@dataclass(frozen=True, slots=True)
class Approval:
    """`base` is a commit; `tree` the id of the tree that may follow it, and `content` the digest of its `Listing`."""

    repository: str
    branch: str
    base: str
    tree: str
    content: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises SignatureError DOC_*."""
        fields = read_document(raw, "approval")
        approval = cls(
            repository=fields.text("repository", REPOSITORY),
            branch=fields.text("branch", _BRANCH),
            base=fields.text("base", _ID),
            tree=fields.text("tree", _ID),
            content=fields.text("content", SHA256),
        )
        fields.finish()
        return approval

    @property
    def raw(self) -> bytes:
        """The bytes to sign: the same for everybody who approves the same."""
        return write_document("approval", {name: getattr(self, name) for name in self.__slots__})
