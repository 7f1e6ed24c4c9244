"""`HostConfig` and the networks of Docker's create options, in Compose's words."""

from collections.abc import Mapping

from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.fields import Fields, Reader, escaped, flag, number, only, plain_text, text_map, texts
from reconciler.fleet.imports.parts import Part

# The network that edgeAgent puts every module on; its place is taken by the app's own default network.
IOT_EDGE_NETWORK = "azure-iot-edge"
_MODES = ("host", "none", "bridge")


def _ports(part: Part, _: Account) -> Fields:
    ports, expose = [], []
    for container, bindings in part.entries().items():
        elements = bindings.elements()
        if not elements:
            expose.append(container)
        for binding in elements:
            fields = {name.lower(): child.scalar() for name, child in binding.entries().items()}
            address, published = fields.get("hostip", ""), fields.get("hostport", "")
            if ":" in address:
                address = f"[{address.strip('[]')}]"
            ports.append(f"{address}:{published}:{container}" if address else f"{published}:{container}".lstrip(":"))
    return ({"ports": ports} if ports else {}) | ({"expose": expose} if expose else {})


def _mounts(part: Part, account: Account) -> Fields:
    return {"volumes": [_mount(element, account) for element in part.elements()]}


def _mount(part: Part, account: Account) -> Fields:
    known = "Type Source Target ReadOnly BindOptions VolumeOptions TmpfsOptions"
    fields = only(part, known, account)
    kind = fields["type"].text() if "type" in fields else "volume"
    result: Fields = {"type": kind}
    result |= {key: escaped(fields[key].text()) for key in ("source", "target") if key in fields}
    if "readonly" in fields:
        result["read_only"] = fields["readonly"].boolean()
    if "bindoptions" in fields:
        bind = only(fields["bindoptions"], "Propagation CreateMountpoint", account)
        result["bind"] = {"propagation": bind["propagation"].text()} if "propagation" in bind else {}
        if "createmountpoint" in bind:
            result["bind"]["create_host_path"] = bind["createmountpoint"].boolean()
    if "volumeoptions" in fields:
        volume = only(fields["volumeoptions"], "NoCopy Subpath", account)
        result["volume"] = {key: child.value for key, child in volume.items() if key in ("nocopy", "subpath")}
    if "tmpfsoptions" in fields:
        tmpfs = only(fields["tmpfsoptions"], "SizeBytes Mode", account)
        names = {"sizebytes": "size", "mode": "mode"}
        result["tmpfs"] = {names[key]: child.integer() for key, child in tmpfs.items() if key in names}
    return result


def _restart(part: Part, account: Account) -> Fields:
    fields = only(part, "Name MaximumRetryCount", account)
    name = fields["name"].text() if "name" in fields else "no"
    attempts = fields["maximumretrycount"].integer() if "maximumretrycount" in fields else 0
    return {"restart": f"{name}:{attempts}" if attempts and name == "on-failure" else name}


def _devices(part: Part, account: Account) -> Fields:
    found = []
    for element in part.elements():
        fields = only(element, "PathOnHost PathInContainer CgroupPermissions", account)
        inside = [fields[key].text() for key in ("pathonhost", "pathincontainer", "cgrouppermissions") if key in fields]
        found.append(escaped(":".join(inside)))
    return {"devices": found}


def _device_requests(part: Part, account: Account) -> Fields:
    found: list[Fields] = []
    for element in part.elements():
        fields = only(element, "Driver Count DeviceIDs Capabilities Options", account)
        request: Fields = {}
        if "driver" in fields:
            request["driver"] = fields["driver"].text()
        if "count" in fields:
            request["count"] = "all" if fields["count"].integer() == -1 else fields["count"].integer()
        if "deviceids" in fields:
            request["device_ids"] = fields["deviceids"].texts()
        if "capabilities" in fields:
            # Docker wants any of several lists, Compose has one; nobody writes a second.
            sets = fields["capabilities"].elements()
            request["capabilities"] = sets[0].texts()
            for further in sets[1:]:
                account.left("a second set of device capabilities", further.where, "Compose has one")
        if "options" in fields:
            request["options"] = fields["options"].scalars()
        found.append(request)
    return {"deploy": {"resources": {"reservations": {"devices": found}}}}


def _logging(part: Part, account: Account) -> Fields:
    fields = only(part, "Type Config", account)
    driver = {"driver": fields["type"].text()} if "type" in fields else {}
    options = fields["config"].scalars() if "config" in fields else {}
    escaped_options = {"options": {key: escaped(value) for key, value in options.items()}} if options else {}
    return {"logging": driver | escaped_options} if fields else {}


