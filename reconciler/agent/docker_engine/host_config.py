"""What a container gets of its device, in the words of the Engine's API (HostConfig), as Compose says them. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from reconciler.admission import cleaned
from reconciler.agent.mounts.lock_files import lock_folder
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.model import OF_SERVICE, DeviceRequest, Limits, Mount, Service
from reconciler.model.codec import Plain
from reconciler.planning import CreateContainer, kept_limits

_NANOSECONDS = 1_000_000_000
# The Engine's own default keeps every line for ever; on a device that fills the disk.
_DEFAULT_LOGGING: dict[str, Plain] = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def host_config(step: CreateContainer, files: ServiceFiles) -> dict[str, Plain]:
    """The body's HostConfig. What is not said is left out, so that the Engine's own defaults stand."""
    service = step.service
    logging = service.logging
    body: dict[str, Plain] = {
        "RestartPolicy": {"Name": service.restart, "MaximumRetryCount": service.restart_attempts},
        "PortBindings": _port_bindings(service),
        # On a network of the app they belong to the endpoint.
        "Links": links(service) if service.network_mode in ("bridge", "none") else None,
        "Binds": [_bind(mount) for mount in service.mounts if _is_short(mount)] or None,
        "Mounts": _mounts(step, files),
        "Tmpfs": {path: options for path, _, options in (entry.partition(":") for entry in service.tmpfs)},
        "LogConfig": (
            {"Type": logging.driver or "json-file", "Config": dict(logging.options)}
            if logging.driver or logging.options
            else _DEFAULT_LOGGING
        ),
        "ReadonlyRootfs": service.read_only,
        "Dns": list(service.dns) or None,
        "DnsSearch": list(service.dns_search) or None,
        "DnsOptions": list(service.dns_opt) or None,
        "ExtraHosts": list(service.extra_hosts) or None,
        "Ulimits": [{"Name": n, "Soft": u.soft, "Hard": u.hard} for n, u in sorted(service.ulimits.items())] or None,
        "Init": service.init,
        "ShmSize": service.shm_size,
        "StorageOpt": dict(service.storage_opt) or None,
        "Annotations": dict(service.annotations) or None,
        **_limits(service.limits),
        **_namespaces(service),
        **_privileges(service),
    }
    # The Engine takes `null` for "not said" in some of these fields, and an error in others.
    return {key: value for key, value in body.items() if value is not None}


def update_body(service: Service) -> dict[str, Plain]:
    """The body of POST /containers/{id}/update. What is not said stays as it is; of processes, -1 is no limit."""
    asked = _limits(kept_limits(service.limits))
    del asked["MemorySwappiness"]
    body = {key: value for key, value in asked.items() if value is not None}
    policy: Plain = {"Name": service.restart, "MaximumRetryCount": service.restart_attempts}
    return {"PidsLimit": -1, **body, "RestartPolicy": policy}


def _limits(limits: Limits) -> dict[str, Plain]:
    return {
        "NanoCpus": int(limits.cpus * _NANOSECONDS) if limits.cpus else None,
        "CpuShares": limits.cpu_shares,
        "CpuQuota": limits.cpu_quota,
        "CpuPeriod": limits.cpu_period,
        "CpusetCpus": limits.cpuset or None,
        "Memory": limits.memory,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.memory_swap,
        "MemorySwappiness": limits.memory_swappiness,
        "PidsLimit": limits.pids,
    }


def _namespaces(service: Service) -> dict[str, Plain]:
    modes = {
        "NetworkMode": service.network_mode or service.networks[0].network,
        "IpcMode": service.ipc,
        "PidMode": service.pid,
        "UTSMode": service.uts,
        "UsernsMode": service.userns_mode,
        "CgroupnsMode": service.cgroup,
    }
    return {key: _mode(service, mode) for key, mode in modes.items() if mode}


def _mode(service: Service, mode: str) -> str:
    """Another service's namespace is that of its container."""
    name = mode.removeprefix(OF_SERVICE)
    return f"container:{service.peers.get(name, name)}" if name != mode else mode


