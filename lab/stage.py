"""What the reader of the demo sees: chapters, the commands as they run, and what was observed."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_BOLD, _DIM, _GREEN, _RED, _END = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"


class StepMissedError(Exception):
    """The demo did not see what it promised."""


class Stage:
    """Prints; with colour on a terminal only."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self._started = time.monotonic()

    def chapter(self, title: str, *lines: str) -> None:
        """A new part of the story."""
        seconds = time.monotonic() - self._started
        self._print(f"\n{self._in(_BOLD, f'== {title}')} {self._in(_DIM, f'({seconds:.0f} s)')}")
        for line in lines:
            self._print(f"   {line}")

    def say(self, text: str) -> None:
        self._print(f"   {text}")

    def command(self, shown: str) -> None:
        """Print a command that the caller runs."""
        self._print(self._in(_BOLD, f"$ {shown}"))

    def run(
        self,
        command: Sequence[str],
        *,
        shown: str = "",
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        codes: Sequence[int] = (0,),
    ) -> str:
        """Print a command, run it, print what it says. Raises StepMissedError for an exit code that is not expected."""
        self.command(shown or shlex.join(command))
        done = subprocess.run(
            list(command), cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        for line in (done.stdout + done.stderr).rstrip().splitlines():
            self._print(f"  {line}")
        if done.returncode not in codes:
            raise StepMissedError(f"`{shown or shlex.join(command)}` ended with {done.returncode}")
        return done.stdout

    def saw(self, what: str, check: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until it is so, and say so. Raises StepMissedError."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise StepMissedError(f"not seen within {seconds:g} s: {what}")
            time.sleep(0.2)
        self._print(f"   {self._in(_GREEN, 'seen:')} {what}")

    def failed(self, why: str) -> None:
        self._print(f"\n{self._in(_RED, 'The demo failed:')} {why}")

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_END}" if self._colour else text

    def _print(self, line: str) -> None:
        print(line, flush=True)
