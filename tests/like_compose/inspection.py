"""What an Engine shows of a project, so that what we made can be compared with what Docker Compose made.

`shown` is used on both sides. Ids, times and names of the machine are left out; so is what `DIFFERENCES` names, with
its reason, and what any container has (`bare`). Everything else must be equal.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import docker

Plain = Any
Leaves = dict[str, Plain]

# Where the two may differ -> why. The first match wins; each is a pattern of `/`-separated keys.
DIFFERENCES = {
    r"Config/Labels/(fleet|com\.docker\.compose)\..*": "each keeps its books in labels of its own",
    r"HostConfig/RestartPolicy/Name": "nothing and `no` are one to the Engine",
    r"Config/Env/[^=]*": "a variable that nobody sets: Compose takes it away from the image, we leave it",
    r"Labels/(fleet|com\.docker\.compose)\..*": "likewise, of networks and volumes",
}
# Of one project alone: its name -> where, and why.
DIFFERENCES_OF = {
    "volumes-as-binds-in-the-long-form": (
        r"shop-web-1/(HostConfig/Binds/2|HostConfig/Mounts/~host~var-tmp/.*|Mounts/~host~var-tmp/Mode)",
        "`selinux` in the long form: Compose drops it, we ask the Engine for the label as in the short form",
    ),
}
# What says where and when, and not what.
_OF_THE_MACHINE = re.compile(
    r"(Id|Created|CreatedAt|Path|Args.*|LogPath|HostnamePath|HostsPath|ResolvConfPath|GraphDriver.*|State.*|Name|"
    r"Image|Platform|ImageManifestDescriptor.*|Mountpoint|Scope|Containers.*|Status.*|"
    r"Config/Hostname|Config/Image|"
    r"NetworkSettings/(?!Networks/).*|"
    r"NetworkSettings/Networks/[^/]*/(NetworkID|EndpointID|Gateway|IPAddress|IPPrefixLen|IPv6Gateway|"
    r"GlobalIPv6Address|GlobalIPv6PrefixLen|DNSNames.*))"
)
# What is so where nobody says anything. Some of it, only Engine 28 shows.
_UNSAID = (("EnableIPv4", True), ("Driver", "bridge"), ("Driver", "local"))
_ID = re.compile(r"[0-9a-f]{64}")
_BY_NAME = ("Target", "Destination", "Name", "PathInContainer", "Subnet")
_BUILT_IN = ("bridge", "host", "none")
# The corpus writes addresses in these; others are the Engine's choice.
_WRITTEN = ("10.201.", "fd00:201:")
_OUR_LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
_NO_LOGS_SAID = {"Type": "json-file", "Config": {}}


def shown(client: docker.DockerClient, names: Mapping[str, set[str]], files: str, bare: Leaves) -> Leaves:
    """Every leaf of the containers, networks and volumes with these names, by kind, name and way.

    `files` is the folder that configs and secrets are bound from: that they are is a matter of its own.
    """
    found: Leaves = {}
    for container in client.containers.list(all=True, ignore_removed=True):
        if container.name in names["containers"]:
            leaves = _container(client.api.inspect_container(container.id), files)
            # What any container has and this one has not is a leaf, too.
            ways = (way for way in leaves.keys() | bare.keys() if leaves.get(way) != bare.get(way))
            found |= {f"{container.name}/{way}": leaves.get(way) for way in ways}
    for network in client.api.networks():
        if network["Name"] in names["networks"]:
            told = client.api.inspect_network(network["Id"])
            found |= {f"{network['Name']}/{way}": leaf for way, leaf in _kept(_network(told))}
    for volume in client.api.volumes()["Volumes"] or []:
        if volume["Name"] in names["volumes"]:
            found |= {f"{volume['Name']}/{way}": leaf for way, leaf in _kept(volume)}
    return found


def comparable(leaves: Leaves, project: str) -> Leaves:
    """All leaves but those in which this project may differ."""
    pattern, _ = DIFFERENCES_OF.get(project, ("", ""))
    return {way: leaf for way, leaf in leaves.items() if not re.fullmatch(pattern, way)}


def bare_container(client: docker.DockerClient, image: str) -> Leaves:
    """What any container has."""
    made = client.containers.create(image, ["sleep", "3600"])
    try:
        return _container(client.api.inspect_container(made.id), "")
    finally:
        made.remove()


def _container(told: Plain, files: str) -> Leaves:
    host, config = told["HostConfig"], told["Config"]
    if host["LogConfig"] == _OUR_LOGS:
        host["LogConfig"] = _NO_LOGS_SAID
    told["Driver"] = ""  # of the Engine's storage
    # All or none; how many they are depends on the machine's processors.
    host["MaskedPaths"] = bool(host["MaskedPaths"])
    for device in host["Devices"] or []:
        # The Engine's own default.
        device["CgroupPermissions"] = device["CgroupPermissions"] or "rwm"
    if (config.get("Healthcheck") or {}).get("Test") == ["NONE"]:
        # Its times say nothing any more.
        config["Healthcheck"] = {"Test": ["NONE"]}
    config["Env"] = {entry: True for entry in config["Env"] or [] if "=" in entry}
    for endpoint in (told["NetworkSettings"]["Networks"] or {}).values():
        endpoint["Aliases"] = [one for one in endpoint["Aliases"] or [] if one != told["Id"][:12]]
        endpoint["Links"] = sorted(set(endpoint["Links"] or []))
    for key in ("Mounts", "Binds"):
        host[key] = [one for one in host.get(key) or [] if not _is_file(one, files)]
    told["Mounts"] = [one for one in told["Mounts"] if not _is_file(one, files)]
    for mount in told["Mounts"]:
        if mount["Type"] == "volume":
            mount["Source"] = ""  # where the Engine keeps it
    return dict(_kept(told))


def _is_file(mount: Plain, files: str) -> bool:
    source = mount.partition(":")[0] if isinstance(mount, str) else mount.get("Source", "")
    return bool(files) and str(source).startswith(f"{files.rstrip('/')}/")


def _network(told: Plain) -> Plain:
    pools = told["IPAM"]["Config"] or []
    told["IPAM"]["Config"] = [pool for pool in pools if pool["Subnet"].startswith(_WRITTEN)]
    return told


def _kept(told: Plain) -> Iterator[tuple[str, Plain]]:
    for way, leaf in _leaves(_in_order(told)):
        is_unsaid = (way, leaf) in _UNSAID or (way.endswith("/GwPriority") and leaf == 0)
        if not (is_unsaid or _OF_THE_MACHINE.fullmatch(way) or any(re.fullmatch(one, way) for one in DIFFERENCES)):
            yield way, leaf


def _in_order(value: Plain) -> Plain:
    """Lists of things with names by those names, other lists sorted; ids that the Engine chose as one word."""
    if isinstance(value, dict):
        return {key: _in_order(child) for key, child in value.items()}
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            key = next((key for key in _BY_NAME if key in value[0]), None)
            return {one[key]: _in_order(one) for one in value} if key else [_in_order(one) for one in value]
        return sorted(value, key=str)
    return _ID.sub("ID", value) if isinstance(value, str) else value


def _leaves(value: Plain, way: str = "") -> Iterator[tuple[str, Plain]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{way}/{str(key).replace('/', '~')}" if way else str(key))
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from _leaves(child, f"{way}/{index}")
    elif value not in (None, "", [], {}):
        yield way, value
