"""Checks of the files that somebody put on the device, and of the state that the agent keeps there."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from reconciler.agent.checks.checked import Checked, Warned, few, usable
from reconciler.agent.host.disk import complaint, free_bytes, free_inodes, is_volatile
from reconciler.agent.settings.identity import load_key
from reconciler.agent.state.files import write_atomically
from reconciler.agent.state.owners import check_folder, read_owned
from reconciler.errors import ConfigError, PermissionDenied, StateError

STATE_BYTES, STATE_INODES = 64 * 1024 * 1024, 1000
_OF_OTHERS = 0o077
# What the agent calls what it could not believe any more.
_SET_ASIDE = ("*.torn", "*.damaged")


def settings(at: Checked) -> str:
    usable(at.path)
    return str(at.path)


def owners(at: Checked) -> str:
    """Nobody else may write what says whom the device trusts, nor what it remembers; nor which servers it believes."""
    trust, read_link = at.config.trust, partial(read_owned, follows_link=True)
    keys = [path for path in (trust.allowed_signers, trust.revoked_keys, trust.forge_keys) if path is not None]
    servers = {path for remote in at.remotes for path in (remote.ca_file, remote.known_hosts) if path is not None}
    wrong = [*_refused(read_link, at.path), *_refused(read_owned, *keys), *_refused(check_folder, at.config.state)]
    if wrong:
        raise PermissionDenied("; ".join(wrong))
    if wrong := list(_refused(read_link, *sorted(servers))):
        raise Warned("; ".join(wrong))
    return "nobody else may write what is believed here"


def _refused(check: Callable[[Path], object], *paths: Path) -> Iterator[str]:
    for path in paths:
        try:
            # What is not there, another check tells.
            with suppress(OSError):
                check(path)
        except PermissionDenied as error:
            yield str(error)


def identity(at: Checked) -> str:
    return load_key(at.config.identity).public.fingerprint


def credentials(at: Checked) -> str:
    """Files of passwords and keys, but the identity: there is something in them, and only for this user."""
    files = sorted(set(_credentials(at)))
    open_ones = [str(path) for path in files if _mode(path) & _OF_OTHERS]
    if open_ones:
        raise Warned(f"others may read: {few(open_ones)}", advice="chmod 600; what was read there may be known")
    return f"{len(files)} files that nobody else may read" if files else "there are none"


def _credentials(at: Checked) -> Iterator[Path]:
    for remote in at.remotes:
        yield from filter(None, (remote.token_file, remote.proxy_file))
        if remote.key_file is not None and remote.key_file != at.config.identity:
            yield remote.key_file
    yield from at.config.secrets.keys


def _mode(path: Path) -> int:
    try:
        found = path.stat()
    except PermissionError as error:
        raise PermissionDenied("may not be read", where=str(path), advice="run as root") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path), advice="put it there") from error
    if found.st_size == 0:
        raise ConfigError("is empty", where=str(path), advice="put the password or key into it")
    return found.st_mode


def state_folder(at: Checked) -> str:
    folder = at.config.state
    write_atomically(folder / "check", b"")
    check_folder(folder)
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


def state_damage(at: Checked) -> str:
    """What the agent set aside and made anew tells of power cuts, and of disks that wear out."""
    found = sorted(path.name for pattern in _SET_ASIDE for path in at.config.state.glob(pattern))
    if found:
        told = f"was damaged, and made anew: {few(found)}"
        raise Warned(told, where=str(at.config.state), advice="look at the disk; then remove them")
    return "nothing was damaged"
