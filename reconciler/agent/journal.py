"""What must survive a power cut: what was trusted, what was last good, what failed, what was not reported yet.

Each file holds its value and the value's digest; a file whose digest is wrong is not believed.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from reconciler.agent.backoff import RETRY_MOST_SECONDS
from reconciler.agent.files import write_atomically
from reconciler.errors import PermissionDenied, StateError, StateInUse, StateLost
from reconciler.model import App, Report
from reconciler.model.codec import canonical, from_json
from signing.documents import Accepted

log = logging.getLogger("reconciler")

Value = TypeVar("Value")

# Failed digests that are remembered for a device: enough for every app to fail many times, and small on disk.
MAX_FAILED = 100
# What was trusted, and beside each the file which says that there was something before.
_MARKERS = {"trusted.json": "trust-established", "releases.json": "releases-established"}


@dataclass(frozen=True, slots=True)
class Trusted:
    """The commit that this device obeys; it never accepts one that does not follow it.

    `tag` and `tag_id` are those of the signed tag that named it, in mode `tag`; in mode `release`, CHANNEL/SEQ and the
    digest of the envelope.
    """

    commit: str
    principal: str
    fingerprint: str
    tag: str = ""
    tag_id: str = ""
    # In mode `commits`: the newest date among what was followed, in seconds since 1970.
    newest: float = 0.0


@dataclass(frozen=True, slots=True)
class Noted:
    """The newest freshness note of a channel: until then, the release `seq` is the newest. Seconds since 1970."""

    issued: float
    until: float
    seq: int
    release: str


@dataclass(frozen=True, slots=True)
class ReleaseTrust:
    """In mode `release`: the policy in force with its keys, and by channel what was accepted. Nothing of it goes back.

    It is `time_floor` or later, whatever the clock says, in seconds since 1970. Notes count under the policy by which
    they were heard, and not beyond it: the next one may have revoked their key.
    """

    policy: str
    signers: str
    time_floor: float = 0.0
    accepted: Mapping[str, Accepted] = field(default_factory=dict)
    notes: Mapping[str, Noted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoodApp:
    """An app as it was last seen healthy, and the revision that it came from."""

    app: App
    digest: str
    revision: str


@dataclass(frozen=True, slots=True)
class FailedApp:
    """A rendered app that did not become healthy. It is not tried again until it changes, or until `retry_at`.

    `retry_at` is in seconds since 1970; it is None where the same must fail again. `because` is the digest of another
    app with which it went back, though nothing of its own failed: it holds for as long as that one is wanted.
    """

    app: str
    digest: str
    revision: str
    reason: str
    tries: int = 1
    retry_at: float | None = None
    because: str = ""

    def is_due(self, now: float) -> bool:
        """May it be tried again? A clock that was set back does not make it wait for years."""
        return self.retry_at is not None and not now < self.retry_at < now + RETRY_MOST_SECONDS + 1


@dataclass(frozen=True, slots=True)
class Memory:
    """What the device learned by running apps."""

    good: Mapping[str, GoodApp] = field(default_factory=dict)
    failed: tuple[FailedApp, ...] = ()

    def failure(self, digest: str) -> FailedApp | None:
        return next((failed for failed in self.failed if failed.digest == digest), None)


@dataclass(frozen=True, slots=True)
class Pulled:
    """The images that this device pulled: since when nobody needs each, seconds since 1970; 0 while somebody does."""

    unneeded_since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signed:
    """By image, the fingerprints of the keys that were seen to have signed it, the newest last."""

    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reported:
    """The newest report, and whether it has reached the Git server. `sent_at` is in seconds since 1970."""

    report: Report
    is_sent: bool
    sent_at: float = 0.0


class Journal:
    """The state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What was read last, beside the very bytes: every pass reads the same again, and reading them is a fifth of it.
        self._read: dict[str, tuple[bytes, object]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second agent out. Raises StateError when one is at work."""
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise PermissionDenied(
                "the state may not be written", where=str(self.folder), advice="run as root"
            ) from error
        except OSError as error:
            raise StateError(f"the state cannot be used: {error.strerror}", where=str(self.folder)) from error
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
        return self._remembered("trusted.json", Trusted)

    def write_trusted(self, trusted: Trusted) -> None:
        self._establish("trusted.json", trusted)

    @property
    def release_trust(self) -> ReleaseTrust | None:
        """What mode `release` goes by. Raises StateError when it is gone, for the same reason."""
        return self._remembered("releases.json", ReleaseTrust)

    def write_release_trust(self, trust: ReleaseTrust) -> None:
        self._establish("releases.json", trust)

    def forget_trusted(self) -> None:
        """Trust anew, by somebody's word on this device. The marker goes last: a power cut never trusts by itself."""
        for name in _MARKERS:
            (self.folder / name).unlink(missing_ok=True)
        for marker in _MARKERS.values():
            (self.folder / marker).unlink(missing_ok=True)

    def _remembered(self, name: str, kind: type[Value]) -> Value | None:
        value = self._load(name, kind)
        marker = self.folder / _MARKERS[name]
        if value is None and marker.exists():
            advice = "put it back; or, to trust anew what the settings say, `reconciler trust reset`"
            raise StateLost("TRUST_STATE: what was trusted is gone", where=str(self.folder / name), advice=advice)
        return value

    def _establish(self, name: str, value: object) -> None:
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
            value = from_json(kind, payload)
            self._read[name] = content, value
            return value
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise PermissionDenied("the state may not be read", where=str(path), advice="run as root") from error
        except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
            advice = "it is torn or not ours: put a good copy back"
            raise StateLost(f"the state is not believed: {error}", where=str(path), advice=advice) from error