def _cpus(part: Part, _: Account) -> Fields:
    cpus = part.integer() / 10**9
    return {"cpus": int(cpus) if cpus == int(cpus) else cpus}


def _tmpfs(part: Part, _: Account) -> Fields:
    return {"tmpfs": [escaped(f"{path}:{how}" if how else path) for path, how in part.scalars().items()]}


def _ulimits(part: Part, account: Account) -> Fields:
    found: Fields = {}
    for element in part.elements():
        fields = element.entries()
        only(element, "Name Soft Hard", account)
        name = {key.lower(): child for key, child in fields.items()}
        if "name" not in name:
            raise element.expected("an object with `Name`, `Soft` and `Hard`")
        limits = {key: name[key].integer() if key in name else 0 for key in ("soft", "hard")}
        found[name["name"].text()] = limits
    return {"ulimits": found}


def _network_mode(part: Part, _: Account) -> Fields:
    mode = part.text()
    if mode in ("default", IOT_EDGE_NETWORK):
        return {}
    if mode in _MODES or mode.startswith(("container:", "service:")):
        return {"network_mode": mode}
    return {"networks": {mode: None}}


def endpoints(part: Part, account: Account) -> Fields:
    """The networks that a module joins, with its names and addresses there."""
    fields: Fields = {}
    networks: Fields = {}
    for name, endpoint in part.entries().items():
        if name in _MODES:
            fields["network_mode"] = name
            continue
        found = only(endpoint, "Aliases IPAMConfig NetworkID", account)
        attachment: Fields = {"aliases": found["aliases"].texts()} if "aliases" in found else {}
        if "ipamconfig" in found:
            addresses = only(found["ipamconfig"], "IPv4Address IPv6Address", account)
            keys = {"ipv4address": "ipv4_address", "ipv6address": "ipv6_address"}
            attachment |= {keys[key]: child.text() for key, child in addresses.items() if key in keys}
        networks["default" if name == IOT_EDGE_NETWORK else name] = attachment or None
    # To be on the default network alone is what Compose does without being told.
    return fields | ({"networks": networks} if networks and networks != {"default": None} else {})


OPTIONS: Mapping[str, Reader] = {
    "Annotations": text_map("annotations"),
    "Binds": texts("volumes"),
    "CapAdd": texts("cap_add"),
    "CapDrop": texts("cap_drop"),
    "CgroupParent": plain_text("cgroup_parent"),
    "CpuPeriod": number("cpu_period"),
    "CpuQuota": number("cpu_quota"),
    "CpuShares": number("cpu_shares"),
    "CpusetCpus": plain_text("cpuset"),
    "DeviceCgroupRules": texts("device_cgroup_rules"),
    "DeviceRequests": _device_requests,
    "Devices": _devices,
    "Dns": texts("dns"),
    "DnsOptions": texts("dns_opt"),
    "DnsSearch": texts("dns_search"),
    "ExtraHosts": texts("extra_hosts"),
    "GroupAdd": texts("group_add"),
    "Init": flag("init"),
    "IpcMode": plain_text("ipc"),
    "Isolation": plain_text("isolation"),
    "LogConfig": _logging,
    "Memory": number("mem_limit"),
    "MemoryReservation": number("mem_reservation"),
    "MemorySwap": number("memswap_limit"),
    "Mounts": _mounts,
    "NanoCpus": _cpus,
    "NetworkMode": _network_mode,
    "OomKillDisable": flag("oom_kill_disable"),
    "OomScoreAdj": number("oom_score_adj"),
    "PidMode": plain_text("pid"),
    "PidsLimit": number("pids_limit"),
    "PortBindings": _ports,
    "Privileged": flag("privileged"),
    "ReadonlyRootfs": flag("read_only"),
    "RestartPolicy": _restart,
    "Runtime": plain_text("runtime"),
    "SecurityOpt": texts("security_opt"),
    "ShmSize": number("shm_size"),
    "StorageOpt": text_map("storage_opt"),
    "Sysctls": text_map("sysctls"),
    "Tmpfs": _tmpfs,
    "UTSMode": plain_text("uts"),
    "Ulimits": _ulimits,
    "UsernsMode": plain_text("userns_mode"),
    "VolumesFrom": texts("volumes_from"),
}
