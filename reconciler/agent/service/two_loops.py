"""What the loops of Git and of the Engine share: what Git said last, and the bells by which they wake each other."""

import logging
import threading
import time
from collections.abc import Sequence

from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.errands.polling import PolledOrders
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.orders.known import Known
from reconciler.agent.passes.reconcile import Reconciler, Result
from reconciler.agent.service.loop import Bell
from reconciler.agent.service.metrics import Metrics
from reconciler.agent.service.outbox import Outbox
from reconciler.agent.service.turns import Turns
from reconciler.errors import ErrandFailed

log = logging.getLogger("reconciler")


class TwoLoops:
    """The passes of both, and what may be asked of them from elsewhere."""

    def __init__(  # all that a pass may wake or be told to
        self,
        reconciler: Reconciler,
        orders: PolledOrders,
        pulls: Pulls,
        outbox: Outbox,
        bell: Bell,
        git_bell: Bell,
        systemd: Systemd,
        metrics: Metrics,
    ) -> None:
        self._reconciler, self._orders, self._pulls, self._outbox = reconciler, orders, pulls, outbox
        self._bell, self._git_bell, self._systemd, self._metrics = bell, git_bell, systemd, metrics
        # At boot, what was trusted before: with no network, it must do.
        self._known = reconciler.recall()
        self._was_cut_off = False
        # So often one after the other, an errand came to nothing.
        self.failed_errands = 0
        self._turns = Turns()
        # A full pass has come to its end.
        self.passed = threading.Event()

    @property
    def update(self) -> str | None:
        """The version of the reconciler itself that shall run, if Git has just said one, and hears of us."""
        known = self._known
        wanted = known.update if known is not None and known.is_from_git else None
        return wanted if wanted is not None and self._reconciler.is_heard else None

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
        self._was_cut_off = is_cut_off
        self._metrics.note_git(answered=not is_cut_off)
        self._bell.ring()
        rest = known.obtained.rest_seconds
        self._outbox.note_git(rest)
        return rest

    def reconcile(self) -> float:
        """A full pass, with what Git said last. Before it said anything, there is nothing to do."""
        # In this order: a pass that begins after Git has answered goes by the answer.
        self._turns.begins()
        if (known := self._known) is not None:
            result = self._converge(known, is_full=True)
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
        self._outbox.note_pass(is_proof=is_full and known.is_followed and result.is_whole)
        self._systemd.status(f"{result.report.phase} at {result.report.revisions.trusted or 'nothing yet'}")
        return result


def _log(result: Result) -> None:
    for error in result.errors:
        log.error("%s", error)
    log.info("pass     %s, %d steps, at %s", result.report.phase, len(result.steps), result.report.revisions.trusted)
