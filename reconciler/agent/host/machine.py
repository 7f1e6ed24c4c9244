"""What this machine is, for people who choose layers for it. What cannot be found out is left empty."""

import os
import platform
from contextlib import suppress
from pathlib import Path

from reconciler.agent.host.links import place
from reconciler.model import Machine

_MOST = 100
# As images name them: the OCI image specification, GOARCH.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


def look_at_machine(root: Path = Path("/")) -> Machine:
    """Out of uname(2), /proc, /sys and /etc/os-release below `root`."""
    machine = platform.machine()
    return Machine(
        architecture=_ARCHITECTURES.get(machine, machine),
        system=_system(_text(place("/etc/os-release", root))),
        kernel=platform.release()[:_MOST],
        # A board tells its name by the device tree, a PC by its firmware.
        model=_text(place("/proc/device-tree/model", root)) or _text(place("/sys/class/dmi/id/product_name", root)),
        gpu=_gpu(root),
        cpus=os.cpu_count() or 0,
        memory_bytes=_memory(_text(root / "proc/meminfo", 4096)),
    )


def _text(path: Path, most: int = _MOST * 20) -> str:
    with suppress(OSError), path.open("rb") as file:
        text = file.read(most).decode("utf-8", "replace").strip("\0 \n")
        return text if "\n" in text else "".join(c if c.isprintable() else "?" for c in text)[:_MOST]
    return ""


def _system(release: str) -> str:
    lines = (line.partition("=") for line in release.splitlines())
    return next((value.strip("\"'")[:_MOST] for key, _, value in lines if key == "PRETTY_NAME"), "")


def _gpu(root: Path) -> str:
    if (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvhost-gpu").exists():
        return "nvidia"
    return "dri" if next((root / "dev/dri").glob("renderD*"), None) else ""


def _memory(meminfo: str) -> int:
    lines = (line.split() for line in meminfo.splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[:1] == ["MemTotal:"] and words[1].isdigit()), 0)
