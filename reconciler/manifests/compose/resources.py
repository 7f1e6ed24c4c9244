"""Reads what a container may use: limits, `gpus` and `deploy` (Compose Deploy Specification)."""

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.model import DeviceRequest, Limits
from reconciler.reading import (
    Node,
    Problems,
    check_keys,
    excerpt,
    integer,
    is_scalar,
    listed,
    mapping,
    number,
    scalar_text,
    seconds,
    size_in_bytes,
    text,
    text_map,
    texts,
)


def _microseconds(node: Node, name: str, problems: Problems) -> int:
    """A number of microseconds, or a duration."""
    if isinstance(node.value, str) and not node.value.lstrip("-").isdigit():
        return int(seconds(node, name, problems) * 1_000_000)
    return integer(node, name, problems)


def _swap(node: Node, name: str, problems: Problems) -> int:
    """A size, or -1 for all that there is."""
    return -1 if scalar_text(node) == "-1" else size_in_bytes(node, name, problems)


# Keys of a service, and the field of Limits that each is.
LIMITS: dict[str, tuple[str, Callable[[Node, str, Problems], Any]]] = {
    "cpus": ("cpus", number),
    "cpu_shares": ("cpu_shares", integer),
    "cpu_quota": ("cpu_quota", _microseconds),
    "cpu_period": ("cpu_period", _microseconds),
    "cpuset": ("cpuset", text),
    "mem_limit": ("memory", size_in_bytes),
    "mem_reservation": ("memory_reservation", size_in_bytes),
    "memswap_limit": ("memory_swap", _swap),
    "mem_swappiness": ("memory_swappiness", integer),
    "pids_limit": ("pids", integer),
}
_LIMIT_READERS: dict[str, Callable[[Node, str, Problems], Any]] = {
    "cpus": number,
    "memory": size_in_bytes,
    "pids": integer,
}
# What `deploy` says of a service that is one container on each device that runs it.
_ONE = {"replicas": ("1",), "mode": ("replicated", "global")}
_DEPLOY = ("resources", "update_config", "restart_policy", "replicas", "mode")
_ELSEWHERE = {
    "placement": "layers and their selectors say which devices run what",
    "labels": "they would label a service of a swarm: use `labels` of the service",
    "endpoint_mode": "it is for swarms",
    "rollback_config": "going back is the way that `update_config` goes",
}
_NOT_RESERVED = {
    "cpus": "the Engine reserves no CPUs, and Compose does nothing with it: use `cpu_shares`",
    "pids": "the Engine reserves none, and Compose does nothing with it",
    "generic_resources": "they are for swarms: use `devices`",
}
_CONDITIONS = {"none": "no", "on-failure": "on-failure", "any": "always"}


