"""Reads the values of a service's keys that have forms of their own: commands, dependencies, health, devices, ..."""

import re
import shlex
from collections.abc import Mapping

from reconciler.model import Condition, Dependency, DeviceMapping, Healthcheck, Link, Logging, Ulimit
from reconciler.reading import (
    Node,
    Problems,
    boolean,
    check_keys,
    excerpt,
    integer,
    is_scalar,
    listed,
    mapping,
    seconds,
    text,
    text_map,
    texts,
)

_NUMBER = re.compile(r"[0-9]{1,9}")
_TIMES = ("interval", "timeout", "start_period", "start_interval")
_PERMISSIONS = re.compile(r"[rwm]{1,3}")


def command(node: Node, name: str, problems: Problems) -> tuple[str, ...]:
    """Words: a list as it is, a text split as a shell would."""
    if not is_scalar(node):
        return texts(node, name, problems)
    try:
        return tuple(shlex.split(text(node, name, problems)))
    except ValueError as error:
        problems.add(node.place, f"`{name}` cannot be split into words: {error}", "close the quote, or write a list")
        return ()


def depends_on(node: Node, name: str, problems: Problems) -> tuple[Dependency, ...]:
    """The map form; a list was brought to it before."""
    found = []
    for service, child in mapping(node, name, problems).items():
        check_keys(child, ("condition", "required", "restart"), f"`depends_on.{service}`", problems)
        fields = mapping(child, f"depends_on.{service}", problems)
        written = text(fields["condition"], "condition", problems) if "condition" in fields else "service_started"
        if written not in tuple(Condition):
            problems.add(child.place, f"the condition {written!r}", f"use one of {', '.join(Condition)}")
            written = "service_started"
        required = boolean(fields["required"], "required", problems) if "required" in fields else True
        restart = "restart" in fields and boolean(fields["restart"], "restart", problems)
        found.append(Dependency(service, Condition(written), required, restart))
    return tuple(found)


def healthcheck(node: Node, name: str, problems: Problems) -> Healthcheck:
    """Compose Specification, "healthcheck"."""
    fields = mapping(node, name, problems)
    check_keys(node, ("test", "disable", "retries", *_TIMES), "`healthcheck`", problems)
    if "disable" in fields and boolean(fields["disable"], "disable", problems):
        return Healthcheck(("NONE",))
    times = {key: seconds(fields[key], key, problems) for key in _TIMES if key in fields}
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
    """Compose Specification, "logging"."""
    fields = mapping(node, name, problems)
    check_keys(node, ("driver", "options"), "`logging`", problems)
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
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


def devices(node: Node, name: str, problems: Problems) -> tuple[DeviceMapping, ...]:
    """`SOURCE[:TARGET[:PERMISSIONS]]`, or the same as a mapping."""
    return tuple(device for device in listed(node, name, problems, _device) if device.source)


def _device(node: Node, name: str, problems: Problems) -> DeviceMapping:
    if node.is_mapping:
        check_keys(node, ("source", "target", "permissions"), "a device", problems)
        parts = [text(node.entries[k], k, problems) if k in node.entries else "" for k in _DEVICE_PARTS]
    else:
        parts = [*text(node, name, problems).split(":"), "", ""][:3]
        if parts[1] and not parts[2] and _PERMISSIONS.fullmatch(parts[1]):
            parts = [parts[0], "", parts[1]]
    source, target, permissions = parts
    if not source.startswith("/") or not _PERMISSIONS.fullmatch(permissions or "rwm"):
        problems.add(node.place, f"`{name}` is {excerpt(node)}", "write /dev/SOURCE[:/dev/TARGET[:rwm]]")
        return DeviceMapping("", "")
    return DeviceMapping(source, target or source, permissions or "rwm")


_DEVICE_PARTS = ("source", "target", "permissions")


def links(node: Node, name: str, problems: Problems) -> tuple[Link, ...]:
    """`SERVICE` or `SERVICE:ALIAS`."""
    return tuple(Link(*written.split(":", 1)) for written in texts(node, name, problems) if written)


def security_options(node: Node, name: str, problems: Problems) -> tuple[str, ...]:
    """`NAME:VALUE` or `NAME=VALUE`. A seccomp profile in a file would have to come along with the app."""
    options = texts(node, name, problems)
    for option in options:
        kind, _, value = option.replace("=", ":", 1).partition(":")
        if kind == "seccomp" and value not in ("unconfined", "builtin"):
            problems.add(
                node.place, f"the `seccomp` profile {value!r}", "use `unconfined` or `builtin`: no file is read"
            )
    return options


def extra_hosts(node: Node, name: str, problems: Problems) -> tuple[str, ...]:
    """The map form; a list was brought to it before. `HOST:ADDRESS`, as the Engine wants it."""
    return tuple(
        f"{host}:{address.removeprefix('[').removesuffix(']')}"
        for host, child in mapping(node, name, problems).items()
        for address in texts(child, f"{name}.{host}", problems)
    )


def pull_policy(node: Node, name: str, problems: Problems) -> str:
    """`missing` or `never`."""
    policy = text(node, name, problems)
    if policy not in ("missing", "if_not_present", "never"):
        advice = "use missing or never: a device pulls what Git names, once; name images by digest"
        problems.add(node.place, f"`pull_policy` is {policy!r}", advice)
    return "never" if policy == "never" else "missing"
