"""What an import makes, before it is judged and written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError
from reconciler.fleet.imports.judge import NewApp


@dataclass(frozen=True, slots=True)
class Made:
    """New files by path; which of them are copies, and of what; which are apps and devices."""

    files: Mapping[str, bytes]
    copies: Mapping[str, str]
    apps: tuple[NewApp, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(slots=True)
class Making:
    """The files so far; two inputs must not make the same one."""

    files: dict[str, bytes] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    apps: list[NewApp] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)

    def add(self, path: str, content: bytes, source: str) -> None:
        """Raises ReconcilerError for a path that another input has taken."""
        if path in self.files:
            advice = "import one of them alone, with `--app`"
            raise ReconcilerError(f"two inputs would both be {path}", where=source, advice=advice)
        self.files[path] = content

    def copy(self, path: str, content: bytes, source: str) -> None:
        """A file that is the input itself. Raises ReconcilerError as `add` does."""
        self.add(path, content, source)
        self.copies[path] = source

    def finished(self) -> Made:
        return Made(self.files, self.copies, tuple(self.apps), tuple(self.devices))
