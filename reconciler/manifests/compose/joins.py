"""Reads what a service takes of its app: networks, other services' namespaces, configs and secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.manifests.compose.declared import Declared
from reconciler.manifests.compose.mounts import file_mode
from reconciler.model import DEFAULT_NETWORK, OF_SERVICE, Attachment, ConfigFile, Mount
from reconciler.reading import Node, Problems, check_keys, excerpt, integer, listed, mapping, text, text_map, texts

_TEXTS = ("ipv4_address", "ipv6_address", "mac_address", "interface_name")
_NUMBERS = ("priority", "gw_priority")
_LISTS = ("aliases", "link_local_ips")
# The words beside `service:NAME`, by key (Compose Specification).
_MODES = {
    "network_mode": ("none", "host", "bridge"),
    "ipc": ("none", "host", "private", "shareable"),
    "pid": ("host", "private"),
    "uts": ("host",),
    "userns_mode": ("host",),
    "cgroup": ("host", "private"),
}
_MAY_JOIN = ("network_mode", "ipc", "pid")


def attachments(node: Node | None, declared: Declared, problems: Problems) -> tuple[Attachment, ...]:
    """The networks of a service; without any it joins the default one (Compose Specification, "networks").

    Compose joins the one of the highest `priority` first, and those of one priority by key.
    """
    if node is None or not mapping(node, "networks", problems):
        return (Attachment(declared.networks[DEFAULT_NETWORK].name),)
    found = []
    for key, child in sorted(node.entries.items()):
        if key not in declared.networks:
            problems.add(child.key, f"the network {key!r} is not declared", "add it under the top-level `networks:`")
            continue
        found.append(_attachment(declared.networks[key].name, key, child, problems))
    return tuple(sorted(found, key=lambda attachment: -attachment.priority))


def _attachment(network: str, key: str, node: Node, problems: Problems) -> Attachment:
    fields = mapping(node, f"networks.{key}", problems)
    check_keys(node, (*_TEXTS, *_NUMBERS, *_LISTS, "driver_opts"), f"`networks.{key}`", problems)
    found: dict[str, Any] = {name: text(fields[name], name, problems) for name in _TEXTS if name in fields}
    found |= {name: integer(fields[name], name, problems) for name in _NUMBERS if name in fields}
    found |= {name: texts(fields[name], name, problems) for name in _LISTS if name in fields}
    options = text_map(fields["driver_opts"], "driver_opts", problems) if "driver_opts" in fields else {}
    return Attachment(network, driver_opts=options, **found)


def namespaces(fields: Mapping[str, Node], problems: Problems) -> dict[str, str]:
    """`network_mode`, `ipc`, `pid`, ... as fields of Service."""
    found = {}
    for key, words in _MODES.items():
        if key not in fields:
            continue
        mode = text(fields[key], key, problems)
        joins = mode.startswith(OF_SERVICE) and key in _MAY_JOIN
        if mode and mode not in words and not joins:
            known = ", ".join([*words, *([f"{OF_SERVICE}NAME"] if key in _MAY_JOIN else [])])
            problems.add(fields[key].place, f"`{key}` is {excerpt(fields[key])}", f"use one of {known}")
        found[key] = mode
    if "network_mode" in fields and "networks" in fields:
        problems.add(fields["network_mode"].key, "`network_mode` beside `networks`", "keep one of them")
    return found


def files(
    kind: str, node: Node, declared: Mapping[str, ConfigFile], problems: Problems
) -> tuple[tuple[Mount, ConfigFile], ...]:
    """Both forms of a service's `configs` and `secrets`; each is a read-only file, named by its content's digest."""
    read = listed(node, f"{kind}s", problems, lambda element, name, _: _file(kind, element, declared, problems))
    return tuple(pair for pair in read if pair)


def _file(
    kind: str, node: Node, declared: Mapping[str, ConfigFile], problems: Problems
) -> tuple[Mount, ConfigFile] | None:
    if node.is_mapping:
        check_keys(node, ("source", "target", "uid", "gid", "mode"), f"a {kind}", problems)
    fields = node.entries or {"source": node}
    source = text(fields["source"], "source", problems) if "source" in fields else ""
    if source not in declared:
        problems.add(node.place, f"the {kind} {source!r} is not declared", f"add it under the top-level `{kind}s:`")
        return None
    target = text(fields["target"], "target", problems) if "target" in fields else source
    folder = "/run/secrets/" if kind == "secret" else "/"
    path = target if target.startswith("/") else f"{folder}{target}"
    owner: dict[str, Any] = {name: integer(fields[name], name, problems) for name in ("uid", "gid") if name in fields}
    mode = file_mode(fields["mode"], problems) if "mode" in fields else 0o444
    if not 0 <= mode <= 0o777 or any(not 0 <= number < 2**32 for number in owner.values()):
        problems.add(node.place, f"owner or mode of the {kind} {source!r}", "write numbers, and a mode such as 0440")
        return None
    stored = replace(declared[source], mode=mode, **owner)
    return Mount(kind, path, stored.name, read_only=True), stored
