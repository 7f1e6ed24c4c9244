"""From one version of the reconciler itself to another: the old one stays until the new one has proven itself.

The new one is started beside, as a whole agent that works on the device, while the old one has let go of the state and
waits. It says a line on its standard output once it has asked Git, made a pass and sent a report. If it does not, it is
ended, and the old one goes on. Containers are touched by none of it.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.agent.host.ending import Ending
from reconciler.agent.settings.config import Config
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Updates
from reconciler.agent.versions import updating
from reconciler.agent.versions.code import code_home, interpreter
from reconciler.agent.versions.unpacked import Versions
from reconciler.errors import StateError

log = logging.getLogger("reconciler")

# What a version on trial finds in its environment; and where what was installed is imported from.
_TRIAL, _INSTALLED = "RECONCILER_ON_TRIAL", "RECONCILER_INSTALLED"
_PROVEN = b"proven\n"
# When both end, the unit waits for both: its TimeoutStopSec is longer.
_LOOK_SECONDS, END_SECONDS = 1.0, 45.0
_MOST_TOLD = 300


def is_on_trial(environ: Mapping[str, str] = os.environ) -> bool:
    return bool(environ.get(_TRIAL))


def tell_proven() -> None:
    """Of a version on trial, to the one that waits."""
    with suppress(BrokenPipeError):  # it has heard it before
        os.write(sys.stdout.fileno(), _PROVEN)


def end_with_the_old(stop: Callable[[], None]) -> None:
    """Of a version on trial: when the one that waits lets go of it, or is gone, so is this one."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def start_anew(ending: Ending, home: str = "") -> None:
    """Go on in this process, which systemd knows, as what is imported from `home`; by default, what runs now.

    Returns when it was asked to end.
    """
    # All that was opened is closed by it. No nudge may end it meanwhile.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if not ending.hold_back():
        return
    command, environment = _command(home or code_home())
    os.execve(command[0], command, environment)  # noqa: S606 - our own program, by a path of our own


def installed_home() -> str:
    """Where what was installed is imported from."""
    return os.environ.get(_INSTALLED) or code_home()


def start_proven(config: Config, journal: Journal, ending: Ending) -> None:
    """At a start: go on as the version that has proven itself, if Git may say which, and another one runs.

    A disk that takes nothing does not keep a device from starting.
    """
    versions, updates = Versions(config.state), journal.updates
    name, running = updates.proven, versions.name_of(code_home())
    if running and not config.updates.allowed and not is_on_trial():
        # The settings have changed since it took over.
        note(journal, updating.proven(updates, ""))
        return start_anew(ending, installed_home())
    if is_on_trial() or not name or running:
        return None
    if not config.updates.allowed or not versions.has(name):
        note(journal, updating.proven(updates, ""))
        return None
    # One whose starts cannot be counted would be started for ever, if it is a bad one.
    if not note(journal, after := updating.started(updates, time.time())):
        return None
    if after.proven:
        return start_anew(ending, str(versions.home(name)))
    log.error("version  %s was started too often without being well; the installed one goes on", name)
    return None


def note(journal: Journal, updates: Updates) -> bool:
    """Write it down, if the disk takes it; what it does not take is told."""
    try:
        journal.write_updates(updates)
    except StateError as error:
        log.error("version  %s", error)
        return False
    return True


@dataclass(frozen=True, slots=True)
class Succession:
    """From the version that runs to another one. `alive` is called while somebody waits."""

    config: Config
    journal: Journal
    ending: Ending
    alive: Callable[[], None] = lambda: None

    def to(self, name: str) -> None:
        """Go on as that version if it proves itself, as this one otherwise; without a name, as the installed one."""
        versions = Versions(self.config.state)
        if not name:
            self.journal.write_updates(replace(self.journal.updates, proven="", starts=0))
            log.info("version  the installed one is wanted again")
            return start_anew(self.ending, installed_home())
        if self.ending.is_asked:  # while a report was waited for: what never began has not failed
            return None
        log.info("version  %s is to prove itself", name)
        before = self.journal.updates
        # One that brings the whole device down must not be tried again at once.
        self.journal.write_updates(updating.failed(before, name, "its trial was cut short", time.time()))
        why = self._try(str(versions.home(name)))
        if why is None:
            self.journal.write_updates(before)
            return None
        if why:
            log.error("version  %s has not proven itself: %s", name, why)
            self.journal.write_updates(updating.failed(before, name, why, time.time()))
            versions.remove(name)
            return start_anew(self.ending)
        log.info("version  %s has proven itself", name)
        self.journal.write_updates(updating.proven(before, name))
        return start_anew(self.ending, str(versions.home(name)))

    def _try(self, home: str) -> str | None:
        """Why it has not proven itself, in words; nothing if it has; None when somebody ends us meanwhile."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        command, environment = _command(home)
        environment[_TRIAL] = "1"
        # It is not the one that systemd knows, and each word of it would be a warning in the journal.
        environment.pop("NOTIFY_SOCKET", None)
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        deadline = time.monotonic() + self.config.updates.patience
        try:
            return self._answer(process, deadline)
        finally:
            self._end(process)

    def _answer(self, process: "subprocess.Popen[bytes]", deadline: float) -> str | None:
        said = b""
        while time.monotonic() < deadline and process.stdout is not None:
            self.alive()
            if self.ending.is_asked:
                return None
            if not select.select([process.stdout], [], [], _LOOK_SECONDS)[0]:
                continue
            part = os.read(process.stdout.fileno(), 4096)
            said = (said + part)[-_MOST_TOLD:]
            if said.endswith(_PROVEN):
                return ""
            if not part:
                with suppress(subprocess.TimeoutExpired):
                    return f"it ended with {process.wait(END_SECONDS)} before it was well; its log says why"
                return "it closed its output before it was well; its log says why"
        return f"it was not well within {self.config.updates.patience:g} s; its log says why"

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """In order, by the end of its input; by force when it takes too long."""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        deadline = time.monotonic() + END_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            # Whoever is thought to hang while it waits never tells why this version is no good.
            self.alive()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
        process.kill()
        process.wait()


def _command(home: str) -> tuple[list[str], dict[str, str]]:
    """`reconciler` with the arguments of this process, as the code in `home`."""
    # One on trial stays so, also when newer settings have it start anew.
    environment = {**os.environ, "PYTHONPATH": home, _INSTALLED: installed_home()}
    return [interpreter(), "-P", "-m", "reconciler.agent", *sys.argv[1:]], environment