def _privileges(service: Service) -> dict[str, Plain]:
    """What reaches out of the container; each was granted, or it would not be here (admission/needs.py)."""
    return {
        "Privileged": service.privileged or None,
        "CapAdd": _capabilities(service.cap_add) or None,
        "CapDrop": _capabilities(service.cap_drop) or None,
        "SecurityOpt": list(service.security_opt) or None,
        "GroupAdd": list(service.group_add) or None,
        "Sysctls": dict(service.sysctls) or None,
        "Runtime": service.runtime or None,
        "CgroupParent": service.cgroup_parent or None,
        "OomKillDisable": service.oom_kill_disable or None,
        "OomScoreAdj": service.oom_score_adj,
        # As it was judged. Of a bind, the Engine takes the `..` away by itself; here it would follow links before it.
        "Devices": [
            {"PathOnHost": cleaned(d.source), "PathInContainer": d.target, "CgroupPermissions": d.permissions}
            for d in service.devices
        ]
        or None,
        "DeviceCgroupRules": list(service.device_cgroup_rules) or None,
        "DeviceRequests": [_request(request) for request in service.device_requests] or None,
    }


def _capabilities(names: Iterable[str]) -> list[Plain]:
    """With the kernel's own prefix, as Compose sends them."""
    upper = (name.upper().removeprefix("CAP_") for name in names)
    return [name if name == "ALL" else f"CAP_{name}" for name in upper]


def _request(request: DeviceRequest) -> Plain:
    return {
        "Driver": request.driver,
        "Count": request.count,
        "DeviceIDs": list(request.device_ids) or None,
        "Capabilities": [list(request.capabilities)],
        "Options": dict(request.options) or None,
    }


def _port_bindings(service: Service) -> dict[str, Plain]:
    bindings: dict[str, Plain] = {}
    for port in service.ports:
        if port.published != "-":
            found = bindings.setdefault(f"{port.target}/{port.protocol}", [])
            if isinstance(found, list):
                found.append({"HostIp": port.host_ip, "HostPort": port.published})
    return bindings


def _is_short(mount: Mount) -> bool:
    """Is it sent as text, as Compose sends it? Only so can the Engine be asked for an SELinux label, or, before 23, to
    make a missing path."""
    if mount.kind == "volume":
        return bool(mount.source) and not (mount.no_copy or mount.subpath)
    return mount.kind == "bind" and not mount.propagation and (bool(mount.selinux) or mount.create_host_path)


def _bind(mount: Mount) -> str:
    options = [word for word in ("ro" if mount.read_only else "rw", mount.selinux) if word]
    return f"{mount.source}:{mount.target}:{','.join(options)}"


def links(service: Service) -> list[Plain] | None:
    """Each linked service by its alias, and by the names that Compose adds."""
    found: dict[str, None] = {}
    for link in service.links:
        container = service.peers.get(link.service, link.service)
        for alias in (link.alias or link.service, f"{link.service}-1", container):
            found[f"{container}:{alias}"] = None
    return list(found) or None


def _mounts(step: CreateContainer, files: ServiceFiles) -> list[Plain]:
    """The service's mounts; where one has no name, and where the image has one of its own, the volume carried on."""
    carried = dict(step.carried)
    named = [
        replace(mount, source=carried.get(mount.target, "")) if mount.kind == "volume" and not mount.source else mount
        for mount in step.service.mounts
    ]
    taken = {mount.target for mount in named} | {entry.partition(":")[0] for entry in step.service.tmpfs}
    own = [Mount("volume", target, volume) for target, volume in step.carried if target not in taken]
    return [_mount(mount, files) for mount in (*named, *own) if not _is_short(mount)]


def _mount(mount: Mount, files: ServiceFiles) -> Plain:
    options: dict[str, Plain]
    body: dict[str, Plain] = {"Target": mount.target, "ReadOnly": mount.read_only}
    if mount.kind in ("config", "secret"):
        # The file is named for its content and never changes, so the bind cannot go stale; or it keeps its place.
        return body | {"Type": "bind", "Source": str(files.path(mount))}
    if mount.kind == "lock":
        return body | {"Type": "bind", "Source": str(lock_folder(files.disk, mount.source))}
    if mount.kind == "bind":
        options = {"Propagation": mount.propagation} if mount.propagation else {}
        # Engines before 23 do not know it.
        options |= {"CreateMountpoint": True} if mount.create_host_path else {}
        return {**body, "Type": "bind", "Source": mount.source, "BindOptions": options or None}
    if mount.kind == "tmpfs":
        options = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
        return body | {"Type": "tmpfs", "TmpfsOptions": {k: v for k, v in options.items() if v is not None}}
    options = {"NoCopy": mount.no_copy or None, "Subpath": mount.subpath or None}
    said: dict[str, Plain] = {key: value for key, value in options.items() if value is not None}
    return {**body, "Type": "volume", "Source": mount.source, **({"VolumeOptions": said} if said else {})}
