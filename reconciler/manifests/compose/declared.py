"""What the services of one app may refer to: its top-level networks, volumes, configs and secrets."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.manifests.compose.sealed import MAX_CONFIG_BYTES, Asker, sealed_file
from reconciler.manifests.compose.variables import DEVICE_VARIABLE
from reconciler.model import DEFAULT_NETWORK, ConfigFile, Network, Pool, Volume
from reconciler.model.names import SERVICE_ADVICE, is_service_name
from reconciler.model.tree import Tree, inside
from reconciler.reading import Node, Problems, boolean, check_keys, listed, mapping, text, text_map

_ENGINE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_NETWORK_FLAGS = ("internal", "attachable", "enable_ipv4", "enable_ipv6")
_BUILT_IN = ("host", "none", "bridge")
_POOL = ("subnet", "gateway", "ip_range")


@dataclass(frozen=True, slots=True)
class Declared:
    """By the keys of the Compose file."""

    networks: Mapping[str, Network]
    volumes: Mapping[str, Volume]
    configs: Mapping[str, ConfigFile]
    secrets: Mapping[str, ConfigFile]


def read_declared(
    app: str, fields: Mapping[str, Node], tree: Tree, variables: Mapping[str, str], problems: Problems
) -> Declared:
    """The top-level sections of a Compose file, except `services`."""
    networks = {key: _network(app, key, node, problems) for key, node in section(fields, "networks", problems)}
    networks.setdefault(DEFAULT_NETWORK, Network(DEFAULT_NETWORK, f"{app}_{DEFAULT_NETWORK}"))
    volumes = {key: _volume(app, key, node, problems) for key, node in section(fields, "volumes", problems)}
    for kind, found in (("networks", networks), ("volumes", volumes)):
        _check_once(kind, found, fields, problems)
    configs, secrets = (
        {
            key: _file(app, kind, key, node, _Sources(tree, variables), problems)
            for key, node in section(fields, f"{kind}s", problems)
        }
        for kind in ("config", "secret")
    )
    return Declared(networks, volumes, configs, secrets)


def _check_once(
    kind: str, found: Mapping[str, Network] | Mapping[str, Volume], fields: Mapping[str, Node], problems: Problems
) -> None:
    """Two descriptions of one thing would each undo the other's for ever."""
    keys: dict[str, str] = {}
    for key, one in found.items():
        first = keys.setdefault(one.name, key)
        if first != key:
            node = fields[kind].entries.get(key) or fields[kind].entries[first]
            problems.add(
                node.key, f"`{kind}` describes {one.name!r} twice, as `{first}` and `{key}`", "keep one of them"
            )


def section(fields: Mapping[str, Node], key: str, problems: Problems) -> list[tuple[str, Node]]:
    """The entries of a top-level mapping, by name, so that the result does not hang on the order of the file."""
    found = sorted(mapping(fields[key], key, problems).items()) if key in fields else []
    for name, node in found:
        if key != "services" and not is_service_name(name):
            problems.add(node.key, f"`{key}` has the name {name!r}", SERVICE_ADVICE)
    return found


def _external(kind: str, key: str, node: Node, problems: Problems) -> bool:
    external = "external" in node.entries and boolean(node.entries["external"], "external", problems)
    if external and any(other not in ("name", "external") and not other.startswith("x-") for other in node.entries):
        problems.add(node.key, f"the external {kind} `{key}` has other keys", "keep only `name` and `external`")
    return external


def _network(app: str, key: str, node: Node, problems: Problems) -> Network:
    fields = mapping(node, f"networks.{key}", problems)
    allowed = ("name", "external", "driver", "driver_opts", "ipam", "labels", *_NETWORK_FLAGS)
    check_keys(node, allowed, f"the network `{key}`", problems)
    external = _external("network", key, node, problems)
    flags: dict[str, Any] = {flag: boolean(fields[flag], flag, problems) for flag in _NETWORK_FLAGS if flag in fields}
    options, labels = (text_map(fields[k], k, problems) if k in fields else {} for k in ("driver_opts", "labels"))
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
    name = engine_name(app, key, fields, external, problems)
    if driver in ("host", "none"):
        problems.add(fields["driver"].place, f"the driver {driver!r}", f"write `network_mode: {driver}` in the service")
    if name in _BUILT_IN:
        what = f"the network `{key}` is the Engine's own {name!r}"
        problems.add(node.key, what, f"write `network_mode: {name}` in the service")
    return Network(
        key,
        name,
        external,
        driver,
        options,
        labels=labels,
        **flags,
        **(_ipam(fields["ipam"], problems) if "ipam" in fields else {}),
    )


