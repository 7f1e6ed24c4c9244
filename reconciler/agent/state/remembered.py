"""What a device remembers over a power cut, as values; the journal keeps them (journal.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.agent.state.backoff import RETRY_MOST_SECONDS
from reconciler.agent.state.moment import rfc3339
from reconciler.model import App, Report

# Failed digests that are remembered for a device: enough for every app to fail many times, and small on disk.
MAX_FAILED = 100


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


@dataclass(frozen=True, slots=True)
class Attempt:
    """A version of the reconciler itself that did not prove itself: how often, why, and when it is tried again, in
    seconds since 1970.
    """

    tries: int
    why: str
    retry_at: float


@dataclass(frozen=True, slots=True)
class Updates:
    """By name, the version of the reconciler itself that has proven itself, and those that did not.

    `starts` counts how often the proven one was started since it was well.
    """

    proven: str = ""
    starts: int = 0
    failed: Mapping[str, Attempt] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody's word that nothing of the device is changed: until when, in seconds since 1970, and why."""

    until: float
    why: str = ""

    def __str__(self) -> str:
        return f"until {rfc3339(self.until)}" + (f": {self.why}" if self.why else "")


# It ends by itself: a device that everybody forgot must not stay behind for ever.
LONGEST_PAUSE = 7 * 24 * 3600.0
