"""What a machine says of itself: read below a root of our own, as boards and PCs tell it."""

from pathlib import Path

from reconciler.agent.host.machine import look_at_machine
from reconciler.model import Machine

RELEASE = 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def laid(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_board_tells_its_name_by_the_device_tree(tmp_path: Path) -> None:
    files = {
        "etc/os-release": RELEASE,
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "proc/meminfo": "MemTotal:        3884392 kB\nMemFree: 1 kB\n",
        "dev/dri/renderD128": "",
    }
    found = look_at_machine(laid(tmp_path, **files))
    assert found.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert found.system == "Debian GNU/Linux 12 (bookworm)"
    assert found.memory_bytes == 3884392 * 1024
    assert found.gpu == "dri"


def test_a_pc_tells_its_name_by_its_firmware_and_a_driver_tells_the_gpu(tmp_path: Path) -> None:
    files = {"sys/class/dmi/id/product_name": "PowerEdge R640\n", "proc/driver/nvidia/version": "x"}
    found = look_at_machine(laid(tmp_path, **files))
    assert (found.model, found.gpu) == ("PowerEdge R640", "nvidia")


def test_links_lead_where_they_lead_on_the_machine(tmp_path: Path) -> None:
    """Its disk may be mounted elsewhere: there, a link to the top of the disk is none to ours."""
    root = laid(tmp_path, **{"run/system/os-release": 'PRETTY_NAME="NixOS 24.11"\n', "sys/firmware/model": "A board\0"})
    for link, target in {"etc/os-release": "/run/system/os-release", "proc/device-tree": "/sys/firmware"}.items():
        (root / link).parent.mkdir(exist_ok=True)
        (root / link).symlink_to(target)
    found = look_at_machine(root)
    assert (found.system, found.model) == ("NixOS 24.11", "A board")


def test_what_cannot_be_found_out_is_left_empty(tmp_path: Path) -> None:
    found = look_at_machine(tmp_path)
    assert (found.system, found.model, found.gpu, found.memory_bytes) == ("", "", "", 0)
    assert found.architecture and found.cpus > 0


def test_what_is_no_text_steers_no_terminal(tmp_path: Path) -> None:
    files = {"proc/device-tree/model": "a\x1b[31mb" * 50, "proc/meminfo": "MemTotal: many kB"}
    found = look_at_machine(laid(tmp_path, **files))
    assert found.model.isprintable() and len(found.model) == 100
    assert found.memory_bytes == 0


def test_this_machine_is_looked_at() -> None:
    assert isinstance(look_at_machine(), Machine)
