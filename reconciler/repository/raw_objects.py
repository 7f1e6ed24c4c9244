"""Objects as git makes them, in process: blobs, the trees of files, and their ids (gitformat-pack(5)). Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_FILE, _FOLDER = b"100644", b"40000"


class RawObject(NamedTuple):
    """An object by its kind (`blob`, `tree`, `commit`) and its bytes."""

    kind: bytes
    content: bytes

    @property
    def framed(self) -> bytes:
        """What is hashed, and what a loose object holds."""
        return b"%s %d\0%s" % (self.kind, len(self.content), self.content)

    def id(self, object_format: str) -> bytes:
        """Its id in a repository of this format, `sha1` or `sha256`, as bytes."""
        return hashlib.new(object_format, self.framed, usedforsecurity=False).digest()


def tree_objects(object_format: str, files: Mapping[str, bytes]) -> Iterator[RawObject]:
    """The blobs and trees of plain files by their paths, each behind what it names; the root is the last."""
    folders: dict[str, dict[str, bytes]] = {}
    entries: dict[bytes, bytes] = {}
    for path, content in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = content
        else:
            blob = RawObject(b"blob", content)
            yield blob
            entries[name.encode()] = _entry(_FILE, name, blob.id(object_format))
    for name, inside in folders.items():
        made = list(tree_objects(object_format, inside))
        yield from made
        # git sorts a folder as if its name ended with a slash.
        entries[f"{name}/".encode()] = _entry(_FOLDER, name, made[-1].id(object_format))
    yield RawObject(b"tree", b"".join(entry for _, entry in sorted(entries.items())))


def _entry(mode: bytes, name: str, object_id: bytes) -> bytes:
    return b"%s %s\0%s" % (mode, name.encode(), object_id)
