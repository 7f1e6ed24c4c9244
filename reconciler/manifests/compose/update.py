"""Reads how a service is replaced: `deploy.update_config`, and the keys of our own beside it, which begin with `x-`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import SEALED, Mount, Update
from reconciler.reading import Node, Problems, boolean, check_keys, integer, mapping, number, seconds, text

ORDERS = ("stop-first", "start-first")
FAILURE_ACTIONS = ("rollback", "pause", "continue")
PULLS = ("first", "after-stop", "after-remove")
_SIGNAL = re.compile(r"SIG[A-Z][A-Z0-9]*([+-][0-9]+)?|[1-9][0-9]?")


def read_update(fields: Mapping[str, Node], problems: Problems) -> Update:
    """How this service is replaced, out of the keys of the service."""
    deploy = fields.get("deploy")
    said = deploy.entries.get("update_config") if deploy is not None else None
    update = _update_config(said, problems) if said is not None else Update()
    found: dict[str, Any] = {}
    if "x-pull" in fields:
        found["pull"] = _one_of(fields["x-pull"], "x-pull", PULLS, problems)
        if found["pull"] != "first" and update.starts_first:
            advice = "the old container runs until the new one is well: remove one of the two"
            problems.add(fields["x-pull"].key, f"`x-pull: {found['pull']}` with `order: start-first`", advice)
    if "x-reload" in fields:
        found["reload"] = _signal(fields["x-reload"], problems)
    if "x-update-lock" in fields:
        found["lock"], found["lock_is_overridden"] = _lock(fields["x-update-lock"], problems)
    return replace(update, **found)


def live_mounts(mounts: tuple[Mount, ...], app: str, service: str) -> tuple[Mount, ...]:
    """The mounts of a service that is told of changes: each file has one place, whatever its content."""
    changing = ("config", "secret")
    return tuple(
        replace(mount, live=f"{_marker(mount)}{app}/{service}/{_flat(mount.target)}")
        if mount.kind in changing
        else mount
        for mount in mounts
    )


def _marker(mount: Mount) -> str:
    """What is sealed has its place in memory."""
    return SEALED if mount.source.startswith(SEALED) else ""


def _flat(path: str) -> str:
    """A path as the name of one file; different for different paths."""
    return path.strip("/").replace("%", "%25").replace("/", "%2F")


def _update_config(node: Node, problems: Problems) -> Update:
    """`deploy.update_config`: what of it we do not do is refused, never ignored."""
    known = ("order", "monitor", "failure_action", "parallelism", "delay", "max_failure_ratio")
    check_keys(node, known, "`update_config`", problems)
    fields = mapping(node, "update_config", problems)
    found: dict[str, Any] = {}
    if "order" in fields:
        found["order"] = _one_of(fields["order"], "order", ORDERS, problems)
    if "failure_action" in fields:
        found["failure_action"] = _one_of(fields["failure_action"], "failure_action", FAILURE_ACTIONS, problems)
    if "x-rollback" in fields:
        found["together"] = _one_of(fields["x-rollback"], "x-rollback", ("alone", "together"), problems) == "together"
    # These tell how several containers of one service follow each other; here each service has one.
    if "parallelism" in fields:
        integer(fields["parallelism"], "parallelism", problems)
    if "delay" in fields:
        seconds(fields["delay"], "delay", problems)
    if "max_failure_ratio" in fields and number(fields["max_failure_ratio"], "max_failure_ratio", problems) >= 1:
        problems.add(fields["max_failure_ratio"].place, "`max_failure_ratio` is 1 or more", "write less than 1")
    if "monitor" in fields:
        found["monitor"] = seconds(fields["monitor"], "monitor", problems)
    return Update(**found)


def _one_of(node: Node, name: str, known: tuple[str, ...], problems: Problems) -> str:
    said = text(node, name, problems)
    if said not in known:
        problems.add(node.place, f"`{name}` is {said!r}", f"use {', '.join(known[:-1])} or {known[-1]}")
        return known[0]
    return said


def _signal(node: Node, problems: Problems) -> str:
    signal = text(node, "x-reload", problems)
    if not _SIGNAL.fullmatch(signal):
        problems.add(node.place, f"`x-reload` {signal!r} is no signal", "write one such as SIGHUP")
    return signal


def _lock(node: Node, problems: Problems) -> tuple[str, bool]:
    """A folder of the container, or `{path: FOLDER, override: true}`."""
    if node.is_mapping:
        check_keys(node, ("path", "override"), "`x-update-lock`", problems)
    fields = node.entries or {"path": node}
    if "path" not in fields:
        problems.add(node.place, "`x-update-lock` has no `path`", "write the folder that the container locks in")
        return "", False
    path = text(fields["path"], "path", problems)
    if not path.startswith("/") or path == "/" or ".." in path.split("/"):
        problems.add(fields["path"].place, f"`x-update-lock` {path!r} is no folder of a container", "write /run/update")
    return path, "override" in fields and boolean(fields["override"], "override", problems)
