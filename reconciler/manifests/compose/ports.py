"""Reads `ports` and `expose` (Compose Specification, "ports"), in both forms."""

import re
from ipaddress import ip_address

from reconciler.model import Port
from reconciler.reading import Node, Problems, check_keys, excerpt, integer, plain, scalar_text, text, texts

# Compose Specification, "ports", short syntax: [[HOST_IP:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL], each maybe a range.
_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:]+\]|\d{1,3}(?:\.\d{1,3}){3}):)?(?P<published>\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(?P<target>\d{1,5})(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp|sctp))?",
    re.ASCII,
)
_PUBLISHED = re.compile(r"([0-9]{1,5}(-[0-9]{1,5})?)?")
_EXPOSED = re.compile(r"(?P<first>[0-9]{1,5})(-(?P<last>[0-9]{1,5}))?(/(?P<protocol>tcp|udp|sctp))?")
_MAX_PORT = 65535


def port_key(node: Node) -> object:
    """What makes two ports the same one: short or long, the address, the host's port, the container's, the protocol."""
    if node.is_mapping:
        said = {key: scalar_text(child) for key, child in node.entries.items()}
        return said.get("host_ip", ""), said.get("published", ""), said.get("target", ""), said.get("protocol", "tcp")
    match = _PORT.fullmatch(scalar_text(node))
    if match is None or match["last"]:
        return repr(plain(node))
    return (match["ip"] or "").strip("[]"), match["published"] or "", match["target"], match["protocol"] or "tcp"


def ports(node: Node, name: str, problems: Problems) -> tuple[Port, ...]:
    """Both forms of `ports`."""
    if not node.is_list:
        problems.expected(node, name, "a list")
    found: list[Port] = []
    for element in node.elements:
        found += _port(element, problems)
        if len(found) > _MAX_PORT:
            problems.add(element.place, f"`ports` has over {_MAX_PORT} ports", "publish fewer")
            break
    return tuple(found)


def _port(node: Node, problems: Problems) -> tuple[Port, ...]:
    if node.is_mapping:
        return _long_port(node, problems)
    match = _PORT.fullmatch(text(node, "ports", problems))
    if match is None:
        problems.add(node.place, f"`ports` has {excerpt(node)}", "write [[ADDRESS:]HOST:]CONTAINER[/tcp|udp]")
        return ()
    first, last = int(match["target"]), int(match["last"] or match["target"])
    published = _published(match["published"] or "", last - first + 1)
    if not 0 < first <= last <= _MAX_PORT or published is None:
        problems.add(node.place, f"`ports` has the range {excerpt(node)}", "ports are 1 to 65535, ranges of one length")
        return ()
    address = _address((match["ip"] or "").strip("[]"), node, problems)
    protocol = match["protocol"] or "tcp"
    return tuple(Port(first + n, protocol, outside, address) for n, outside in enumerate(published))


def _published(written: str, count: int) -> list[str] | None:
    """The host's side of each of `count` ports, or None when the ranges do not fit."""
    if not written:
        return [""] * count
    first, _, last = written.partition("-")
    if int(last or first) > _MAX_PORT:
        return None
    span = int(last or first) - int(first) + 1
    if count == 1 and span >= 1:
        return [written]
    return [str(int(first) + n) for n in range(count)] if span == count else None


def _long_port(node: Node, problems: Problems) -> tuple[Port, ...]:
    # `name` and `app_protocol` are words for people and for Kubernetes; no Engine knows them.
    check_keys(node, ("target", "published", "protocol", "host_ip", "mode", "name", "app_protocol"), "a port", problems)
    fields = node.entries
    if "target" not in fields:
        problems.add(node.place, "a port without `target`", "write the container's port")
        return ()
    target = integer(fields["target"], "target", problems)
    read = {
        key: text(fields[key], key, problems) for key in ("published", "protocol", "host_ip", "mode") if key in fields
    }
    published = read.get("published", "")
    if not 0 < target <= _MAX_PORT or not _PUBLISHED.fullmatch(published) or _published(published, 1) is None:
        problems.add(node.place, "a port that is no port", "ports are 1 to 65535")
    if read.get("mode", "ingress") not in ("ingress", "host"):
        problems.add(
            fields["mode"].place, f"the mode {read['mode']!r}", "use ingress or host; on one device they are the same"
        )
    if read.get("protocol", "tcp") not in ("tcp", "udp", "sctp"):
        problems.add(fields["protocol"].place, f"the protocol {read['protocol']!r}", "use tcp, udp or sctp")
    address = _address(read.get("host_ip", ""), fields.get("host_ip", node), problems)
    return (Port(target, read.get("protocol", "tcp"), published, address),)


def _address(written: str, node: Node, problems: Problems) -> str:
    try:
        if written:
            ip_address(written)
    except ValueError:
        problems.add(node.place, f"`ports` has the address {written!r}", "write an IPv4 or IPv6 address")
    return written


def exposed(node: Node, name: str, problems: Problems) -> tuple[Port, ...]:
    """`expose`: container ports that are only documented."""
    found: list[Port] = []
    for written in texts(node, name, problems):
        match = _EXPOSED.fullmatch(written)
        first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (0, 0)
        if match is None or not 0 < first <= last <= _MAX_PORT:
            problems.add(node.place, f"`expose` has {written!r}", "write PORT, PORT/udp or FIRST-LAST")
            continue
        found += [Port(port, match["protocol"] or "tcp", "-") for port in range(first, last + 1)]
        if len(found) > _MAX_PORT:
            problems.add(node.place, f"`expose` has over {_MAX_PORT} ports", "name fewer")
            break
    return tuple(found)
