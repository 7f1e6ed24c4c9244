"""What the two loops share: what Git said last, and the bells by which they wake each other."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.errands.polling import PolledOrders
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.orders.known import Known
from reconciler.agent.passes.reconcile import Reconciler, Result
from reconciler.agent.service.loop import Bell
from reconciler.agent.service.metrics import Metrics
from reconciler.agent.service.turns import Turns
from reconciler.errors import ErrandFailed, RemoteUnavailable

log = logging.getLogger("reconciler")

# A server of reports' own that lets one wait for long, and then takes none, is let wait so many times as long: a tarpit
# there must not leave Git unasked. Where it is the fleet's, which has just answered, it is asked with it.
OF_THEIR_OWN, _LONGEST = 4.0, 900.0


class TwoLoops:
    """The passes of both, and what may be asked of them from elsewhere."""

    def __init__(  # all that a pass may wake or be told to
        self,
        reconciler: Reconciler,
        orders: PolledOrders,
        pulls: Pulls,
        bell: Bell,
        git_bell: Bell,
        systemd: Systemd,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 0.0,
    ) -> None:
        self._reconciler, self._pulls, self._bell, self._git_bell = reconciler, pulls, bell, git_bell
        self._orders = orders
        self._systemd, self._metrics, self._clock, self._patience = systemd, metrics, clock, patience
        # At boot, what was trusted before: with no network, it must do.
        self._known = reconciler.recall()
        self._was_cut_off = False
        # So often one after the other, an errand came to nothing.
        self.failed_errands = 0
        # The server of the fleet, and that of reports, want to be left alone for so long.
        self._rests_until, self._no_reports_until = 0.0, 0.0
        # The latter held a report up; nothing more is tried there for so long, unless the network is back.
        self._held_up_until = 0.0
        self._turns = Turns()
        # A full pass has come to its end; and one by what Git had answered, that nothing stopped or held.
        self.passed, self._has_passed_by_git = threading.Event(), False
        # The newest report could not be sent; and: all of its work was done once, report included.
        self._is_unheard, self.proven = False, threading.Event()

    @property
    def update(self) -> str | None:
        """The version of the reconciler itself that shall run, if Git has just said one, and hears of us."""
        known = self._known
        return known.update if known is not None and known.is_from_git and not self._is_unheard else None

    def sync(self, seconds: float) -> Result | None:
        """Of any thread: ask Git now, and wait for the pass that goes by its answer; None after so long."""
        return self._turns.next(self.nudge, seconds)

    def nudge(self) -> None:
        """Of any thread, or a signal: ask Git now."""
        self._orders.insist()
        self._git_bell.ring()

    def ask_git(self) -> float:
        """Of the loop of Git: fetch, verify, render; then the other loop has a pass to make.

        For so many seconds the server wants to be left alone.
        """
        self._turns.asks()
        self._known = known = self._reconciler.obtain()
        self._turns.knows()
        is_cut_off = known.obtained.is_cut_off
        has_failed = any(isinstance(error, ErrandFailed) for error in known.obtained.errors)
        self.failed_errands = self.failed_errands + 1 if has_failed else 0
        if self._was_cut_off and not is_cut_off:
            self._pulls.hurry()
            self._held_up_until = 0.0
        self._was_cut_off = is_cut_off
        self._metrics.note_git(answered=not is_cut_off)
        self._bell.ring()
        rest = known.obtained.rest_seconds
        self._rests_until = self._clock() + rest
        self._is_unheard = self._clock() < max(self._no_reports_until, self._held_up_until)
        self.send()
        return rest

    def send(self) -> Sequence[str]:
        """Of the loop of Git: send what was recorded, unless the server wants to be left alone, or just refused it."""
        if self._is_unheard or self._clock() < self._rests_until:
            return ()
        began = self._clock()
        error = self._reconciler.send()
        self._metrics.note_send(failed=error is not None)
        if error is not None:
            log.error("%s", error)
            self._is_unheard = True
            rest = error.retry_seconds if isinstance(error, RemoteUnavailable) else 0.0
            ended = self._clock()
            self._no_reports_until = ended + rest
            self._held_up_until = ended + min(self._patience * (ended - began), _LONGEST)
        elif self._has_passed_by_git:
            self.proven.set()
        return ()

    def reconcile(self) -> float:
        """A full pass, with what Git said last. Before it said anything, there is nothing to do."""
        # In this order: a pass that begins after Git has answered goes by the answer.
        self._turns.begins()
        if (known := self._known) is not None:
            result = self._converge(known, is_full=True)
            self._has_passed_by_git |= known.is_followed and result.is_whole
            self.passed.set()
            _log(result)
        return 0.0

    def heal(self) -> Sequence[str]:
        """The steps. What nobody has to know of is not told: events come in crowds."""
        self._turns.begins()
        if (known := self._known) is None:
            return ()
        result = self._converge(known, is_full=False)
        if result.steps or result.errors:
            _log(result)
        return result.steps

    def _converge(self, known: Known, *, is_full: bool) -> Result:
        began = time.time()
        result = self._reconciler.converge(known, is_full=is_full)
        self._turns.ended(result)
        self._metrics.note_pass(result.report, began, len(result.steps), len(result.errors))
        self._git_bell.ring_for_change()
        self._systemd.status(f"{result.report.phase} at {result.report.revisions.trusted or 'nothing yet'}")
        return result


def _log(result: Result) -> None:
    for error in result.errors:
        log.error("%s", error)
    log.info("pass     %s, %d steps, at %s", result.report.phase, len(result.steps), result.report.revisions.trusted)
