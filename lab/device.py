"""A device: its settings, its key and its state in one folder, and the real `reconciler` command on it."""

import compileall
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.operator import Operator
from signing import load_signer, write_new_key

ROOT = Path(__file__).parent.parent


def compile_code() -> None:
    """As pip does where it installs: else, where Python may not keep what it compiles, each process does it anew."""
    for package in ("reconciler", "signing"):
        compileall.compile_dir(ROOT / package, quiet=1)


@dataclass(frozen=True, slots=True)
class Device:
    """Somebody else's Engine is met only through `engine`; everything else of the device lies in `folder`."""

    name: str
    folder: Path

    @classmethod
    def create(
        cls, folder: Path, name: str, url: str, engine: str, trusted: Iterable[Operator], interval: str = "2s"
    ) -> "Device":
        """Set a device up, as somebody would who unpacks it."""
        device = cls(name, folder.resolve())
        folder.mkdir(parents=True, exist_ok=True)
        write_new_key(device.key, f"{name}@devices.invalid")
        device.trust(trusted)
        device.config.write_text(
            "apiVersion: fleet/v1\n"
            "kind: Agent\n"
            f"metadata: {{name: {name}}}\n"
            "spec:\n"
            f"  remote: {{url: '{url}', branch: main}}\n"
            f"  interval: {interval}\n"
            "  trust: {mode: commits, allowedSigners: allowed_signers}\n"
            "  identity: identity\n"
            f"  engine: '{engine}'\n"
            "  state: state\n"
        )
        return device

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def key(self) -> Path:
        return self.folder / "identity"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def identity(self) -> str:
        """The public key, as it stands in the device's file of the fleet repository."""
        return load_signer(self.key).public.line

    def trust(self, operators: Iterable[Operator]) -> None:
        """Obey these people, and nobody else."""
        file = self.folder / "allowed_signers"
        file.write_text("".join(f"{operator.allowed_signers_line}\n" for operator in operators))
        file.chmod(0o644)

    def command(self, *arguments: str) -> list[str]:
        """A `reconciler` command on this device, for somebody who starts it himself."""
        return [sys.executable, "-m", "reconciler.agent", *arguments, "--config", str(self.config)]

    def reconciler(self, *arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a `reconciler` command to its end."""
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
        )
