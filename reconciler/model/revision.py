"""Which commit of which branch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit of a branch, printed as Flux does: `main@sha1:0123...`."""

    branch: str
    commit: str

    def __str__(self) -> str:
        algorithm = "sha256" if len(self.commit) == 64 else "sha1"
        return f"{self.branch}@{algorithm}:{self.commit}"

    @property
    def short(self) -> str:
        return f"{self.branch}@{self.commit[:12]}"
