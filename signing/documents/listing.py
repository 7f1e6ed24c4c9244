"""The content of a release: every file by its SHA-256, whatever Git calls it.

One line a file, `MODE SHA256 SIZE PATH`, sorted by the bytes of the path: anybody rebuilds it with `git ls-tree -r` and
`sha256sum`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from signing.errors import SignatureError

_LINE = re.compile(rb"(100644|100755) ([0-9a-f]{64}) (0|[1-9][0-9]{0,14}) ([!-~]{1,4000})")
# A fleet of 20,000 files has some 2.5 MB.
MAX_LISTING = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `size` is in bytes."""

    mode: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a tree by path."""

    files: Mapping[str, Entry]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises SignatureError LISTING for anything but lines in order."""
        if len(raw) > MAX_LISTING:
            raise SignatureError("LISTING", f"the list of files has more than {MAX_LISTING} bytes")
        files: dict[str, Entry] = {}
        lines = raw.split(b"\n")
        last = b""
        for number, line in enumerate(lines[:-1], start=1):
            found = _LINE.fullmatch(line)
            if found is None or found[4] <= last:
                raise SignatureError("LISTING", f"line {number} of the list of files is not `MODE SHA256 SIZE PATH`")
            last = found[4]
            files[last.decode("ascii")] = Entry(found[1].decode(), found[2].decode(), int(found[3]))
        if lines[-1]:
            raise SignatureError("LISTING", "the list of files ends in the middle of a line")
        return cls(files)

    @property
    def raw(self) -> bytes:
        """The very bytes of which `content` is the digest."""
        ordered = sorted((path.encode(), entry) for path, entry in self.files.items())
        return b"".join(b"%s %s %d %s\n" % (e.mode.encode(), e.sha256.encode(), e.size, path) for path, e in ordered)

    @property
    def content(self) -> str:
        """The SHA-256 of `raw`, in hex."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(entry.size for entry in self.files.values())

    def changed(self, before: "Listing") -> tuple[str, ...]:
        """The paths that were added, removed or changed since."""
        paths: Iterable[str] = {*self.files, *before.files}
        return tuple(sorted(path for path in paths if self.files.get(path) != before.files.get(path)))


NOTHING = Listing({})
