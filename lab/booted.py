"""A machine under a booted systemd: a root filesystem with systemd as process 1, in namespaces of its own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.cgroups import make_room
from lab.link import Link
from lab.waiting import wait_until

_SCRIPT = Path(__file__).parent / "boot.sh"
_GROUPS = Path("/sys/fs/cgroup")
_PATIENCE = 60.0
# They change this machine, or wait for what is not there.
_MASKED = (
    "systemd-sysctl.service", "systemd-modules-load.service", "systemd-udevd.service", "systemd-udev-trigger.service",
    "systemd-logind.service", "systemd-timesyncd.service", "systemd-binfmt.service", "console-getty.service",
    "getty@.service", "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-update-utmp.service",
)  # fmt: skip


@dataclass
class Booted:
    """One machine; `root` is its disk, `link` its cable."""

    root: Path
    link: Link
    running: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def prepare(self, name: str) -> None:
        """Give the disk what makes it one machine and no other."""
        (self.root / "etc/hostname").write_text(f"{name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n")
        # Without one it would be its first boot, at which every unit that lies there is enabled.
        (self.root / "etc/machine-id").write_text(f"{os.urandom(16).hex()}\n")
        (self.root / "var/log/journal").mkdir(exist_ok=True)
        for unit in _MASKED:
            mask = self.root / "etc/systemd/system" / unit
            mask.unlink(missing_ok=True)
            mask.symlink_to("/dev/null")

    def on(self) -> None:
        """Boot, until systemd has started what belongs to it."""
        make_room()
        command = self.link.command("sh", str(_SCRIPT), str(self.root), self._group)
        self.running = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(self._is_up, _PATIENCE, f"the boot of {self.root}", 0.2)

    def off(self) -> None:
        """Shut down in order, as before the power is switched off."""
        if self.running is not None:
            self.run("systemctl", "poweroff", "--no-block")
            self.running.wait(2 * _PATIENCE)
            self._clear()

    def cut(self) -> None:
        """The power is gone. Harmless when it is off."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self._clear()

    @property
    def process(self) -> int:
        """Its process 1, as this machine sees it."""
        assert self.running is not None, "it is off"
        parent = self.running.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(children[0]) if children else 0

    def path(self, inside: str) -> Path:
        """A file of the machine at work, what is in its memory included."""
        return Path(f"/proc/{self.process}/root") / inside.lstrip("/")

    def run(self, *command: str, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """A command of root on the machine."""
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        inside = ["nsenter", f"--target={self.process}", *spaces, "--"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, timeout=seconds, check=False)

    def told(self, *command: str) -> str:
        """What a command says that succeeds."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def shown(self, unit: str, name: str) -> str:
        """One property of a unit, as systemd tells it."""
        return self.told("systemctl", "show", "--property", name, "--value", unit)

    @property
    def _group(self) -> str:
        return f"lab-{self.link.name}"

    def _is_up(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, f"it went off: {self.running.returncode}"
        with contextlib.suppress(OSError):
            # Before it has turned to its own disk, this machine's systemd would be asked.
            if self.path("/etc/machine-id").read_text() == (self.root / "etc/machine-id").read_text():
                return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        return False

    def _clear(self) -> None:
        """Wait for the end of all that ran: who loses its process 1 loses all others, but not in the same moment."""
        self.running = None
        wait_until(self._is_gone, _PATIENCE, f"the end of {self.root}")

    def _is_gone(self) -> bool:
        tops = [top / self._group for top in (_GROUPS, *_GROUPS.glob("*/"))]
        for group in (one for top in tops for one in sorted(top.glob("**/"), reverse=True)):
            with contextlib.suppress(OSError):  # somebody is still in it
                group.rmdir()
        return not any(top.exists() for top in tops)


@contextmanager
def booted(machine: Booted) -> Iterator[Booted]:
    """Off at the end of the block, whatever happens."""
    try:
        yield machine
    finally:
        machine.cut()
