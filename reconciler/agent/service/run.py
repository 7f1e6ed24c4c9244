"""What `reconciler run` is made of: a loop for the Engine, one for Git, one for reports, and pulls beside them."""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from reconciler.agent.docker_engine.parts import docker_engine
from reconciler.agent.engine.aside import Aside
from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.engine.watch import watch
from reconciler.agent.errands.polling import PolledOrders
from reconciler.agent.errands.sender import Errands
from reconciler.agent.host.device_root import check_root
from reconciler.agent.host.ending import Ending
from reconciler.agent.host.machine import look_at_machine
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.orders.fetching import make_mirror
from reconciler.agent.passes.publish import Publisher
from reconciler.agent.passes.reconcile import Reconciler
from reconciler.agent.service.control import serve_control
from reconciler.agent.service.loop import Bell, Loop, Passes
from reconciler.agent.service.metrics import Metrics, serve_metrics
from reconciler.agent.service.outbox import Outbox
from reconciler.agent.service.two_loops import TwoLoops
from reconciler.agent.service.watched_files import watch_files, watched_files
from reconciler.agent.settings.config import parse_config
from reconciler.agent.settings.settings_file import SettingsFile
from reconciler.agent.state.journal import Journal
from reconciler.agent.versions.code import code_home
from reconciler.agent.versions.succession import (
    Succession,
    end_with_the_old,
    is_on_trial,
    note,
    start_anew,
    start_proven,
    tell_proven,
)
from reconciler.agent.versions.unpacked import Versions
from reconciler.agent.versions.updating import failed, is_due
from reconciler.repository import end_all

log = logging.getLogger("reconciler")

LAST_WORDS_SECONDS, _LOOK_SECONDS = 10.0, 1.0
MOST_FAILED_ERRANDS = 3
# Each word of Git makes a full pass; when it says nothing for so many intervals, one is made without.
WITHOUT_GIT = 1.5


def run(options: argparse.Namespace) -> int:
    """`reconciler run`."""
    settings = SettingsFile(options.config)
    check_root(settings.config.root, (settings.config.state, settings.config.secrets.folder))
    journal = Journal(settings.config.state)
    ending = Ending()
    with journal.locked():
        start_proven(settings.config, journal, ending)
        service = Service(settings, journal)
        service.run(ending)
        # Before somebody else may have the state.
        end_all()
    if service.has_newer_settings:
        log.info("anew     the settings have changed")
        start_anew(ending)
    elif service.successor is not None:
        Succession(settings.config, journal, ending, service.beat).to(service.successor)
    return 0


