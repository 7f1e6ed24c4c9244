"""One app: from its Compose document, patched and interpolated, to services with every name resolved."""

import hashlib
from collections.abc import Mapping

from reconciler.manifests.compose_mounts import Resources, engine_name
from reconciler.manifests.compose_service import parse_service
from reconciler.manifests.fields import boolean, check_keys, listed, mapping, text, text_map
from reconciler.manifests.node import Node
from reconciler.manifests.problems import Problems
from reconciler.manifests.tree import Tree, inside
from reconciler.model import DEFAULT_NETWORK, App, ConfigFile, Network, Service, Volume
from reconciler.model.names import SERVICE_ADVICE, is_service_name

# A config is held in memory, in the journal and in Git; bigger things are artifacts, not configuration.
MAX_CONFIG_BYTES = 1024 * 1024
_REFUSED = {
    "include": "this version does not support it: write the services into this file",
    "secrets": "this version has no secrets yet",
    "models": "this version does not support it",
}


def parse_app(name: str, document: Node, tree: Tree, problems: Problems) -> App:
    """Read a Compose document. Problems mean that the result must not be used."""
    fields = mapping(document, "the Compose file", problems)
    for key in [key for key in fields if key in _REFUSED]:
        problems.add(fields[key].key, f"`{key}` is refused", _REFUSED[key])
    # `version` is obsolete, and says nothing, in the Compose Specification.
    allowed = ("version", "name", "services", "networks", "volumes", "configs", *_REFUSED)
    check_keys(document, allowed, "the Compose file", problems)
    if "name" in fields and text(fields["name"], "name", problems) != name:
        problems.add(fields["name"].place, f"`name` is not the app's folder {name!r}", "remove it, or make both equal")
    networks = {key: _network(name, key, node, problems) for key, node in _section(fields, "networks", problems)}
    networks.setdefault(DEFAULT_NETWORK, Network(DEFAULT_NETWORK, f"{name}_{DEFAULT_NETWORK}"))
    volumes = {key: _volume(name, key, node, problems) for key, node in _section(fields, "volumes", problems)}
    configs = {key: _config(name, key, node, tree, problems) for key, node in _section(fields, "configs", problems)}
    resources = Resources(networks, volumes, {key: config.digest for key, config in configs.items()})
    services = [
        parse_service(key, node, name, resources, problems) for key, node in _section(fields, "services", problems)
    ]
    if not services:
        problems.add(document.place, f"the app `{name}` has no services", "write them under `services:`")
    _check_dependencies(fields, services, problems)
    return _app(name, services, networks, volumes, tuple(configs.values()))


def _section(fields: Mapping[str, Node], key: str, problems: Problems) -> list[tuple[str, Node]]:
    """The entries of a top-level mapping, by name, so that the result does not hang on the order of the file."""
    found = sorted(mapping(fields[key], key, problems).items()) if key in fields else []
    for name, node in found:
        if key != "services" and not is_service_name(name):
            problems.add(node.key, f"`{key}` has the name {name!r}", SERVICE_ADVICE)
    return found


def _app(
    name: str,
    services: list[Service],
    networks: Mapping[str, Network],
    volumes: Mapping[str, Volume],
    configs: tuple[ConfigFile, ...],
) -> App:
    """Only what a service uses is made, as Compose does."""
    joined = {attachment.network for service in services for attachment in service.networks}
    mounted = {mount.source for service in services for mount in service.mounts}
    return App(
        name,
        tuple(services),
        tuple(network for network in networks.values() if network.name in joined),
        tuple(volume for volume in volumes.values() if volume.name in mounted),
        tuple(sorted({c for c in configs if c.digest in mounted}, key=lambda config: config.digest)),
    )


def _external(kind: str, key: str, node: Node, problems: Problems) -> bool:
    external = "external" in node.entries and boolean(node.entries["external"], "external", problems)
    if external and any(other not in ("name", "external") and not other.startswith("x-") for other in node.entries):
        problems.add(node.key, f"the external {kind} `{key}` has other keys", "keep only `name` and `external`")
    return external