def _ipam(node: Node, problems: Problems) -> dict[str, Any]:
    """Fields of Network."""
    fields = mapping(node, "ipam", problems)
    check_keys(node, ("driver", "config", "options"), "`ipam`", problems)
    found: dict[str, Any] = (
        {"pools": listed(fields["config"], "ipam.config", problems, _pool)} if "config" in fields else {}
    )
    if "driver" in fields:
        found["ipam_driver"] = text(fields["driver"], "ipam.driver", problems)
    if "options" in fields:
        found["ipam_options"] = text_map(fields["options"], "ipam.options", problems)
    return found


def _pool(node: Node, name: str, problems: Problems) -> Pool:
    fields = mapping(node, name, problems)
    check_keys(node, (*_POOL, "aux_addresses"), "`ipam.config`", problems)
    auxiliary = text_map(fields["aux_addresses"], "aux_addresses", problems) if "aux_addresses" in fields else {}
    said = {key: text(fields[key], key, problems) for key in _POOL if key in fields}
    return Pool(**said, aux_addresses=auxiliary)


def _volume(app: str, key: str, node: Node, problems: Problems) -> Volume:
    fields = mapping(node, f"volumes.{key}", problems)
    check_keys(node, ("name", "external", "driver", "driver_opts", "labels"), f"the volume `{key}`", problems)
    external = _external("volume", key, node, problems)
    options, labels = (text_map(fields[k], k, problems) if k in fields else {} for k in ("driver_opts", "labels"))
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
    return Volume(key, engine_name(app, key, fields, external, problems), external, driver, options, labels)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where content may come from."""

    tree: Tree
    variables: Mapping[str, str]


def _file(app: str, kind: str, key: str, node: Node, sources: _Sources, problems: Problems) -> ConfigFile:
    """A config or a secret: out of a file of the app, a text, or a variable."""
    fields = mapping(node, f"{kind}s.{key}", problems)
    if kind == "secret" and _external(kind, key, node, problems):
        name = text(fields["name"], "name", problems) if "name" in fields else key
        asker = Asker(app, sources.variables[DEVICE_VARIABLE], key, node.key)
        return sealed_file(name, asker, sources.tree, problems)
    ways = ("file", "content", "environment") if kind == "config" else ("file", "environment")
    check_keys(node, (*ways, "name", "labels", "external"), f"the {kind} `{key}`", problems)
    if kind == "config" and "external" in fields and boolean(fields["external"], "external", problems):
        advice = "there is no store of them on a device: use `file`"
        problems.add(fields["external"].key, f"the {kind} `{key}` is external", advice)
        return ConfigFile("", b"", key=key)
    said = [way for way in ways if way in fields]
    content = b""
    if len(said) != 1:
        problems.add(node.key, f"the {kind} `{key}` needs one of {', '.join(ways)}", "write one of them")
    else:
        content = _content(app, said[0], fields[said[0]], sources, problems)
    if len(content) > MAX_CONFIG_BYTES:
        problems.add(node.key, f"the {kind} `{key}` has over {MAX_CONFIG_BYTES} bytes", "put big files into an image")
    return ConfigFile(hashlib.sha256(content).hexdigest(), content, key=key)


def _content(app: str, way: str, node: Node, sources: _Sources, problems: Problems) -> bytes:
    written = text(node, way, problems)
    if way == "content":
        return written.encode()
    if way == "environment":
        if written and written not in sources.variables:
            advice = "set it under `variables:` of a layer or the device"
            problems.add(node.place, f"the variable `{written}` is not set", advice)
        return sources.variables.get(written, "").encode()
    path = inside(f"apps/{app}", written)
    if path is None or path not in sources.tree:
        problems.add(node.place, f"there is no file {written!r} in apps/{app}", "add it beside compose.yaml")
        return b""
    return sources.tree[path]


def engine_name(app: str, key: str, fields: Mapping[str, Node], external: bool, problems: Problems) -> str:
    """A network's or volume's name on the Engine: its `name:`, or the key behind the project's, as in Compose."""
    if "name" not in fields:
        return key if external else f"{app}_{key}"
    name = text(fields["name"], "name", problems)
    if not _ENGINE_NAME.fullmatch(name):
        problems.add(fields["name"].place, f"the name {name!r}", "use letters, digits, '_', '.' and '-'")
    return name
