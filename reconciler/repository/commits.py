"""Writes commits without a worktree: any number of files at once, on top of another commit or of nothing."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.repository.git import Git

Sign = Callable[[bytes], bytes]
# git-fast-import(1) makes trees only for commits, and commits only for refs.
_WRITING = "refs/reconciler/writing"


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
    git: Git,
    parent: str | None,
    files: Mapping[str, bytes],
    message: str,
    author: Author,
    sign: Sign | None = None,
    *,
    without: Collection[str] = (),
) -> str:
    """A commit on top of `parent` with these files set and those removed, all others kept; its id.

    Nothing points to it yet.
    """
    raw = commit_bytes(_tree(git, parent, files, without), parent, message, author, sign)
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).decode().strip()


def commit_bytes(tree: str, parent: str | None, message: str, author: Author, sign: Sign | None) -> bytes:
    """A commit as git hashes it, signed where somebody signs."""
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {author.ident}", f"committer {author.ident}", "", message, ""]
    raw = "\n".join(lines).encode()
    return sign(raw) if sign else raw


def write_files(
    git_dir: Path,
    parent: str | None,
    files: Mapping[str, bytes],
    message: str,
    author: Author,
    without: Collection[str] = (),
    sign: Sign | None = None,
) -> str:
    """As `commit_files`, for those who have no git at hand. Raises GitError."""
    return commit_files(Git(git_dir), parent, files, message, author, sign, without=without)


def _tree(git: Git, parent: str | None, files: Mapping[str, bytes], without: Collection[str]) -> str:
    """The tree of `parent` with these changes; its id."""
    if parent and not files and not without:
        return git.run("rev-parse", "--verify", f"{parent}^{{tree}}").decode().strip()
    told = git.run("fast-import", "--quiet", "--force", stdin=b"".join(_stream(git, parent, files, without)))
    # As git-ls-tree(1) would say it: `040000 tree ID<tab>`.
    return told.decode().split()[2]


def _stream(git: Git, parent: str | None, files: Mapping[str, bytes], without: Collection[str]) -> Iterator[bytes]:
    yield f"commit {_WRITING}\nmark :1\ncommitter nobody <> 0 +0000\ndata 0\n\n".encode()
    yield f"from {parent}\n".encode() if parent else b""
    for path in without:
        yield f"D {_quoted(path)}\n".encode()
    for path, content in files.items():
        yield f"M 100644 inline {_quoted(path)}\ndata {len(content)}\n".encode() + content + b"\n"
    # A line without words ends the commit; before, its mark means nothing.
    yield b"\nls :1 \n"
    # Reset to nothing, a ref is never written.
    yield f"reset {_WRITING}\nfrom {_no_id(git, parent)}\n\n".encode()


def _no_id(git: Git, parent: str | None) -> str:
    is_long = len(parent) == 64 if parent else git.run("rev-parse", "--show-object-format").strip() == b"sha256"
    return "0" * (64 if is_long else 40)


def _quoted(path: str) -> str:
    """A path as C would write it: one that begins with a quote, or has a line end, would be read as something else."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