def _network(app: str, key: str, node: Node, problems: Problems) -> Network:
    fields = mapping(node, f"networks.{key}", problems)
    allowed = ("name", "external", "driver", "driver_opts", "internal", "attachable", "enable_ipv6", "ipam", "labels")
    check_keys(node, allowed, f"the network `{key}`", problems)
    external = _external("network", key, node, problems)
    driver = text(fields["driver"], "driver", problems) if "driver" in fields else ""
    if driver not in ("", "bridge"):
        problems.add(fields["driver"].place, f"the network driver {driver!r}", "this version supports only bridge")
    internal, attachable, enable_ipv6 = (
        flag in fields and boolean(fields[flag], flag, problems) for flag in ("internal", "attachable", "enable_ipv6")
    )
    options, labels = (text_map(fields[k], k, problems) if k in fields else {} for k in ("driver_opts", "labels"))
    subnets, gateways = _ipam(fields["ipam"], problems) if "ipam" in fields else ((), ())
    name = engine_name(app, key, fields, external, problems)
    return Network(key, name, external, driver, options, internal, attachable, enable_ipv6, subnets, gateways, labels)


def _ipam(node: Node, problems: Problems) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Subnets and gateways, in pairs; a missing gateway is empty."""
    fields = mapping(node, "ipam", problems)
    check_keys(node, ("config",), "`ipam`", problems)
    pools = listed(fields["config"], "ipam.config", problems, mapping) if "config" in fields else ()
    for pool in fields["config"].elements if "config" in fields else ():
        check_keys(pool, ("subnet", "gateway"), "`ipam.config`", problems)
    read = [[text(pool[key], key, problems) if key in pool else "" for key in ("subnet", "gateway")] for pool in pools]
    return tuple(subnet for subnet, _ in read), tuple(gateway for _, gateway in read)


def _volume(app: str, key: str, node: Node, problems: Problems) -> Volume:
    fields = mapping(node, f"volumes.{key}", problems)
    # Options of the local driver can turn a volume into a bind of any path of the host.
    check_keys(node, ("name", "external", "labels"), f"the volume `{key}`", problems)
    external = _external("volume", key, node, problems)
    labels = text_map(fields["labels"], "labels", problems) if "labels" in fields else {}
    return Volume(key, engine_name(app, key, fields, external, problems), external, labels)


def _config(app: str, key: str, node: Node, tree: Tree, problems: Problems) -> ConfigFile:
    fields = mapping(node, f"configs.{key}", problems)
    check_keys(node, ("file", "content"), f"the config `{key}`", problems)
    content = b""
    if ("file" in fields) == ("content" in fields):
        problems.add(node.key, f"the config `{key}` needs either `file` or `content`", "write one of them")
    elif "content" in fields:
        content = text(fields["content"], "content", problems).encode()
    else:
        written = text(fields["file"], "file", problems)
        path = inside(f"apps/{app}", written)
        if path is None or path not in tree:
            problems.add(
                fields["file"].place, f"there is no file {written!r} in apps/{app}", "add it beside compose.yaml"
            )
        else:
            content = tree[path]
    if len(content) > MAX_CONFIG_BYTES:
        problems.add(node.key, f"the config `{key}` has over {MAX_CONFIG_BYTES} bytes", "put big files into an image")
    return ConfigFile(hashlib.sha256(content).hexdigest(), content)


def _check_dependencies(fields: Mapping[str, Node], services: list[Service], problems: Problems) -> None:
    """Each dependency exists, and none leads back to itself."""
    needs = {service.name: {dependency.service for dependency in service.depends_on} for service in services}
    entries = fields["services"].entries if "services" in fields else {}
    for service in services:
        place = entries[service.name].entries.get("depends_on", entries[service.name]).place
        for missing in sorted(needs[service.name] - needs.keys()):
            problems.add(
                place, f"`depends_on` names {missing!r}, which is no service here", f"known: {', '.join(needs)}"
            )
        if service.name in _reachable(service.name, needs):
            problems.add(place, f"the service `{service.name}` depends on itself in the end", "break the circle")


def _reachable(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    rest = list(needs[start])
    while rest:
        current = rest.pop()
        if current not in found:
            found.add(current)
            rest += needs.get(current, ())
    return found
