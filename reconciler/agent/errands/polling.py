"""Orders of an agent that sits idle: it asks Git itself, and sends an errand only when something may have changed."""

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from reconciler.agent.errands.sender import FOR_PEOPLE
from reconciler.agent.orders.fetching import fetch_orders
from reconciler.agent.orders.known import Known, Obtain, OrdersByErrand, kept, unasked
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.key_files import next_key
from reconciler.agent.state.moment import boot_seconds
from reconciler.errors import ReconcilerError, RemoteUnavailable
from reconciler.repository import Mirror

log = logging.getLogger("reconciler")

# Keys and freshness notes end by the clock alone, and somebody may have changed what nobody watches.
LOOK_AGAIN_SECONDS = 3600.0
# What is wrong may mend itself, such as a registry that was away: soon at first, and not for ever at each poll.
TROUBLE_MOST_SECONDS = 900.0


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

    @property
    def ground(self) -> Basis | str | None:
        """The same, where the same is found again; nothing, where that says nothing."""
        return self.basis if self.error is None else f"{type(self.error).__name__}: {self.error}"


class PolledOrders:
    """Orders by errands. Of one thread, but `insist`."""

    def __init__(
        self, config: Config, errands: OrdersByErrand, mirror: Mirror, clock: Callable[[], float] = boot_seconds
    ) -> None:
        self._config, self._errands, self._mirror, self._clock = config, errands, mirror, clock
        self._known: Known | None = None
        # What the newest answer went by.
        self._ground: Basis | str | None = None
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
            return self._known or unasked(error, self._config.allow)
        return self._known

    def obtain(self, *, is_fetched: bool = False) -> Known:
        """As every Orders; it fetches all the same."""
        # In this order: who asks from now on is not forgotten.
        if insists := self._insists:
            self._insists = False
        # An errand goes in any case then, and gets ready while the server is asked.
        with self._errands.prepared() if insists else nullcontext(self._errands.obtain) as obtain:
            asked = self._asked()
            if isinstance(asked.error, RemoteUnavailable) and not self._config.mirrors:
                return self._away(asked.error)
            holds = not insists and self._clock() < self._due and asked.ground == self._ground is not None
            return self._known if holds and self._known is not None else self._sent(asked, obtain)

    def _away(self, error: RemoteUnavailable) -> Known:
        """What was known is known again when the server is back, if it is where it was. No errand would reach it."""
        known = self._known or self.recall()
        return _cut_off(known, error) if known is not None else unasked(error, self._config.allow)

    def _asked(self) -> Asked:
        try:
            tips = fetch_orders(self._mirror, self._config.trust)
        except ReconcilerError as error:
            return Asked(error=error)
        # Of what a stand-in has, only an errand says whether it is newer.
        return Asked(None if self._mirror.stand_in else Basis(tips, judging(self._config)))

    def _sent(self, asked: Asked, obtain: Obtain) -> Known:
        before = self._known
        try:
            known = obtain(is_fetched=asked.basis is not None)
        except ReconcilerError as error:
            self._ground = None
            if before is None:
                return unasked(error, self._config.allow)
            return Known(kept(before.obtained.trusted, error), before.rendered, before.admission)
        # One that found nobody there says nothing of where the server is.
        self._known, self._ground = known, None if known.obtained.is_cut_off else asked.ground
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
