"""Checks of the files that somebody put on the device, and of the state that the agent keeps there."""

from reconciler.agent.checks.checked import Checked, Warned
from reconciler.agent.config import load_config
from reconciler.agent.disk import complaint, free_bytes, free_inodes, is_volatile
from reconciler.agent.files import write_atomically
from reconciler.agent.identity import load_key
from reconciler.errors import StateError

STATE_BYTES, STATE_INODES = 64 * 1024 * 1024, 1000


def settings(at: Checked) -> str:
    load_config(at.path)
    return str(at.path)


def identity(at: Checked) -> str:
    return load_key(at.config.identity).public.fingerprint


def state_folder(at: Checked) -> str:
    folder = at.config.state
    write_atomically(folder / "check", b"")
    (folder / "check").unlink()
    if is_volatile(folder):
        raise Warned(f"{folder} is lost at each boot", advice="put `state` on a disk")
    return str(folder)


def state_room(at: Checked) -> str:
    folder = at.config.state
    if why := complaint(folder, STATE_BYTES):
        raise StateError(why, where=str(folder), advice="make room")
    inodes = free_inodes(folder)
    if inodes is not None and inodes < STATE_INODES:
        raise StateError(f"{inodes} files more, and the disk has no inodes left", where=str(folder), advice="make room")
    return f"{(free_bytes(folder) or 0) / 1e6:.0f} MB free"
