"""A place among the Engines of one network namespace: a bridge and an address pool of its own."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PLACES = 32
# 10.202.0.0/16 for the first, and so on; not what Docker or home routers take, nor 10.201, from which projects of the
# tests write addresses.
_FIRST = 202


@dataclass(frozen=True, slots=True)
class Slot:
    """One place; `lock` is an open file that the Engine inherits, so the place is taken while it lives."""

    number: int
    lock: int

    @property
    def bridge(self) -> str:
        return f"lab{self.number}"

    @property
    def address(self) -> str:
        """The bridge's own address, in CIDR."""
        return f"10.{_FIRST + self.number}.255.1/24"

    @property
    def pool(self) -> str:
        """Where the networks of this Engine come from; it does not hold `address`."""
        return f"10.{_FIRST + self.number}.0.0/17"


@contextmanager
def slot() -> Iterator[Slot]:
    """The first free place, with its bridge up; both are given back."""
    with numbered("engines", PLACES) as taken:
        place = Slot(*taken)
        try:
            _remove_bridge(place)  # left by one that was killed
            _ip("link", "add", "name", place.bridge, "type", "bridge")
            _ip("addr", "add", place.address, "dev", place.bridge)
            _ip("link", "set", place.bridge, "up")
            yield place
        finally:
            _remove_bridge(place)


@contextmanager
def numbered(kind: str, most: int) -> Iterator[tuple[int, int]]:
    """The first free number of this machine, from 0, and the open file that holds it; given back with the block."""
    folder = Path(tempfile.gettempdir()) / f"lab-{kind}"
    folder.mkdir(exist_ok=True)
    for number in range(most):
        lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield number, lock
        finally:
            os.close(lock)
        return
    raise RuntimeError(f"{most} {kind} of the lab are there already; see {folder}")


def _remove_bridge(place: Slot) -> None:
    for table in ("filter", "nat"):
        for rule in _run("iptables", "--wait", "-t", table, "-S"):
            # The Engine leaves the rules of its default bridge behind.
            if place.bridge in rule.split() and rule.startswith("-A "):
                _run("iptables", "--wait", "-t", table, "-D", *rule.split()[1:])
    # Not asked whether it is there: /sys shows the network namespace that it was mounted in, not ours.
    _run("busybox", "ip", "link", "del", place.bridge)


def _ip(*args: str) -> None:
    # BusyBox's, because a bare Debian has no iproute2 and the lab needs BusyBox anyway.
    done = subprocess.run(["busybox", "ip", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`ip {' '.join(args)}`: {done.stderr.strip()} (a private Engine needs root)")


def _run(*command: str) -> list[str]:
    env = dict(os.environ, PATH=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.splitlines()
