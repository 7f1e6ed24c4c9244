"""Real keys, real repositories, and blobs built by hand."""

import base64
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from signing import AllowedSigners, SignatureError, Signer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
KEY_KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa-256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-521": ("-t", "ecdsa", "-b", "521"),
    "rsa-3072": ("-t", "rsa", "-b", "3072"),
}


def isolated_environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        # ssh-keygen would else take valid-after without Z and show times in the tester's zone.
        "TZ": "UTC",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": f"{SECONDS} +0200",
        "GIT_COMMITTER_DATE": f"{SECONDS} +0200",
    }


def run(*command: str | Path, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, check=check, env=isolated_environment())


def code_of(refused: Callable[[], object]) -> str:
    """The reason code of a refusal, or `accepted`."""
    try:
        refused()
    except SignatureError as error:
        assert str(error) == f"{error.code}: {error.message}"
        assert "\n" not in error.message
        return error.code
    return "accepted"


def allow(signer: Signer, principal: str = "alice", options: str = "") -> AllowedSigners:
    return AllowedSigners.parse(f"{principal} {options} {signer.public.line}\n".encode(), "allowed_signers")


def field(content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return len(content).to_bytes(4, "big") + content


def envelope(key: bytes, signature: bytes, **changed: bytes) -> bytes:
    """An armored SSHSIG from parts; every part can be replaced by its name."""
    parts = {"magic": b"SSHSIG", "version": b"\0\0\0\1", "namespace": b"file", "reserved": b"", "hash": b"sha512"}
    parts |= {"tail": b""} | changed
    fields = (key, parts["namespace"], parts["reserved"], parts["hash"], signature)
    blob = parts["magic"] + parts["version"] + b"".join(field(part) for part in fields) + parts["tail"]
    return armored(blob)


def armored(blob: bytes, width: int = 70) -> bytes:
    text = base64.b64encode(blob)
    lines = b"\n".join(text[start : start + width] for start in range(0, len(text), width))
    return b"-----BEGIN SSH SIGNATURE-----\n" + lines + b"\n-----END SSH SIGNATURE-----\n"


def unarmored(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.splitlines()[1:-1]))


def commit_payload(parents: tuple[str, ...] = (), seconds: int = SECONDS, message: str = "Change a port") -> bytes:
    headers = [f"tree {TREE}", *(f"parent {parent}" for parent in parents)]
    headers += [f"author Alice <alice@example.com> {seconds} +0200", f"committer Bob <bob@example.com> {seconds} +0200"]
    return "\n".join([*headers, "", message, ""]).encode()


@dataclass(frozen=True)
class KeyPair:
    """A key that ssh-keygen made."""

    path: Path
    signer: Signer

    @classmethod
    def make(cls, path: Path, *options: str) -> "KeyPair":
        run("ssh-keygen", "-q", *options, "-N", "", "-C", "made by ssh-keygen", "-f", path)
        return cls(path, Signer.load(path.read_bytes()))


@dataclass(frozen=True)
class Repository:
    """A real repository, with one signing key and one allowed_signers file."""

    folder: Path
    signers_file: Path

    def git(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return run("git", "-C", self.folder, *arguments, stdin=stdin, check=check)

    def allow(self, line: str) -> AllowedSigners:
        self.signers_file.write_text(line + "\n")
        return AllowedSigners.parse(self.signers_file.read_bytes(), "allowed_signers")

    def commit(self, message: bytes, *options: str) -> tuple[str, bytes]:
        self.git("commit", "-q", "--allow-empty", "-F", "-", *options, stdin=message)
        return self.head()

    def head(self) -> tuple[str, bytes]:
        commit_id = self.git("rev-parse", "HEAD").stdout.decode().strip()
        return commit_id, self.git("cat-file", "commit", commit_id).stdout

    def write(self, raw: bytes) -> str:
        return (
            self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw).stdout.decode().strip()
        )

    def accepts(self, raw: bytes) -> bool:
        """What Git says: `git verify-commit` is the oracle."""
        return self.git("verify-commit", self.write(raw), check=False).returncode == 0


def make_repository(folder: Path, key: Path, *init: str) -> Repository:
    repository = Repository(folder, folder / "allowed_signers")
    run("git", "init", "-q", "-b", "main", *init, folder)
    settings = {
        "user.name": "Bob",
        "user.email": "bob@example.com",
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "gpg.ssh.allowedSignersFile": str(repository.signers_file),
        "gc.auto": "0",
    }
    for name, setting in settings.items():
        repository.git("config", name, setting)
    return repository
