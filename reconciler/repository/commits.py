"""Writes commits without a worktree: blobs, the trees above them, the commit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.repository.git import Git

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits, and when, in seconds since 1970."""

    name: str
    email: str
    time: int

    @property
    def ident(self) -> str:
        return f"{self.name} <{self.email}> {self.time} +0000"


def commit_files(
    git: Git, parent: str | None, files: Mapping[str, bytes], message: str, author: Author, sign: Sign | None = None
) -> str:
    """A commit on top of `parent` with these files set, all others kept; its id. Nothing points to it yet."""
    tree = parent
    for path, content in files.items():
        blob = git.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()
        tree = _put(git, tree, path.split("/"), blob)
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {author.ident}", f"committer {author.ident}", "", message, ""]
    raw = "\n".join(lines).encode()
    signed = sign(raw) if sign else raw
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).decode().strip()


def _put(git: Git, root: str | None, path: list[str], blob: str) -> str:
    """The tree of `root` with one file set; its id."""
    folders = ["/".join(path[:depth]) for depth in range(len(path))]
    child, mode, kind = blob, "100644", "blob"
    for folder, name in reversed(list(zip(folders, path, strict=True))):
        listing = _listing(git, f"{root}:{folder}") if root else b""
        kept = [line for line in listing.split(b"\0") if line and line.partition(b"\t")[2] != name.encode()]
        entries = [*kept, f"{mode} {kind} {child}\t{name}".encode()]
        child = git.run("mktree", "-z", stdin=b"".join(entry + b"\0" for entry in entries)).decode().strip()
        mode, kind = "040000", "tree"
    return child


def _listing(git: Git, tree: str) -> bytes:
    code, out, _ = git.attempt("ls-tree", "-z", "--end-of-options", tree)
    return out if code == 0 else b""
