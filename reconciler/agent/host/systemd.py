"""What the service tells systemd: that it is up, how it goes, that it is alive (sd_notify(3), systemd.service(5))."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

# Twice in each interval of the watchdog, as sd_watchdog_enabled(3) asks for.
_EACH = 0.5
_NEVER = float("inf")


class Systemd:
    """The socket on which systemd listens; without one, nothing is said."""

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic) -> None:
        self._address, self._clock = _address(environ.get("NOTIFY_SOCKET", "")), clock
        self._each = _watchdog_seconds(environ) * _EACH
        self._next = 0.0

    @property
    def pause(self) -> float:
        """Seconds after which `beat` wants to be called again; without a watchdog, never."""
        return self._each

    def ready(self) -> None:
        """It does its work from now on."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._say(f"STATUS={''.join(c if c.isprintable() else '?' for c in text)[:200]}")

    def stopping(self) -> None:
        """It was asked to end."""
        self._say("STOPPING=1")

    def reloading(self) -> None:
        """It goes on in a moment, with new settings; `ready` ends it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock() * 1e6)}")

    def beat(self) -> None:
        """It is alive. May be called as often as one likes."""
        now = self._clock()
        if now >= self._next and self._each != _NEVER:
            self._next = now + self._each
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        # Nobody there to hear it is no reason to do less.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(text.encode(), socket.MSG_DONTWAIT, self._address)


def _address(told: str) -> str:
    """A path, or with `@` a name without a file (unix(7), abstract sockets)."""
    return f"\0{told[1:]}" if told.startswith("@") else told if told.startswith("/") else ""


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """How long systemd waits; for ever, when it does not, or waits for another process."""
    told, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(told) / 1e6 if told.isdecimal() and int(told) > 0 and whose == str(os.getpid()) else _NEVER