class Service:
    """Keeps the device equal to Git.

    Three loops, and none waits for another: the thread that runs it looks after the Engine; one more asks Git, and one
    sends the reports. A server that does not answer holds up no healing, and a report that is on its way no nudge.
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
        reconciler = Reconciler(config, orders, engine, journal, publisher, machine=look_at_machine(config.root))
        shares_server = config.status.remote.host == config.remote.host
        self._outbox = Outbox(reconciler.send, self._metrics, self._heard, shares_server=shares_server)
        bells = self._bell, self._git_bell
        self._loops = TwoLoops(reconciler, orders, pulls, self._outbox, *bells, self._systemd, self._metrics)
        asking = Loop(Passes(self._ask_git, self._after_a_report), config.interval, config.device, self._git_bell)
        sending = Passes(self._retry, self._send)
        outbox = Loop(sending, config.interval * WITHOUT_GIT, config.device, self._outbox.bell)
        self._asking = threading.Thread(target=asking.run, name="git", daemon=True)
        self._sending = threading.Thread(target=outbox.run, name="reports", daemon=True)
        self._versions, self._journal = Versions(config.state), journal
        # Why it ended, if by itself: newer settings, or another version of the reconciler, by its name.
        self.has_newer_settings = False
        self.successor: str | None = None

    def run(self, ending: Ending) -> None:
        """Until a signal ends it, or something by which it goes on anew. Ending it touches no container."""
        config = self._config
        with self._doors():
            log.info("start    %s obeys %s every %g s", config.device, config.remote.url, config.interval)
            self._asking.start()
            self._sending.start()
            self._systemd.ready()
            ending.then(self._bell.stop)
            passes = Passes(self._reconcile, self._loops.heal)
            Loop(passes, config.interval * WITHOUT_GIT, config.device, self._bell).run()
            self._tell_end()
            self._git_bell.stop()
            self._outbox.bell.stop()
            self._wait_for_last_words(ending)
        log.info("stop     containers go on running")

    def _wait_for_last_words(self, ending: Ending) -> None:
        """What is sent now need not be sent again, and a server that does not answer is not waited for; but whoever
        follows must not meet what was begun here.
        """
        end = time.monotonic() + LAST_WORDS_SECONDS
        # Where another one follows, the loop of Git has waited for that of reports.
        last = self._asking if self._goes else self._sending
        while last.is_alive() and (time.monotonic() < end or (self._goes and not ending.is_asked)):
            self._systemd.beat()
            last.join(_LOOK_SECONDS)

    def beat(self) -> None:
        """Tell systemd that it is alive."""
        self._systemd.beat()

    def _tell_end(self) -> None:
        if self.has_newer_settings:
            self._systemd.reloading()
        elif self.successor is not None:
            self._systemd.status("waits for another version to prove itself")
        else:
            self._systemd.stopping()

    @contextmanager
    def _doors(self) -> Iterator[None]:
        """Be told of signals, events, files and questions."""
        watch(self._engine.changes, self._bell.ring_for_change)
        signal.signal(signal.SIGHUP, lambda *_: self._loops.nudge())
        if is_on_trial():
            end_with_the_old(self._bell.stop)
        with ExitStack() as doors:
            if self._config.metrics:
                doors.callback(serve_metrics(self._metrics, self._config.metrics))
            doors.callback(serve_control(self._config.state, self._loops.sync))
            watched = watched_files(self._settings.path, self._config)
            doors.callback(watch_files(watched, lambda _: self._loops.nudge()))
            yield

    def _reconcile(self) -> float:
        is_first = not self._loops.passed.is_set()
        rest = self._loops.reconcile()
        if is_first and self._loops.passed.is_set() and self._journal.updates.starts:
            # It starts well, also without a network.
            self._journal.write_updates(replace(self._journal.updates, starts=0))
        return rest

    def _ask_git(self) -> float:
        if self._goes:
            return 0.0
        if self._settings.has_newer(self._check):
            self.has_newer_settings = True
            self._leave()
            return 0.0
        rest = self._loops.ask_git()
        self._follow()
        self._give_up()
        return rest

    def _check(self, content: bytes) -> None:
        """Could an agent start by these settings? Raises ReconcilerError, if not."""
        wanted = parse_config(content, self._settings.path)
        check_root(wanted.root, (wanted.state, wanted.secrets.folder))
        if wanted.state.resolve() != self._config.state.resolve():
            with Journal(wanted.state).locked():
                pass
        Errands(content, self._settings.path).check()

    def _retry(self) -> float:
        return 0.0 if self._goes else self._outbox.retry()

    def _send(self) -> Sequence[str]:
        return () if self._goes else self._outbox.send()

    def _heard(self, is_proof: bool) -> None:
        """No report waits: one on trial may have shown that it works; or another version need not wait for a poll."""
        if is_on_trial():
            if is_proof:
                tell_proven()
        elif self._loops.update is not None:
            self._git_bell.ring_for_change()

    def _after_a_report(self) -> Sequence[str]:
        self._follow()
        return ()

    @property
    def _goes(self) -> bool:
        """Is another one to follow? Then nothing more is begun here: it would use the same state."""
        return self.has_newer_settings or self.successor is not None

    def _leave(self) -> None:
        """Of the loop of Git: another one follows, and must not meet a report on its way, which ends with this process.

        The Engine is looked after until then.
        """
        self._outbox.bell.stop()
        self._sending.join(LAST_WORDS_SECONDS if self.has_newer_settings else None)
        self._bell.stop()

    def _follow(self) -> None:
        """Another version may show now that it does its work."""
        if is_on_trial() or self._goes:
            return
        now, update = time.time(), self._loops.update
        if not self._config.updates.allowed or update is None or self._journal.paused(now) is not None:
            return
        updates = self._journal.updates
        # Where the disk would not take how a trial ends, it would begin anew for ever.
        if is_due(update, self._versions.name_of(code_home()), updates, now) and note(self._journal, updates):
            self.successor = update
            self._leave()

    def _give_up(self) -> None:
        """A version that came by Git and cannot follow it any more: the installed one can."""
        running = self._versions.name_of(code_home())
        if not self._goes and running and not is_on_trial() and self._loops.failed_errands >= MOST_FAILED_ERRANDS:
            why = "its errands come to nothing; its log says why"
            self._journal.write_updates(failed(self._journal.updates, running, why, time.time()))
            self.successor = ""
            self._leave()

    def _alive(self) -> None:
        """The loop that waits is alive; so must be the other ones, unless they make room for another agent."""
        if self._goes or (self._asking.is_alive() and self._sending.is_alive()):
            self._systemd.beat()
