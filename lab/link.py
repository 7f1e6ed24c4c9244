"""A network of its own for a device: a namespace with one cable to this machine, which can be cut and made bad.

Needs root, `ip` and, for a bad cable, `iptables`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from lab.slots import numbered

# 10.198.0.0/16: not what Engines of the lab take (slots.py), nor home routers.
_FIRST = "10.198"


@dataclass(frozen=True, slots=True)
class Link:
    """One cable; this machine is `host` on it."""

    name: str
    number: int

    @property
    def host(self) -> str:
        return f"{_FIRST}.{self.number}.1"

    def command(self, *command: str) -> list[str]:
        """A command on the device's side."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *command]

    def cut(self) -> None:
        """The cable is out: nothing comes, and nobody says so."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """The cable is in, and good."""
        for chain in ("INPUT", "OUTPUT"):
            _run(self.command("iptables", "--wait", "--flush", chain))
        _ip("link", "set", self._cable, "up")

    def lose(self, share: float) -> None:
        """This share of all packets is lost, both ways."""
        for chain in ("INPUT", "OUTPUT"):
            match = ("-m", "statistic", "--mode", "random", "--probability", str(share))
            _run(self.command("iptables", "--wait", "--append", chain, *match, "-j", "DROP"))

    @property
    def _cable(self) -> str:
        return f"{self.name}h"


@contextmanager
def link() -> Iterator[Link]:
    """A link that is up, gone with the block."""
    with numbered("links", 254) as (number, _):
        made = Link(f"labnet{number + 1}", number + 1)
        _remove(made)  # left by one that was killed
        _ip("netns", "add", made.name)
        try:
            _connect(made)
            yield made
        finally:
            _remove(made)


def _connect(made: Link) -> None:
    _ip("link", "add", made._cable, "type", "veth", "peer", "name", "up0", "netns", made.name)
    _ip("addr", "add", f"{made.host}/30", "dev", made._cable)
    for command in (
        ("addr", "add", f"{_FIRST}.{made.number}.2/30", "dev", "up0"),
        ("link", "set", "up0", "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip("-n", made.name, *command)
    _ip("link", "set", made._cable, "up")


def _remove(made: Link) -> None:
    for command in (("link", "delete", made._cable), ("netns", "delete", made.name)):
        with suppress(subprocess.CalledProcessError):
            _ip(*command)


def _ip(*arguments: str) -> None:
    _run(["ip", *arguments])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
