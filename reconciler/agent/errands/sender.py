"""Sends out errands: one process at a time, which does what needs much memory, answers and ends (errand.py)."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import reconciler
from reconciler.agent.errands.answer import Answer, decode, hear, hear_error
from reconciler.agent.orders.known import Known, Obtain
from reconciler.agent.versions.code import code_home, interpreter
from reconciler.errors import ConfigError, ErrandFailed, PermissionDenied, ReconcilerError
from reconciler.model import ConfigFile, Report
from reconciler.model.codec import canonical

# git gives up on a server that is silent for a minute, and on itself after five; a slow link may need several of those.
MOST_SECONDS = 1800.0
# No errand could do anything about it.
FOR_PEOPLE = (ConfigError.exit_code, PermissionDenied.exit_code)


@dataclass(frozen=True, slots=True)
class Errands:
    """For the agent that was started with these settings, at this path. An errand that is under way ends with it."""

    settings: bytes
    path: Path
    most_seconds: float = MOST_SECONDS
    python: str = field(default_factory=interpreter)
    home: str = field(default_factory=code_home)
    unsealing: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @contextmanager
    def prepared(self) -> Iterator[Obtain]:
        """Its Python starts now, and loads while something else is waited for."""
        ready: list[subprocess.Popen[bytes]] = []
        with suppress(ErrandFailed):  # who obtains tries again, and hears of it
            ready.append(self._started("obtain"))

        def obtain(*, is_fetched: bool = False) -> Known:
            return self._obtained(ready.pop() if ready else self._started("obtain"), is_fetched=is_fetched)

        try:
            yield obtain
        finally:
            for process in ready:
                process.communicate()

    def recall(self) -> Known | None:
        """What was trusted before; nothing yet, if so. Raises ReconcilerError."""
        return hear(self._sent("recall").known)

    def check(self) -> None:
        """Could an agent start by these settings? Raises ReconcilerError, if only people can mend it."""
        try:
            self.recall()
        except ReconcilerError as error:
            if error.exit_code in FOR_PEOPLE:
                raise

    def obtain(self, *, is_fetched: bool = False) -> Known:
        """Ask Git, unless it was asked just now, judge and render. Raises ReconcilerError."""
        return self._obtained(self._started("obtain"), is_fetched=is_fetched)

    def _obtained(self, process: "subprocess.Popen[bytes]", *, is_fetched: bool) -> Known:
        known = hear(self._sent("obtain", process, is_fetched=is_fetched).known)
        if known is None:
            raise ErrandFailed("the errand `obtain` answers nothing", advice="see its log")
        return known

    def deliver(self, report: Report, now: float) -> None:
        """Sign and push a report. Raises ReconcilerError when it has to wait."""
        self._sent("deliver", report=canonical(report).decode(), now=now)

    def unseal(self, file: ConfigFile) -> bytes:
        """What was sealed. Raises SealRefused, PermissionDenied, ConfigError, ErrandFailed; none tells content."""
        # Lanes start side by side; a small device has no room for as many Pythons.
        with self.unsealing:
            content = self._sent("unseal", file=canonical(file).decode()).unsealed
        if content is None:
            raise ErrandFailed("the errand `unseal` answers nothing", advice="see its log")
        return content

    def _sent(self, do: str, process: "subprocess.Popen[bytes] | None" = None, **more: object) -> Answer:
        """What comes of it, by a process that was started for it."""
        head = {"version": reconciler.__version__, "settings": self.settings.decode(), "path": str(self.path)}
        request = json.dumps({**head, **more}).encode() + b"\n"
        line = self._answered(do, process or self._started(do), request)
        try:
            answer = decode(line)
        except ValueError:
            # Its words might be those of an answer that holds a secret.
            raise ErrandFailed(f"the errand `{do}` answers what is no answer", advice="see its log") from None
        if answer.error is not None:
            raise hear_error(answer.error)
        return answer

    def _answered(self, do: str, process: "subprocess.Popen[bytes]", request: bytes) -> bytes:
        """What it says. Its input stays open for as long as somebody waits."""
        deadline = threading.Timer(self.most_seconds, process.kill)
        deadline.start()
        try:
            return _talk(process, request)
        finally:
            deadline.cancel()
            if process.wait() != 0:
                told = f"the errand `{do}` ended with {process.returncode}"
                raise ErrandFailed(told, advice="see the log before it; it is tried again")

    def _started(self, do: str) -> "subprocess.Popen[bytes]":
        # Not from the folder in which somebody happens to stand (-P), and no other version of ours.
        command = [self.python, "-P", "-m", "reconciler.agent.errands.errand", do]
        environment = {**os.environ, "PYTHONPATH": self.home}
        try:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        except OSError as error:
            raise ErrandFailed(f"the errand `{do}` cannot be started: {error.strerror}") from error


def _talk(process: "subprocess.Popen[bytes]", request: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise ErrandFailed("an errand without pipes")
    try:
        process.stdin.write(request)
        process.stdin.flush()
        return process.stdout.read()
    except BrokenPipeError:
        return b""  # it ended; how, is told
    finally:
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.close()
