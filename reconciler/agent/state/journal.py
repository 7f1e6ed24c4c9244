"""What must survive a power cut: what was trusted, what was last good, what failed, what was not reported yet.

Each file holds its value and the value's digest; a file whose digest is wrong is not believed.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from reconciler.agent.state.files import write_atomically
from reconciler.agent.state.owners import check_folder
from reconciler.agent.state.remembered import LONGEST_PAUSE, Memory, Pause, Pulled, Reported, Signed, Trusted, Updates
from reconciler.errors import PermissionDenied, StateError, StateInUse, StateLost
from reconciler.model.codec import canonical, from_json

log = logging.getLogger("reconciler")

Value = TypeVar("Value")

# What was trusted, and beside each the file which says that there was something before.
_MARKERS = {"trusted.json": "trust-established", "releases.json": "releases-established"}


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # What runs is healed all the same, and somebody hears of it.
        return os.open(path, os.O_RDONLY)


class Journal:
    """The state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What was read last, beside the very bytes: every pass reads the same again, and reading them is a fifth of it.
        self._read: dict[str, tuple[bytes, object]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second agent out. Raises StateError when one is at work; PermissionDenied when others may write it."""
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            check_folder(self.folder)
            descriptor = _lock_file(path)
        except PermissionError as error:
            raise PermissionDenied(
                "the state may not be written", where=str(self.folder), advice="run as root"
            ) from error
        except OSError as error:
            what = f"the state cannot be used: {error.strerror}"
            raise StateError(what, where=str(self.folder), advice="check the disk") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            advice = "stop it first, or use another state folder"
            raise StateInUse("another reconciler is at work on this state", where=str(path), advice=advice) from error
        finally:
            os.close(descriptor)

    @property
    def trusted(self) -> Trusted | None:
        """What is obeyed. Raises StateError when it is gone: without it, an older commit would be accepted again."""
        return self.remembered("trusted.json", Trusted)

    def write_trusted(self, trusted: Trusted) -> None:
        self.establish("trusted.json", trusted)

    def forget_trusted(self) -> None:
        """Trust anew, by somebody's word on this device. The marker goes last: a power cut never trusts by itself."""
        for name in _MARKERS:
            (self.folder / name).unlink(missing_ok=True)
        for marker in _MARKERS.values():
            (self.folder / marker).unlink(missing_ok=True)

    def remembered(self, name: str, kind: type[Value]) -> Value | None:
        """What is trusted, out of one of its files. Raises StateError when it was there once, and is gone."""
        value = self._load(name, kind)
        marker = self.folder / _MARKERS[name]
        if value is None and marker.exists():
            advice = "put it back; or, to trust anew what the settings say, `reconciler trust reset`"
            raise StateLost("TRUST_STATE: what was trusted is gone", where=str(self.folder / name), advice=advice)
        return value

    def establish(self, name: str, value: object) -> None:
        """Write what is trusted into one of its files, which from then on must be there. Raises StateError."""
        self._store(name, value)
        if not (self.folder / _MARKERS[name]).exists():
            write_atomically(self.folder / _MARKERS[name], b"")

    @property
    def memory(self) -> Memory:
        """What was learned; nothing, when the file cannot be believed: then it is learned again."""
        return self._load_or_set_aside("apps.json", Memory) or Memory()

    def write_memory(self, memory: Memory) -> None:
        self._store("apps.json", memory)

    @property
    def pulled(self) -> Pulled:
        """What was pulled; nothing, when the file cannot be believed: then those images stay for ever."""
        return self._load_or_set_aside("images.json", Pulled) or Pulled()

    def write_pulled(self, pulled: Pulled) -> None:
        self._store("images.json", pulled)

    @property
    def signed(self) -> Signed:
        """Which images are signed; nothing, when the file cannot be believed: then it is looked up again."""
        return self._load_or_set_aside("signed.json", Signed) or Signed()

    def write_signed(self, signed: Signed) -> None:
        self._store("signed.json", signed)

    @property
    def reported(self) -> Reported | None:
        """The report before; nothing, when the file cannot be believed: a device must not fall silent over it."""
        return self._load_or_set_aside("report.json", Reported)

    def write_reported(self, reported: Reported) -> None:
        self._store("report.json", reported)

    @property
    def updates(self) -> Updates:
        """How versions of the reconciler did; nothing, when the file cannot be believed: the installed one runs."""
        return self._load_or_set_aside("updates.json", Updates) or Updates()

    def write_updates(self, updates: Updates) -> None:
        self._store("updates.json", updates)

    def paused(self, now: float) -> Pause | None:
        """The pause that holds now, if any. A clock that was set back does not make it longer than it may be."""
        pause = self._load_or_set_aside("pause.json", Pause)
        return pause if pause is not None and now < pause.until <= now + LONGEST_PAUSE else None

    def write_pause(self, pause: Pause) -> None:
        self._store("pause.json", pause)

    def forget_pause(self) -> None:
        (self.folder / "pause.json").unlink(missing_ok=True)

    def _store(self, name: str, value: object) -> None:
        payload = canonical(value)
        wrapped = {"sha256": hashlib.sha256(payload).hexdigest(), "value": json.loads(payload)}
        write_atomically(self.folder / name, json.dumps(wrapped, sort_keys=True, separators=(",", ":")).encode())

    def _load_or_set_aside(self, name: str, kind: type[Value]) -> Value | None:
        try:
            return self._load(name, kind)
        except StateError as error:
            log.error("%s; it is kept as %s.torn", error, name)
            with contextlib.suppress(OSError):
                (self.folder / name).replace(self.folder / f"{name}.torn")
            return None

    def _load(self, name: str, kind: type[Value]) -> Value | None:
        path = self.folder / name
        try:
            content = path.read_bytes()
            known = self._read.get(name)
            if known is not None and known[0] == content and isinstance(known[1], kind):
                return known[1]
            wrapped = json.loads(content)
            payload = json.dumps(wrapped["value"], sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
            if hashlib.sha256(payload).hexdigest() != wrapped["sha256"]:
                raise ValueError("its digest is wrong")
            # A newer version of ours may have written it, and be gone again (versions/succession.py).
            value = from_json(kind, payload, ignores_unknown=True)
            self._read[name] = content, value
            return value
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise PermissionDenied("the state may not be read", where=str(path), advice="run as root") from error
        except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
            advice = "it is torn or not ours: put a good copy back"
            raise StateLost(f"the state is not believed: {error}", where=str(path), advice=advice) from error
