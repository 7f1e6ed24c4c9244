"""Reads the values of a service's keys that have forms of their own: ports, mounts, networks, health, limits."""

import re
import shlex
from collections.abc import Mapping
from ipaddress import ip_address

from reconciler.manifests.fields import (
    boolean,
    check_keys,
    integer,
    is_scalar,
    mapping,
    number,
    seconds,
    size_in_bytes,
    text,
    text_map,
    texts,
)
from reconciler.manifests.node import Node, excerpt
from reconciler.manifests.problems import Problems
from reconciler.model import Condition, Dependency, Healthcheck, Logging, Port, Ulimit, Update

# Compose Specification, "ports", short syntax: [[HOST_IP:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL], each maybe a range.
_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:]+\]|\d{1,3}(?:\.\d{1,3}){3}):)?(?P<published>\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(?P<target>\d{1,5})(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp|sctp))?",
    re.ASCII,
)
_PUBLISHED = re.compile(r"([0-9]{1,5}(-[0-9]{1,5})?)?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_MAX_PORT = 65535


def command(node: Node, name: str, problems: Problems) -> tuple[str, ...]:
    """Words: a list as it is, a text split as a shell would."""
    if not is_scalar(node):
        return texts(node, name, problems)
    try:
        return tuple(shlex.split(text(node, name, problems)))
    except ValueError as error:
        problems.add(node.place, f"`{name}` cannot be split into words: {error}", "close the quote, or write a list")
        return ()


def ports(node: Node, name: str, problems: Problems) -> tuple[Port, ...]:
    """Both forms of `ports`."""
    if not node.is_list:
        problems.expected(node, name, "a list")
    return tuple(port for element in node.elements for port in _port(element, problems))


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
    check_keys(node, ("target", "published", "protocol", "host_ip", "mode"), "a port", problems)
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
    found = []
    for written in texts(node, name, problems):
        number_, _, protocol = written.partition("/")
        if (
            not _NUMBER.fullmatch(number_)
            or not 0 < int(number_) <= _MAX_PORT
            or protocol not in ("", "tcp", "udp", "sctp")
        ):
            problems.add(node.place, f"`expose` has {written!r}", "write PORT or PORT/udp")
            continue
        found.append(Port(int(number_), protocol or "tcp", "-"))
    return tuple(found)


def depends_on(node: Node, name: str, problems: Problems) -> tuple[Dependency, ...]:
    """The map form; a list was brought to it before."""
    found = []
    for service, child in mapping(node, name, problems).items():
        check_keys(child, ("condition", "required"), f"`depends_on.{service}`", problems)
        fields = mapping(child, f"depends_on.{service}", problems)
        written = text(fields["condition"], "condition", problems) if "condition" in fields else "service_started"
        if written not in tuple(Condition):
            problems.add(child.place, f"the condition {written!r}", f"use one of {', '.join(Condition)}")
            written = "service_started"
        required = boolean(fields["required"], "required", problems) if "required" in fields else True
        found.append(Dependency(service, Condition(written), required))
    return tuple(found)


def healthcheck(node: Node, name: str, problems: Problems) -> Healthcheck:
    """Compose Specification, "healthcheck"."""
    fields = mapping(node, name, problems)
    check_keys(node, ("test", "interval", "timeout", "start_period", "retries", "disable"), "`healthcheck`", problems)
    if "disable" in fields and boolean(fields["disable"], "disable", problems):
        return Healthcheck(("NONE",))
    times = {
        key: seconds(fields[key], key, problems) for key in ("interval", "timeout", "start_period") if key in fields
    }
    retries = integer(fields["retries"], "retries", problems) if "retries" in fields else None
    return Healthcheck(_test(fields["test"], problems) if "test" in fields else (), **times, retries=retries)


def _test(node: Node, problems: Problems) -> tuple[str, ...]:
    if is_scalar(node):
        return ("CMD-SHELL", text(node, "test", problems))
    words = texts(node, "test", problems)
    if not words or words[0] not in ("CMD", "CMD-SHELL", "NONE"):
        problems.add(node.place, "`healthcheck.test` does not start with CMD, CMD-SHELL or NONE", "add it in front")
    return words


def logging(node: Node, name: str, problems: Problems) -> Logging:
    """Compose Specification, "logging". Drivers that send logs away need a grant, which this version cannot give."""
    fields = mapping(node, name, problems)
    check_keys(node, ("driver", "options"), "`logging`", problems)
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
    if driver not in ("", "json-file", "local", "journald", "none"):
        problems.add(fields["driver"].place, f"the logging driver {driver!r}", "use json-file, local, journald or none")
    return Logging(driver, text_map(fields["options"], "options", problems) if "options" in fields else {})


def ulimits(node: Node, name: str, problems: Problems) -> Mapping[str, Ulimit]:
    """A number for both, or `soft` and `hard`."""
    found = {}
    for kind, child in mapping(node, name, problems).items():
        if is_scalar(child):
            both = integer(child, f"ulimits.{kind}", problems)
            found[kind] = Ulimit(both, both)
            continue
        check_keys(child, ("soft", "hard"), f"`ulimits.{kind}`", problems)
        if {"soft", "hard"} - child.entries.keys():
            problems.add(child.place, f"`ulimits.{kind}` needs `soft` and `hard`", "write both")
            continue
        soft, hard = (integer(child.entries[key], key, problems) for key in ("soft", "hard"))
        found[kind] = Ulimit(soft, hard)
    return found


def restart(node: Node, name: str, problems: Problems) -> tuple[str, int]:
    """The restart policy and its attempts (`on-failure:3`)."""
    policy, colon, attempts = text(node, name, problems).partition(":")
    known = policy in ("no", "always", "on-failure", "unless-stopped")
    if not known or (colon and (policy != "on-failure" or not _NUMBER.fullmatch(attempts))):
        problems.add(
            node.place, f"`restart` is {excerpt(node)}", "use no, always, unless-stopped, on-failure or on-failure:N"
        )
        return "no", 0
    return policy, int(attempts or 0)


def resource_limits(node: Node, problems: Problems) -> dict[str, float | int]:
    """`deploy.resources`, as fields of Limits."""
    check_keys(node, ("limits", "reservations"), "`deploy.resources`", problems)
    found: dict[str, float | int] = {}
    fields = mapping(node, "resources", problems)
    if "limits" in fields:
        limits = mapping(fields["limits"], "limits", problems)
        check_keys(fields["limits"], ("cpus", "memory", "pids"), "`limits`", problems)
        readers = {"cpus": number, "memory": size_in_bytes, "pids": integer}
        found |= {key: readers[key](child, key, problems) for key, child in limits.items() if key in readers}
    if "reservations" in fields:
        reservations = mapping(fields["reservations"], "reservations", problems)
        check_keys(fields["reservations"], ("memory",), "`reservations`", problems)
        if "memory" in reservations:
            found["memory_reservation"] = size_in_bytes(reservations["memory"], "memory", problems)
    return found


def update_config(node: Node, problems: Problems) -> Update:
    """`deploy.update_config`: what of it is not the default way of replacing is refused, never ignored."""
    check_keys(node, ("order", "monitor", "failure_action", "parallelism", "delay"), "`update_config`", problems)
    fields = mapping(node, "update_config", problems)
    only = {"order": "stop-first", "failure_action": "rollback", "parallelism": "1"}
    for key, wanted in only.items():
        if key in fields and text(fields[key], key, problems) != wanted:
            problems.add(fields[key].place, f"`{key}` is not {wanted}", f"this version supports only `{key}: {wanted}`")
    if "delay" in fields:
        problems.add(fields["delay"].key, "`delay` is not supported", "remove it: each service has one container")
    return Update(seconds(fields["monitor"], "monitor", problems)) if "monitor" in fields else Update()
