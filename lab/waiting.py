"""Waiting by asking again: every wait of the lab has a deadline and a name."""

import random
import socket
import time
from collections.abc import Callable

# Below Linux's ephemeral range (32768..): a port stays ours between stop() and start().
_PORTS = range(20_000, 32_000)


class TimedOutError(Exception):
    """Something did not become true in time."""


def wait_until(check: Callable[[], bool], seconds: float, what: str, pause: float = 0.05) -> None:
    """Return as soon as `check()` is true.

    Raises: TimedOutError, naming `what`, when the deadline passes first.
    """
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise TimedOutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def free_port() -> int:
    """A TCP port of 127.0.0.1 which nobody listens on."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311  # any free one will do
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_listening(port: int) -> bool:
    """Does somebody accept connections on this port of 127.0.0.1?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
