"""A person with a key and a working clone, who uses the real `git` and `ssh-keygen`."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


class CommandError(Exception):
    """A command of the operator ended with an error; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who changes the fleet repository, apart from the HOME of whoever runs the lab."""

    name: str
    email: str
    home: Path

    @classmethod
    def create(cls, folder: Path, name: str, email: str) -> "Operator":
        """Make a home in `folder`, with a new ed25519 key and a Git configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        operator = cls(name, email, folder.resolve())
        key = operator.key
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", email, "-f", str(key)], folder)
        (operator.home / "allowed_signers").write_text(operator.allowed_signers_line + "\n")
        (operator.home / "gitconfig").write_text(operator._settings())
        return operator

    @property
    def key(self) -> Path:
        """The private key's file; the public half lies beside, `.pub`."""
        return self.home / "id_ed25519"

    @property
    def work(self) -> Path:
        """The working clone."""
        return self.home / "work"

    @property
    def public_key(self) -> str:
        """`ssh-ed25519 AAAA... email`"""
        return self.key.with_suffix(".pub").read_text().strip()

    @property
    def allowed_signers_line(self) -> str:
        """The line by which OpenSSH accepts this person's signatures on Git objects."""
        kind, body = self.public_key.split()[:2]
        return f'{self.email} namespaces="git" {kind} {body}'

    def clone(self, url: str) -> None:
        """Clone into `work`; an empty repository is fine, its branch is then `main`."""
        _run(["git", "clone", "--quiet", url, str(self.work)], self.home, self.env())

    def git(self, *args: str, date: str | None = None) -> str:
        """Run git in the clone, and give what it printed.

        Raises: CommandError with git's own words.
        """
        return _run(["git", *args], self.work, self.env(date)).strip()

    def write(self, path: str, text: str) -> Path:
        """Write a file of the clone, with its folders."""
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, message: str, sign: bool = True, date: str | None = None) -> str:
        """Commit everything in the clone, also if nothing changed; gives the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", _signing(sign), "-m", message, date=date)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, sign: bool = True, date: str | None = None) -> str:
        """Merge as a forge does, always with a merge commit; gives its id."""
        self.git("merge", "--quiet", "--no-ff", "--no-edit", _signing(sign), branch, date=date)
        return self.git("rev-parse", "HEAD")

    def push(self, branch: str = "main", force: bool = False) -> None:
        """Push HEAD to a branch of the server."""
        self.git("push", "--quiet", *(["--force"] if force else []), "origin", f"HEAD:refs/heads/{branch}")

    def _settings(self) -> str:
        return (
            f'[user]\n\tname = {self.name}\n\temail = {self.email}\n\tsigningkey = "{self.key}"\n'
            f'[gpg]\n\tformat = ssh\n[gpg "ssh"]\n\tallowedSignersFile = "{self.home}/allowed_signers"\n'
            "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n"
        )

    def env(self, date: str | None = None) -> dict[str, str]:
        """An environment in which git knows this person and nobody else."""
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.home / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_EDITOR": "true",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        return env if date is None else env | {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}


def _signing(sign: bool) -> str:
    return "--gpg-sign" if sign else "--no-gpg-sign"


def _run(command: list[str], folder: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandError(f"`{' '.join(command)}` ({done.returncode}): {done.stderr.strip() or done.stdout}")
    return done.stdout
