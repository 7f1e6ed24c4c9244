"""Which commit of which branch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit of a branch, printed as Flux does: `main@sha1:0123...`."""

    branch: str
    commit: str

    @classmethod
    def parse(cls, text: str) -> "Revision | None":
        """What `str` made; None for no revision, which reports write as nothing."""
        branch, _, commit = text.rpartition("@")
        return cls(branch, commit.rpartition(":")[2]) if branch and commit else None

    def __str__(self) -> str:
        algorithm = "sha256" if len(self.commit) == 64 else "sha1"
        return f"{self.branch}@{algorithm}:{self.commit}"

    @property
    def short(self) -> str:
        return f"{self.branch}@{self.commit[:12]}"
