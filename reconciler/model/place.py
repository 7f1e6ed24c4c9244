"""Where in the fleet repository something was written."""

from typing import NamedTuple


class Place(NamedTuple):
    """A position in a file: path from the repository's root, line and column counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
