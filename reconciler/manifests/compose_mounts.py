"""Reads a service's `volumes`, `configs` and `networks`, and resolves the names they use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.manifests.fields import boolean, check_keys, integer, mapping, size_in_bytes, text, texts
from reconciler.manifests.node import Node, excerpt
from reconciler.manifests.problems import Problems
from reconciler.model import DEFAULT_NETWORK, Attachment, Mount, Network, Volume

# Binds reach files of the host, so they need a grant in the signed policy, which this version cannot give.
BIND_ADVICE = "this version mounts named volumes, tmpfs and `configs:` only"
_ENGINE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Resources:
    """What the services of one app may refer to, by key."""

    networks: Mapping[str, Network]
    volumes: Mapping[str, Volume]
    configs: Mapping[str, str]


def volumes(node: Node, resources: Resources, problems: Problems) -> tuple[Mount, ...]:
    """Both forms of `volumes`."""
    if not node.is_list:
        problems.expected(node, "volumes", "a list")
    read = [_long(e, resources, problems) if e.is_mapping else _short(e, resources, problems) for e in node.elements]
    return tuple(mount for mount in read if mount)


def _short(node: Node, resources: Resources, problems: Problems) -> Mount | None:
    first, *rest = text(node, "volumes", problems).split(":", 2)
    if not rest:
        return _volume("", first, False, node, resources, problems)
    if first.startswith((".", "/", "~")):
        problems.add(node.place, f"the bind mount {excerpt(node)}", BIND_ADVICE)
        return None
    mode = rest[1] if len(rest) > 1 else "rw"
    if mode not in ("ro", "rw"):
        problems.add(node.place, f"the mount mode {mode!r}", "use ro or rw")
        return None
    return _volume(first, rest[0], mode == "ro", node, resources, problems)


def _long(node: Node, resources: Resources, problems: Problems) -> Mount | None:
    check_keys(node, ("type", "source", "target", "read_only", "tmpfs", "volume"), "a volume", problems)
    fields = node.entries
    if missing := sorted({"type", "target"} - fields.keys()):
        problems.add(node.place, f"a volume without `{missing[0]}`", "write type, source and target")
        return None
    kind, target = text(fields["type"], "type", problems), text(fields["target"], "target", problems)
    read_only = "read_only" in fields and boolean(fields["read_only"], "read_only", problems)
    if kind == "tmpfs":
        return _tmpfs(fields, target, read_only, problems)
    if kind != "volume":
        problems.add(fields["type"].place, f"the mount type {kind!r}", BIND_ADVICE)
        return None
    if "volume" in fields:
        mapping(fields["volume"], "volume", problems)
        check_keys(fields["volume"], (), "`volume` of a mount", problems)
    source = text(fields["source"], "source", problems) if "source" in fields else ""
    return _volume(source, target, read_only, node, resources, problems)


def _volume(
    source: str, target: str, read_only: bool, node: Node, resources: Resources, problems: Problems
) -> Mount | None:
    if not target.startswith("/"):
        problems.add(node.place, f"the mount target {target!r}", "write an absolute path of the container")
        return None
    if source and source not in resources.volumes:
        problems.add(node.place, f"the volume {source!r} is not declared", "add it under the top-level `volumes:`")
        return None
    name = resources.volumes[source].name if source else ""
    return Mount("volume", target, name, read_only)


def _tmpfs(fields: Mapping[str, Node], target: str, read_only: bool, problems: Problems) -> Mount:
    options = mapping(fields["tmpfs"], "tmpfs", problems) if "tmpfs" in fields else {}
    if "tmpfs" in fields:
        check_keys(fields["tmpfs"], ("size", "mode"), "`tmpfs`", problems)
    size = size_in_bytes(options["size"], "size", problems) if "size" in options else None
    mode = _mode(options["mode"], problems) if "mode" in options else None
    return Mount("tmpfs", target, "", read_only, size, mode)


def _mode(node: Node, problems: Problems) -> int:
    """Permission bits. To Compose a leading zero means octal, and so does `0o`, which has been read already."""
    if isinstance(node.value, str) and re.fullmatch(r"0[0-7]{1,5}", node.value):
        return int(node.value, 8)
    return integer(node, "mode", problems)


def configs(node: Node, resources: Resources, problems: Problems) -> tuple[Mount, ...]:
    """Both forms of a service's `configs`; each becomes a read-only file named by its content's digest."""
    if not node.is_list:
        problems.expected(node, "configs", "a list")
    found = []
    for element in node.elements:
        if element.is_mapping:
            # uid, gid and mode are not done by Compose either, for the files that it binds.
            check_keys(element, ("source", "target"), "a config", problems)
        fields = element.entries or {"source": element}
        source = text(fields["source"], "source", problems) if "source" in fields else ""
        if source not in resources.configs:
            problems.add(
                element.place, f"the config {source!r} is not declared", "add it under the top-level `configs:`"
            )
            continue
        target = text(fields["target"], "target", problems) if "target" in fields else f"/{source}"
        path = target if target.startswith("/") else f"/{target}"
        found.append(Mount("config", path, resources.configs[source], read_only=True))
    return tuple(found)


def attachments(node: Node | None, resources: Resources, problems: Problems) -> tuple[Attachment, ...]:
    """The networks of a service; without any it joins the default one (Compose Specification, "networks")."""
    if node is None or not mapping(node, "networks", problems):
        return (Attachment(resources.networks[DEFAULT_NETWORK].name),)
    found = []
    for key, child in node.entries.items():
        if key not in resources.networks:
            problems.add(child.key, f"the network {key!r} is not declared", "add it under the top-level `networks:`")
            continue
        fields = mapping(child, f"networks.{key}", problems)
        check_keys(child, ("aliases", "ipv4_address", "ipv6_address"), f"`networks.{key}`", problems)
        aliases = texts(fields["aliases"], "aliases", problems) if "aliases" in fields else ()
        v4, v6 = (text(fields[k], k, problems) if k in fields else "" for k in ("ipv4_address", "ipv6_address"))
        found.append(Attachment(resources.networks[key].name, aliases, v4, v6))
    return tuple(sorted(found, key=lambda attachment: attachment.network))


def engine_name(app: str, key: str, fields: Mapping[str, Node], external: bool, problems: Problems) -> str:
    """A network's or volume's name on the Engine: its `name:`, or the key behind the project's, as in Compose."""
    if "name" not in fields:
        return key if external else f"{app}_{key}"
    name = text(fields["name"], "name", problems)
    if not _ENGINE_NAME.fullmatch(name):
        problems.add(fields["name"].place, f"the name {name!r}", "use letters, digits, '_', '.' and '-'")
    return name
