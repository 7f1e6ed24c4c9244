"""A status branch as devices and forgers write it: commits made by hand, with whatever key, into a bare repository."""

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signing import Signer, sign_commit

NOW = int(datetime.now(UTC).timestamp())
BRANCH = "refs/heads/status"


def report(device: str, **fields: Any) -> bytes:
    """A report as a device writes it, with these fields in place of its own."""
    return json.dumps({"device": device, "phase": "Synced", "time": "2026-01-01T00:00:00Z", **fields}).encode()


def path_of(device: str) -> str:
    return f"devices/{device}/status.json"


class WrittenBranch:
    """The branch, and all that lies on it."""

    def __init__(self, bare: Path) -> None:
        self.bare = bare
        self.files: dict[str, bytes] = {}
        self.tip = ""
        if not bare.exists():
            subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True, capture_output=True)

    def write(
        self,
        files: Mapping[str, bytes],
        signer: Signer | None,
        *,
        at: int = NOW,
        message: str = "report",
        without: str = "",
    ) -> str:
        """One commit with these files, and the others as they were; nobody signs without a signer."""
        self.files = {path: text for path, text in {**self.files, **files}.items() if path != without}
        parents = [f"parent {self.tip}"] if self.tip else []
        ident = f"device <device@devices.invalid> {at} +0000"
        lines = [f"tree {self._tree('')}", *parents, f"author {ident}", f"committer {ident}", "", message, ""]
        raw = "\n".join(lines).encode()
        self.tip = self._git(
            "hash-object", "-t", "commit", "-w", "--stdin", stdin=sign_commit(raw, signer) if signer else raw
        )
        self._git("update-ref", BRANCH, self.tip)
        return self.tip

    def _tree(self, folder: str) -> str:
        entries: dict[str, str] = {}
        for path, content in sorted(self.files.items()):
            if not path.startswith(folder):
                continue
            name, slash, _ = path.removeprefix(folder).partition("/")
            if slash and name not in entries:
                entries[name] = f"040000 tree {self._tree(f'{folder}{name}/')}\t{name}"
            elif not slash:
                entries[name] = f"100644 blob {self._git('hash-object', '-w', '--stdin', stdin=content)}\t{name}"
        return self._git("mktree", "-z", stdin="".join(f"{entry}\0" for entry in entries.values()).encode())

    def _git(self, *arguments: str, stdin: bytes = b"") -> str:
        command = ["git", "--git-dir", str(self.bare), *arguments]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout.decode().strip()