def read_resources(fields: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    """Fields of Service out of limits, `gpus` and `deploy`."""
    limits = {field: reader(fields[key], key, problems) for key, (field, reader) in LIMITS.items() if key in fields}
    requests = _gpus(fields["gpus"], problems) if "gpus" in fields else ()
    found: dict[str, Any] = {}
    if "deploy" in fields:
        deploy = _deploy(fields["deploy"], problems)
        if "resources" in deploy:
            requests = _resources(deploy["resources"], limits, fields, problems) + requests
        if "restart_policy" in deploy:
            found |= _restart_policy(deploy["restart_policy"], problems)
    if "scale" in fields and scalar_text(fields["scale"]) != "1":
        problems.add(fields["scale"].place, "`scale` is not 1", "a service has one container in this version")
    return {"limits": Limits(**limits), "device_requests": requests, **found}


def _deploy(node: Node, problems: Problems) -> Mapping[str, Node]:
    deploy = mapping(node, "deploy", problems)
    for key in [key for key in deploy if key in _ELSEWHERE]:
        problems.add(deploy[key].key, f"`deploy.{key}` is refused", _ELSEWHERE[key])
    check_keys(node, (*_DEPLOY, *_ELSEWHERE), "`deploy`", problems)
    for key, known in _ONE.items():
        if key in deploy and scalar_text(deploy[key]) not in known:
            advice = "a service has one container in this version"
            problems.add(deploy[key].place, f"`{key}` is not {' or '.join(known)}", advice)
    return deploy


def _resources(
    node: Node, limits: dict[str, Any], fields: Mapping[str, Node], problems: Problems
) -> tuple[DeviceRequest, ...]:
    """`deploy.resources` into the limits; the devices that it reserves."""
    check_keys(node, ("limits", "reservations"), "`deploy.resources`", problems)
    parts = mapping(node, "resources", problems)
    found: dict[str, tuple[Node, Any]] = {}
    if "limits" in parts:
        said = mapping(parts["limits"], "limits", problems)
        check_keys(parts["limits"], _LIMIT_READERS, "`limits`", problems)
        for key, reader in _LIMIT_READERS.items():
            if key in said:
                found[key] = said[key], reader(said[key], key, problems)
    requests: tuple[DeviceRequest, ...] = ()
    if "reservations" in parts:
        said = mapping(parts["reservations"], "reservations", problems)
        for key in [key for key in said if key in _NOT_RESERVED]:
            problems.add(said[key].key, f"`reservations.{key}` is refused", _NOT_RESERVED[key])
        check_keys(parts["reservations"], ("memory", "devices", *_NOT_RESERVED), "`reservations`", problems)
        if "memory" in said:
            found["memory_reservation"] = said["memory"], size_in_bytes(said["memory"], "memory", problems)
        if "devices" in said:
            requests = listed(said["devices"], "devices", problems, _reserved)
    for field, (at, value) in found.items():
        if limits.get(field, value) != value:
            key = next(key for key, (name, _) in LIMITS.items() if name == field)
            advice = f"`{key}` at {fields[key].place} says another; keep one of them"
            problems.add(at.place, f"`deploy.resources` says {excerpt(at)}", advice)
        limits[field] = value
    return requests


def _gpus(node: Node, problems: Problems) -> tuple[DeviceRequest, ...]:
    """`all`, or a list of requests; a GPU is what they are for, so they need not say so."""
    if is_scalar(node):
        if text(node, "gpus", problems) != "all":
            problems.add(node.place, f"`gpus` is {excerpt(node)}", "write `all`, or a list of requests")
        return (DeviceRequest(count=-1, capabilities=("gpu",)),)
    found = listed(node, "gpus", problems, _request)
    # Only one who names no devices means all of them.
    return tuple(
        DeviceRequest(
            one.driver,
            one.count or (0 if one.device_ids else -1),
            one.device_ids,
            tuple(dict.fromkeys(("gpu", *one.capabilities))) if "gpu" not in one.capabilities else one.capabilities,
            one.options,
        )
        for one in found
    )


def _reserved(node: Node, name: str, problems: Problems) -> DeviceRequest:
    found = _request(node, name, problems)
    if not found.capabilities:
        problems.add(node.place, f"`{name}` without `capabilities`", "write for example `capabilities: [gpu]`")
    # Compose Deploy Specification: without a count and without ids, all of them.
    is_open = "count" not in node.entries and not found.device_ids
    return DeviceRequest(
        found.driver, -1 if is_open else found.count, found.device_ids, found.capabilities, found.options
    )


def _request(node: Node, name: str, problems: Problems) -> DeviceRequest:
    check_keys(node, ("driver", "count", "device_ids", "capabilities", "options"), "a request for devices", problems)
    fields = mapping(node, name, problems)
    ids, capabilities = (
        texts(fields[key], key, problems) if key in fields else () for key in ("device_ids", "capabilities")
    )
    count = 0
    if "count" in fields:
        count = -1 if fields["count"].value == "all" else integer(fields["count"], "count", problems)
        if count < -1 or fields["count"].value in (0, "0"):
            problems.add(fields["count"].place, f"`count` is {count}", "write `all`, or a number above 0")
        if ids:
            problems.add(fields["count"].key, "`count` beside `device_ids`", "keep one of them")
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
    options = text_map(fields["options"], "options", problems) if "options" in fields else {}
    return DeviceRequest(driver, count, ids, capabilities, options)


def _restart_policy(node: Node, problems: Problems) -> dict[str, Any]:
    """`deploy.restart_policy`; as in Compose, it wins over `restart`."""
    check_keys(node, ("condition", "max_attempts", "delay", "window"), "`restart_policy`", problems)
    fields = mapping(node, "restart_policy", problems)
    for key in ("delay", "window"):
        if key in fields:
            advice = "remove it: the Engine restarts after 100 ms, then twice as long each time, up to a minute"
            problems.add(fields[key].key, f"`{key}` is not supported", advice)
    condition = text(fields["condition"], "condition", problems) if "condition" in fields else "any"
    if condition not in _CONDITIONS:
        problems.add(fields["condition"].place, f"the condition {condition!r}", f"use one of {', '.join(_CONDITIONS)}")
    attempts = integer(fields["max_attempts"], "max_attempts", problems) if "max_attempts" in fields else 0
    if attempts and condition != "on-failure":
        advice = "the Engine counts attempts for `condition: on-failure` only"
        problems.add(fields["max_attempts"].place, f"`max_attempts` with the condition {condition!r}", advice)
    return {"restart": _CONDITIONS.get(condition, "no"), "restart_attempts": attempts}
