"""Can containers resolve names? They ask the name servers of the machine, or those that a service or the Engine has."""

import json
import os
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

from reconciler.agent.checks.checked import Checked, Warned, few
from reconciler.agent.checks.engine import ELSEWHERE
from reconciler.errors import EngineError

PORT, PATIENCE_SECONDS = 53, 3.0
# resolv.conf(5), MAXNS; and of services, as many as somebody still reads.
MOST = 3
# Where this one stands alone, the Engine reads the file behind it (moby, resolvconf.Path).
_STUB, _BEHIND_STUB = "127.0.0.53", "run/systemd/resolve/resolv.conf"
# The root's name servers (RFC 1035, 4.1): whoever resolves knows them.
_QUESTION = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00" + b"\x00\x02\x00\x01"


def dns(at: Checked) -> str:
    if at.facts.root is None:
        return ELSEWHERE
    own = [server for _, service in at.services for server in service.dns]
    servers = [*_of_engine(at.root), *dict.fromkeys(one for one in own if _is_outside(one))][: 2 * MOST]
    if not servers:
        told = "this machine names no name server: containers ask one of Google's"
        raise Warned(told, advice="see /etc/resolv.conf, or set `dns` in /etc/docker/daemon.json")
    with ThreadPoolExecutor(len(servers)) as pool:
        silent = [one for one, answer in zip(servers, pool.map(answers, servers), strict=True) if not answer]
    if silent:
        told = f"containers ask for names, and get no answer: {few(silent)}"
        raise Warned(told, advice="see /etc/resolv.conf and the network, or set `dns` in /etc/docker/daemon.json")
    return f"{few(servers)} answer"


def ipv6(at: Checked) -> str:
    apps = at.rendering.desired.apps
    asking = [f"network {one.name}" for app in apps for one in app.networks if one.enable_ipv6 and not one.external]
    asking += [f"port of {name}" for name, service in at.services if any(":" in one.host_ip for one in service.ports)]
    if not asking or at.facts.root is None:
        return "no app asks for it" if not asking else ELSEWHERE
    if not (at.root / "proc/net/if_inet6").exists():
        told = f"the kernel has no IPv6, and apps ask for it: {few(asking)}"
        raise EngineError(told, advice="see its command line (ipv6.disable)")
    return f"asked for by {few(asking)}"


def answers(server: str, port: int = PORT, patience: float = PATIENCE_SECONDS) -> bool:
    """Does it answer a question at all? What it says is not read: only that it is an answer to this one."""
    number = os.urandom(2)
    ends = time.monotonic() + patience
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        with socket.socket(family, kind, protocol) as asking:
            asking.connect(address)
            asking.send(number + _QUESTION)
            while (left := ends - time.monotonic()) > 0:
                asking.settimeout(left)
                heard = asking.recv(512)
                if len(heard) >= 12 and heard[:2] == number and heard[2] & 0x80:
                    return True
    except OSError:
        return False
    return False


def named_in(resolv_conf: str) -> list[str]:
    """The first name servers of a resolv.conf(5)."""
    words = [line.split() for line in resolv_conf.splitlines()]
    return [pair[1] for pair in words if len(pair) > 1 and pair[0] == "nameserver"][:MOST]


def _of_engine(root: Path) -> list[str]:
    told = _text(root / "etc/docker/daemon.json")
    if own := _named_by_engine(told):
        return own[:MOST]
    found = named_in(_text(root / "etc/resolv.conf"))
    return named_in(_text(root / _BEHIND_STUB)) or found if found == [_STUB] else found


def _named_by_engine(daemon_json: str) -> list[str]:
    try:
        found = json.loads(daemon_json or "{}")
    except (ValueError, RecursionError):
        return []
    named = found.get("dns") if isinstance(found, dict) else None
    return [one for one in named if isinstance(one, str)] if isinstance(named, Iterable) else []


def _is_outside(server: str) -> bool:
    """A loopback of a container is that container."""
    try:
        return not ip_address(server).is_loopback
    except ValueError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
