"""Orders of an agent that sits idle: it asks Git itself, and sends an errand only when something may have changed."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.admission import Admission
from reconciler.agent.errands.sender import FOR_PEOPLE
from reconciler.agent.orders.fetching import fetch_orders
from reconciler.agent.orders.known import Known, OrdersByErrand, Rendered, kept
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.key_files import next_key
from reconciler.errors import ReconcilerError, RemoteUnavailable
from reconciler.repository import Mirror

log = logging.getLogger("reconciler")

# Keys and freshness notes end by the clock alone, and somebody may have changed what nobody watches.
LOOK_AGAIN_SECONDS = 3600.0
# What is wrong may mend itself, such as a registry that was away: soon at first, and not for ever at each poll.
TROUBLE_MOST_SECONDS = 900.0


def boot_seconds() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Basis:
    """What the newest answer goes by: where the server is, and the files on the device that judge it."""

    tips: str
    files: tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the agent's own fetch came to: what an answer would go by now, or why there is none."""

    basis: Basis | None = None
    error: ReconcilerError | None = None


class PolledOrders:
    """Orders by errands. Of one thread, but `insist`."""

    def __init__(
        self, config: Config, errands: OrdersByErrand, mirror: Mirror, clock: Callable[[], float] = boot_seconds
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
            if error.exit_code in FOR_PEOPLE:
                raise
            log.error("%s", error)
        return self._known

    def obtain(self, *, is_fetched: bool = False) -> Known:
        """As every Orders; it fetches all the same."""
        # In this order: who asks from now on is not forgotten.
        if insists := self._insists:
            self._insists = False
            # It goes in any case, and gets ready while the server is asked.
            with suppress(ReconcilerError):
                self._errands.prepare()
        asked = self._asked()
        holds = self._known is not None and not insists and self._clock() < self._due
        return (self._still(asked) if holds else None) or self._sent(asked.basis)

    def _still(self, asked: Asked) -> Known | None:
        """What was known, where it still holds."""
        if self._known is None:
            return None
        if isinstance(asked.error, RemoteUnavailable):
            # What was known is known again when the server is back, if it is where it was. A mirror may know more.
            return None if self._config.mirrors else _cut_off(self._known, asked.error)
        # What an errand said of an error that is not the network's, it would say again.
        return self._known if asked.error is not None or asked.basis == self._basis is not None else None

    def _asked(self) -> Asked:
        try:
            tips = fetch_orders(self._mirror, self._config.trust)
        except ReconcilerError as error:
            return Asked(error=error)
        # Of what a stand-in has, only an errand says whether it is newer.
        return Asked(None if self._mirror.stand_in else Basis(tips, judging(self._config)))

    def _sent(self, basis: Basis | None) -> Known:
        before = self._known
        try:
            known = self._errands.obtain(is_fetched=basis is not None)
        except ReconcilerError as error:
            trusted = before.obtained.trusted if before else None
            rendered, admission = (before.rendered, before.admission) if before else (Rendered(None), Admission())
            self._basis = None
            return Known(kept(trusted, error), rendered, admission)
        # One that found nobody there says nothing of where the server is.
        self._known, self._basis = known, None if known.obtained.is_cut_off else basis
        self._due = self._clock() + self._patience(known, before)
        return known

    def _patience(self, known: Known, before: Known | None) -> float:
        """How long nobody looks again while nothing moves."""
        if not _wrongs(known):
            self._troubles = 0
            return LOOK_AGAIN_SECONDS
        is_same = before is not None and _wrongs(known) == _wrongs(before)
        self._troubles = self._troubles + 1 if is_same else 0
        return min(self._config.interval * 2.0 ** min(self._troubles, 16), TROUBLE_MOST_SECONDS)


def _wrongs(known: Known) -> tuple[str, ...]:
    """All that is wrong, in words."""
    facts = (f"{one.type} {one.reason}" for one in known.obtained.facts if one.status is False)
    return (*map(str, known.obtained.errors), *map(str, known.rendered.problems), *facts)


def _cut_off(known: Known, error: RemoteUnavailable) -> Known:
    """What is known while no server answers: it is not fresh, and what was refused is refused still."""
    cut_off = kept(known.obtained.trusted, error)
    refused = {one.type for one in known.obtained.facts if one.type == "Trusted" and one.status is False}
    facts = [one for one in known.obtained.facts if one.type in refused or one.type not in ("Trusted", "Fresh")]
    facts += [one for one in cut_off.facts if one.type not in refused]
    return replace(known, obtained=replace(cut_off, facts=tuple(facts)))


def judging(config: Config) -> tuple[tuple[str, int, int, int], ...]:
    """The files of the device by which it judges what it fetched: each with when it changed, its mode and number."""
    trust = config.trust
    paths = (trust.allowed_signers, trust.revoked_keys, trust.forge_keys, config.identity, next_key(config.identity))
    found = []
    for path in paths:
        with suppress(OSError):
            if path is not None:
                status = path.stat()
                found.append((str(path), status.st_ctime_ns, status.st_mode, status.st_ino))
    return tuple(found)
