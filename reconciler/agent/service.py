"""What `reconciler run` is made of: a loop for the Engine, one for Git, and pulls beside both."""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Sequence

from reconciler.agent.aside import Aside
from reconciler.agent.config import Config, parse_config, read_settings
from reconciler.agent.control import serve_control
from reconciler.agent.errands import Errands
from reconciler.agent.journal import Journal
from reconciler.agent.known import Known
from reconciler.agent.loop import Bell, Loop, Passes
from reconciler.agent.machine import look_at_machine
from reconciler.agent.metrics import Metrics, serve_metrics
from reconciler.agent.parts import docker_engine, make_mirror
from reconciler.agent.polling import PolledOrders
from reconciler.agent.publish import Publisher
from reconciler.agent.pulls import Pulls
from reconciler.agent.reconcile import Reconciler, Result
from reconciler.agent.systemd import Systemd
from reconciler.agent.turns import Turns
from reconciler.agent.watch import watch

log = logging.getLogger("reconciler")

LAST_WORDS_SECONDS = 10.0
# Each word of Git makes a full pass; when it says nothing for so many intervals, one is made without.
WITHOUT_GIT = 1.5


def run(options: argparse.Namespace) -> int:
    """`reconciler run`."""
    settings = read_settings(options.config)
    config = parse_config(settings, options.config)
    journal = Journal(config.state)
    with journal.locked():
        serve(config, journal, Errands(settings, options.config))
    return 0


def serve(config: Config, journal: Journal, errands: Errands) -> None:
    """Keep the device equal to Git until a signal ends it. Ending it touches no container.

    Two loops, and neither waits for the other: this thread looks after the Engine; another one asks Git, and sends
    the reports. A server that does not answer holds up no healing.
    """
    systemd, metrics = Systemd(), Metrics(time.time)

    def alive() -> None:
        """The loop that waits is alive; so must be the other one."""
        if asking.is_alive():
            systemd.beat()

    bell, git_bell = Bell(alive, systemd.pause), Bell()
    engine = docker_engine(config, errands.unseal, bell.sleep)
    pulls = Pulls(engine.pull, bell.ring_for_change)
    orders = PolledOrders(config, errands, make_mirror(config))
    publisher = Publisher(errands, journal, config.status.heartbeat)
    reconciler = Reconciler(config, orders, Aside(engine, pulls), journal, publisher, machine=look_at_machine())
    device = Device(reconciler, orders, pulls, bell, git_bell, systemd, metrics)
    stop_metrics = serve_metrics(metrics, config.metrics) if config.metrics else lambda: None
    stop_control = serve_control(config.state, device.sync)
    watch(engine.changes, bell.ring_for_change)
    signal.signal(signal.SIGHUP, lambda *_: device.nudge())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bell.stop())
    log.info("start    %s obeys %s every %g s", config.device, config.remote.url, config.interval)
    git_loop = Loop(Passes(device.ask_git, device.send), config.interval, config.device, git_bell)
    asking = threading.Thread(target=git_loop.run, name="git", daemon=True)
    asking.start()
    systemd.ready()
    Loop(Passes(device.reconcile, device.heal), config.interval * WITHOUT_GIT, config.device, bell).run()
    systemd.stopping()
    git_bell.stop()
    # What it sends now need not be sent again; a server that does not answer is not waited for.
    asking.join(LAST_WORDS_SECONDS)
    stop_control()
    stop_metrics()
    log.info("stop     containers go on running")


class Device:
    """What the two loops share: what Git said last, and the bells by which they wake each other."""

    def __init__(  # all that a pass may wake or be told to
        self,
        reconciler: Reconciler,
        orders: PolledOrders,
        pulls: Pulls,
        bell: Bell,
        git_bell: Bell,
        systemd: Systemd,
        metrics: Metrics,
    ) -> None:
        self._reconciler, self._pulls, self._bell, self._git_bell = reconciler, pulls, bell, git_bell
        self._orders = orders
        self._systemd, self._metrics = systemd, metrics
        # At boot, what was trusted before: with no network, it must do.
        self._known = reconciler.recall()
        self._was_cut_off = False
        self._rests_until = 0.0
        self._turns = Turns()

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
        if self._was_cut_off and not is_cut_off:
            self._pulls.hurry()
        self._was_cut_off = is_cut_off
        self._metrics.note_git(answered=not is_cut_off)
        self._bell.ring()
        rest = known.obtained.rest_seconds
        self._rests_until = time.monotonic() + rest
        self.send()
        return rest

    def send(self) -> Sequence[str]:
        """Of the loop of Git: send what was recorded, unless the server wants to be left alone."""
        if time.monotonic() < self._rests_until:
            return ()
        error = self._reconciler.send()
        if error is not None:
            log.error("%s", error)
        return ()

    def reconcile(self) -> float:
        """A full pass, with what Git said last. Before it said anything, there is nothing to do."""
        # In this order: a pass that begins after Git has answered goes by the answer.
        self._turns.begins()
        if (known := self._known) is not None:
            _log(self._converge(known, is_full=True))
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
