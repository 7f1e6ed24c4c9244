"""Orders of an agent that sits idle: it asks Git itself, and sends an errand only when something may have changed."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.admission import Admission
from reconciler.agent.config import Config
from reconciler.agent.fetching import fetch_orders
from reconciler.agent.key_files import next_key
from reconciler.agent.known import Known, Orders, Rendered, kept
from reconciler.errors import ConfigError, PermissionDenied, ReconcilerError, RemoteUnavailable
from reconciler.repository import Mirror

log = logging.getLogger("reconciler")

# Keys and freshness notes end by the clock alone, and somebody may have changed what nobody watches.
LOOK_AGAIN_SECONDS = 3600.0
# No pass could do anything about it.
_FOR_PEOPLE = (ConfigError.exit_code, PermissionDenied.exit_code)
# What is wrong may mend itself, such as a registry that was away: soon at first, and not for ever at each poll.
TROUBLE_MOST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Basis:
    """What the newest answer goes by: where the server is, and the files on the device that judge it."""

    tips: str
    files: tuple[tuple[str, int, int, int], ...]


class PolledOrders:
    """Orders by errands. Of one thread, but `insist`."""

    def __init__(
        self, config: Config, errands: Orders, mirror: Mirror, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._errands, self._mirror, self._clock = config, errands, mirror, clock
        self._known: Known | None = None
        self._basis: Basis | None = None
        self._due, self._troubles, self._insists = 0.0, 0, True

    def insist(self) -> None:
        """Of any thread: somebody asks. The next time, an errand goes whatever the server says."""
        self._insists = True

    def recall(self) -> Known | None:
        """As every Orders. Raises ReconcilerError when the settings or the device's key are of no use."""
        try:
            self._known = self._errands.recall()
        except ReconcilerError as error:
            if error.exit_code in _FOR_PEOPLE:
                raise
            log.error("%s", error)
        return self._known

    def obtain(self, *, is_fetched: bool = False) -> Known:
        """As every Orders; it fetches all the same."""
        insists, self._insists = self._insists, False
        basis, error = self._asked()
        if self._known is not None and not insists and self._clock() < self._due:
            if basis is not None and basis == self._basis:
                return self._known
            if error is not None and not self._config.mirrors:
                # What was known is known again when the server is back, if it is where it was.
                return replace(self._known, obtained=kept(self._known.obtained.trusted, error))
        return self._sent(basis)

    def _asked(self) -> tuple[Basis | None, RemoteUnavailable | None]:
        """What an answer would go by now. Without it, an errand finds out what is wrong."""
        try:
            tips = fetch_orders(self._mirror, self._config.trust)
        except RemoteUnavailable as error:
            return None, error
        except ReconcilerError:
            return None, None
        return (None if self._mirror.stand_in else Basis(tips, judging(self._config))), None

    def _sent(self, basis: Basis | None) -> Known:
        before = self._known
        try:
            self._known, self._basis = self._errands.obtain(is_fetched=basis is not None), basis
        except ReconcilerError as error:
            trusted = before.obtained.trusted if before else None
            rendered, admission = (before.rendered, before.admission) if before else (Rendered(None), Admission())
            self._basis = None
            return Known(kept(trusted, error), rendered, admission)
        self._due = self._clock() + self._patience(self._known, before)
        return self._known

    def _patience(self, known: Known, before: Known | None) -> float:
        """How long nobody looks again while nothing moves."""
        if not known.obtained.errors and not known.rendered.problems:
            return LOOK_AGAIN_SECONDS
        is_same = before is not None and known.rendered.problems == before.rendered.problems
        self._troubles = self._troubles + 1 if is_same else 0
        return min(self._config.interval * 2.0 ** min(self._troubles, 16), TROUBLE_MOST_SECONDS)


def judging(config: Config) -> tuple[tuple[str, int, int, int], ...]:
    """The files of the device by which it judges what it fetched: each with when it changed, its size and number."""
    trust = config.trust
    paths = (trust.allowed_signers, trust.revoked_keys, trust.forge_keys, config.identity, next_key(config.identity))
    found = []
    for path in paths:
        with suppress(OSError):
            if path is not None:
                status = path.stat()
                found.append((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
