"""What a hostile or unlucky server holds: trees of any shape, written by plumbing into its bare repository."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from signing import Signer, sign_commit

FILES = {
    "fleet.yaml": b"kind: Fleet\n",
    "apps/web/compose.yaml": b"services: {}\n",
    "devices/d1.yaml": b"kind: Device\n",
}
IDENT = "ann <ann@acme.example> 1700000000 +0000"

# mode, name, content; the content of a folder is its entries, that of a submodule a commit id.
Entry = tuple[str, bytes, "bytes | Sequence[Entry]"]


class ServerSide:
    """A bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        command = ["git", "--git-dir", str(self.path), *arguments]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout.decode().strip()

    def commit(self, files: Mapping[str, bytes], *, branch: str = "main", parent: str = "") -> str:
        """A commit that holds these files, with the branch set to it, wherever it was."""
        return self.commit_tree(self.tree(entries(files)), branch=branch, parent=parent)

    def commit_tree(self, tree: str, *, branch: str = "main", parent: str = "") -> str:
        parents = f"parent {parent}\n" if parent else ""
        raw = f"tree {tree}\n{parents}author {IDENT}\ncommitter {IDENT}\n\nA change\n".encode()
        commit = self.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def tree(self, listed: Sequence[Entry]) -> str:
        lines = [f"{mode} {self._object(mode, content)}\t".encode() + name + b"\0" for mode, name, content in listed]
        return self.git("mktree", "-z", "--missing", stdin=b"".join(lines))

    def _object(self, mode: str, content: "bytes | Sequence[Entry]") -> str:
        if mode == "160000":
            assert isinstance(content, bytes)
            return f"commit {content.decode()}"
        if isinstance(content, bytes):
            return f"blob {self.git('hash-object', '-w', '--stdin', stdin=content)}"
        return f"tree {self.tree(content)}"

    def content(self, branch: str, path: str) -> bytes:
        command = ["git", "--git-dir", str(self.path), "cat-file", "blob", f"{branch}:{path}"]
        return subprocess.run(command, check=True, capture_output=True).stdout


def entries(files: Mapping[str, bytes]) -> list[Entry]:
    folders: dict[str, dict[str, bytes]] = {}
    found: list[Entry] = []
    for path, content in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = content
        else:
            found.append(("100644", name.encode(), content))
    return found + [("040000", name.encode(), entries(below)) for name, below in folders.items()]


def signing_with(signer: Signer) -> Callable[[bytes], bytes]:
    return lambda payload: sign_commit(payload, signer)
