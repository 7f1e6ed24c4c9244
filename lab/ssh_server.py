"""A real Git server over SSH: Debian's `sshd`, with keys of its own; on loopback if nothing else is said."""

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.processes import Server
from lab.waiting import free_port, is_listening, wait_until


class SshServer:
    """`sshd` for the user who runs the lab. Starts no shell but for git."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self._address = address
        self.folder = folder.resolve()
        self.port = free_port()
        sshd = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin") or "/usr/sbin/sshd"
        # -D: it stays in the foreground, to be ended; sshd wants to be called by its whole path.
        self._server = Server([sshd, "-D", "-e", "-f", str(self.folder / "sshd_config")], self.folder / "sshd.log")

    def url(self, repository: Path, host: str = "127.0.0.1") -> str:
        """The address of a repository on this machine."""
        return f"ssh://{getpass.getuser()}@{host}:{self.port}{repository.resolve()}"

    @property
    def known_hosts(self) -> str:
        """The line by which a device believes this host."""
        return self.known_as("127.0.0.1")

    def known_as(self, host: str) -> str:
        """The same, for one that knows it by another address."""
        kind, body = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"[{host}]:{self.port} {kind} {body}\n"

    def allow(self, keys: Iterable[str]) -> None:
        """Let these public keys in, and nobody else."""
        lines = (f"restrict {key}\n" for key in keys)
        (self.folder / "authorized_keys").write_text("".join(lines))

    def new_host_key(self) -> None:
        """As if it were another host, or somebody in between; counts from the next start on."""
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "host_key")]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Serve. Harmless when serving."""
        if self._server.is_running():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "host_key").exists():
            self.new_host_key()
        # sshd drops its rights into this folder, which a booted Debian makes for it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        settings = {
            "ListenAddress": f"{self._address}:{self.port}",
            "HostKey": self.folder / "host_key",
            "PidFile": "none",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            # The folder belongs to a test, and lies below /tmp.
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "AcceptEnv": "GIT_PROTOCOL",
        }
        (self.folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        self._server.start()
        wait_until(lambda: is_listening(self.port), 60, "sshd")

    def stop(self) -> None:
        """And each session, which sshd leaves to itself: a fetch that began before would see what comes after."""
        sessions = _children(self._server.pid)
        self._server.stop()
        for pid in sessions:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _children(pid: int | None) -> list[int]:
    """The processes that it started and that are there (proc_pid_task_children(5))."""
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
