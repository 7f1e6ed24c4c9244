"""Is a port that a service publishes held by somebody else: another service, a container, a program of the machine?"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from reconciler.agent.checks.checked import Checked, few
from reconciler.agent.docker_engine.probing import TakenPort
from reconciler.errors import EngineError
from reconciler.model import Service

# proc(5): sockets that listen, or in UDP that have no other end.
_LISTENS = {"tcp": "0A", "udp": "07"}
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  # what is written there, and nobody listens


@dataclass(frozen=True, slots=True)
class Asked:
    """A port that a service publishes."""

    service: str
    port: TakenPort

    def __str__(self) -> str:
        at = f"{self.port.address}:" if self.port.address else ""
        return f"{at}{self.port.number}/{self.port.protocol} of {self.service}"


def ports(at: Checked) -> str:
    asked = [Asked(name, port) for name, service in at.services for port in _published(service)]
    told = [
        f"{one}: {other.service} asks for it, too"
        for number, one in enumerate(asked)
        for other in asked[number + 1 :]
        if is_same(one.port, other.port)
    ]
    device = at.config.device
    told += [
        f"{one}: the container {occupant.name} has it"
        for one in asked
        for occupant in at.occupants
        if occupant.device != device and any(is_same(one.port, port) for port in occupant.ports)
    ]
    if at.facts.root is not None:
        containers = [port for occupant in at.occupants for port in occupant.ports]
        programs = [
            port for port in listening(at.root / "proc/net") if not any(is_same(port, held) for held in containers)
        ]
        told += [f"{one}: a program has it" for one in asked if any(is_same(one.port, port) for port in programs)]
    if told:
        raise EngineError(few(told, 3), advice="publish another port, or end what holds it (ss -lntup)")
    return f"{len(asked)} are ours or free"


def is_same(one: TakenPort, other: TakenPort) -> bool:
    """May not both be had? An address of every interface takes that of each."""
    if (one.number, one.protocol) != (other.number, other.protocol):
        return False
    return one.address == other.address or one.address in _EVERYWHERE or other.address in _EVERYWHERE


def listening(net: Path) -> Iterator[TakenPort]:
    """What listens on this machine, by /proc/net; nothing of what cannot be read there."""
    for protocol, state in _LISTENS.items():
        for name in (protocol, f"{protocol}6"):
            try:
                lines = (net / name).read_text().splitlines()[1:]
            except OSError:
                continue
            for words in (line.split() for line in lines):
                if len(words) > 3 and words[3] == state:
                    address, _, number = words[1].partition(":")
                    yield TakenPort(int(number, 16), protocol, _address(address))


def _published(service: Service) -> Iterator[TakenPort]:
    """Those that the service names; of a range, the Engine chooses one that is free."""
    for port in service.ports:
        if port.published.isdecimal():
            yield TakenPort(int(port.published), port.protocol, port.host_ip)


def _address(written: str) -> str:
    """Words of 32 bits in the order of the machine, which is little-endian on all that we know of (proc(5))."""
    raw = bytes.fromhex(written)
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(turned) == 4:
        return str(IPv4Address(turned))
    found = IPv6Address(turned)
    return str(ip_address(found.ipv4_mapped or found))
