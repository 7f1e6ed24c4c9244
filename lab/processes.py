"""Child processes which end with us, and say why when they end too early."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # a plain user's PATH lacks them; dockerd lives there


class StartError(Exception):
    """A server of the lab did not start; the message holds the end of its log."""


class Server:
    """One child process with a log file."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.command, self.log, self.env, self.keep = list(command), log, env, tuple(keep)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        with self.log.open("ab") as out:
            self._child = self._spawn(out)

    def _spawn(self, out: IO[bytes]) -> "subprocess.Popen[bytes]":
        env = dict(os.environ if self.env is None else self.env)
        env["PATH"] = f"{env.get('PATH', '/usr/bin:/bin')}:{SBIN}"
        # An own session: Ctrl-C reaches us alone, and we end it in order.
        return subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=env, pass_fds=self.keep, start_new_session=True,
        )  # fmt: skip

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def check_running(self) -> None:
        """Raises: StartError when it ended."""
        if not self.is_running():
            raise StartError(f"`{self.command[0]}` ended\n{self.tail()}")

    def stop(self, patience: float = 10) -> None:
        """SIGTERM, and SIGKILL when that is not enough. Harmless when it is not running."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of the log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def orderly_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that `finally` runs; leaves a handler of others alone."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def wait_for_the_end() -> NoReturn:
    """Until a signal raises. Not by pause(): it would sleep on after a signal that came just before it."""
    while True:
        time.sleep(0.5)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
