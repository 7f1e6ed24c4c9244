"""What `reconciler run` is made of: a loop for the Engine, one for Git, and pulls beside both."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from reconciler.agent.aside import Aside
from reconciler.agent.control import serve_control
from reconciler.agent.errands import Errands
from reconciler.agent.journal import Journal
from reconciler.agent.loop import Bell, Loop, Passes
from reconciler.agent.machine import look_at_machine
from reconciler.agent.metrics import Metrics, serve_metrics
from reconciler.agent.parts import docker_engine, make_mirror
from reconciler.agent.polling import PolledOrders
from reconciler.agent.publish import Publisher
from reconciler.agent.pulls import Pulls
from reconciler.agent.reconcile import Reconciler
from reconciler.agent.settings_file import SettingsFile
from reconciler.agent.systemd import Systemd
from reconciler.agent.two_loops import TwoLoops
from reconciler.agent.watch import watch
from reconciler.agent.watched_files import watch_files, watched_files

log = logging.getLogger("reconciler")

LAST_WORDS_SECONDS = 10.0
# Each word of Git makes a full pass; when it says nothing for so many intervals, one is made without.
WITHOUT_GIT = 1.5


def run(options: argparse.Namespace) -> int:
    """`reconciler run`."""
    settings = SettingsFile(options.config)
    journal = Journal(settings.config.state)
    with journal.locked():
        starts_anew = Service(settings, journal).run()
    if starts_anew:
        log.info("anew     the settings have changed")
        # In this process, which systemd knows; all that it had opened is closed by it. No nudge may end it meanwhile.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command by which it was started
    return 0


class Service:
    """Keeps the device equal to Git.

    Two loops, and neither waits for the other: the thread that runs it looks after the Engine; another one asks Git,
    and sends the reports. A server that does not answer holds up no healing.
    """

    def __init__(self, settings: SettingsFile, journal: Journal) -> None:
        self._settings, self._config = settings, settings.config
        self._systemd, self._metrics = Systemd(), Metrics(time.time)
        self._bell, self._git_bell = Bell(self._alive, self._systemd.pause), Bell()
        config, errands = settings.config, Errands(settings.content, settings.path)
        self._engine = docker_engine(config, errands.unseal, self._bell.sleep)
        pulls = Pulls(self._engine.pull, self._bell.ring_for_change)
        orders = PolledOrders(config, errands, make_mirror(config))
        publisher = Publisher(errands, journal, config.status.heartbeat)
        engine = Aside(self._engine, pulls)
        reconciler = Reconciler(config, orders, engine, journal, publisher, machine=look_at_machine())
        bells = self._bell, self._git_bell
        self._loops = TwoLoops(reconciler, orders, pulls, *bells, self._systemd, self._metrics)
        self._has_newer = threading.Event()
        self._asking = threading.Thread(target=self._ask, name="git", daemon=True)

    def run(self) -> bool:
        """Until a signal ends it, or newer settings do, which is told. Ending it touches no container."""
        config = self._config
        with self._doors():
            log.info("start    %s obeys %s every %g s", config.device, config.remote.url, config.interval)
            self._asking.start()
            self._systemd.ready()
            passes = Passes(self._loops.reconcile, self._loops.heal)
            Loop(passes, config.interval * WITHOUT_GIT, config.device, self._bell).run()
            self._systemd.reloading() if self._has_newer.is_set() else self._systemd.stopping()
            self._git_bell.stop()
            # What it sends now need not be sent again; a server that does not answer is not waited for.
            self._asking.join(LAST_WORDS_SECONDS)
        log.info("stop     containers go on running")
        return self._has_newer.is_set()

    @contextmanager
    def _doors(self) -> Iterator[None]:
        """Be told of signals, events, files and questions."""
        watch(self._engine.changes, self._bell.ring_for_change)
        signal.signal(signal.SIGHUP, lambda *_: self._loops.nudge())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._bell.stop())
        with ExitStack() as doors:
            if self._config.metrics:
                doors.callback(serve_metrics(self._metrics, self._config.metrics))
            doors.callback(serve_control(self._config.state, self._loops.sync))
            doors.callback(watch_files(watched_files(self._settings.path, self._config), self._loops.nudge))
            yield

    def _ask(self) -> None:
        Loop(Passes(self._ask_git, self._loops.send), self._config.interval, self._config.device, self._git_bell).run()

    def _ask_git(self) -> float:
        if self._settings.has_newer():
            self._has_newer.set()
            self._bell.stop()
            return 0.0
        return self._loops.ask_git()

    def _alive(self) -> None:
        """The loop that waits is alive; so must be the other one."""
        if self._asking.is_alive():
            self._systemd.beat()
