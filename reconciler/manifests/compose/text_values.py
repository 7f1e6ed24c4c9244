"""The values of a service and of an app, as `docker compose config` prints each of them."""

from collections.abc import Mapping

from reconciler.model import (
    Attachment,
    ConfigFile,
    DeviceMapping,
    DeviceRequest,
    Healthcheck,
    Link,
    Logging,
    Mount,
    Network,
    Port,
    Service,
    Volume,
)
from reconciler.reading import Plain


def healthcheck(check: Healthcheck) -> Plain:
    if check.is_disabled:
        return {"disable": True}
    times = {
        "interval": check.interval,
        "timeout": check.timeout,
        "start_period": check.start_period,
        "start_interval": check.start_interval,
    }
    fields: dict[str, Plain] = {key: duration(value) for key, value in times.items() if value is not None}
    return without_empty({"test": list(check.test), **fields, "retries": check.retries})


def limits(service: Service) -> dict[str, Plain]:
    said = service.limits
    sizes = {"mem_limit": said.memory, "mem_reservation": said.memory_reservation, "memswap_limit": said.memory_swap}
    return {
        "cpus": said.cpus,
        "cpu_shares": said.cpu_shares,
        "cpu_quota": said.cpu_quota,
        "cpu_period": said.cpu_period,
        "cpuset": said.cpuset,
        "mem_swappiness": said.memory_swappiness,
        "pids_limit": said.pids,
        **{key: str(size) for key, size in sizes.items() if size is not None},
        "stop_grace_period": duration(service.stop_grace_period) if service.stop_grace_period is not None else None,
    }


def device(one: DeviceMapping) -> Plain:
    return {"source": one.source, "target": one.target, "permissions": one.permissions}


def device_request(request: DeviceRequest) -> Plain:
    return without_empty(
        {
            "driver": request.driver,
            "count": request.count or None,
            "device_ids": list(request.device_ids),
            "capabilities": list(request.capabilities),
            "options": dict(request.options),
        }
    )


def port(one: Port) -> Plain:
    return without_empty(
        {
            "mode": "ingress",
            "host_ip": one.host_ip,
            "target": one.target,
            "published": one.published,
            "protocol": one.protocol,
        }
    )


def mount(one: Mount, names: Mapping[str, str]) -> Plain:
    """A volume by its key, a path by itself."""
    fields: dict[str, Plain] = {
        "type": one.kind,
        "source": names.get(one.source, one.source) if one.kind == "volume" else one.source,
        "target": one.target,
        "read_only": one.read_only or None,
    }
    if one.kind == "bind":
        # Compose makes a missing path unless it is told not to.
        fields["bind"] = without_empty({"propagation": one.propagation, "selinux": one.selinux}) | {
            "create_host_path": one.create_host_path
        }
    elif one.kind == "volume":
        fields["volume"] = without_empty({"nocopy": one.no_copy or None, "subpath": one.subpath})
        fields["bind"] = without_empty({"selinux": one.selinux})
    else:
        size = str(one.tmpfs_size) if one.tmpfs_size is not None else None
        fields["tmpfs"] = without_empty({"size": size, "mode": one.tmpfs_mode})
    return without_empty(fields)


def file_entry(one: Mount, file: ConfigFile, key: str) -> Plain:
    """A config or a secret of a service, as a config."""
    owner: dict[str, Plain] = {
        "uid": str(file.uid) if file.uid else None,
        "gid": str(file.gid) if file.gid else None,
        "mode": f"{file.mode:04o}" if file.mode != 0o444 else None,
    }
    return without_empty({"source": key, "target": one.target, **owner})


def attachment(joined: Attachment) -> Plain:
    return (
        without_empty(
            {
                "aliases": list(joined.aliases),
                "driver_opts": dict(joined.driver_opts),
                "gw_priority": joined.gw_priority or None,
                "interface_name": joined.interface_name,
                "ipv4_address": joined.ipv4_address,
                "ipv6_address": joined.ipv6_address,
                "link_local_ips": list(joined.link_local_ips),
                "mac_address": joined.mac_address,
                "priority": joined.priority or None,
            }
        )
        or None
    )


def link(one: Link) -> str:
    return f"{one.service}:{one.alias}" if one.alias else one.service


def logging(said: Logging) -> Plain:
    return without_empty({"driver": said.driver, "options": dict(said.options)})


def network(one: Network) -> Plain:
    pools: list[Plain] = [
        without_empty(
            {
                "subnet": pool.subnet,
                "gateway": pool.gateway,
                "ip_range": pool.ip_range,
                "aux_addresses": dict(pool.aux_addresses),
            }
        )
        for pool in one.pools
    ]
    return without_empty(
        {
            "name": one.name,
            "external": one.external or None,
            "driver": one.driver,
            "driver_opts": dict(one.driver_opts),
            "internal": one.internal or None,
            "attachable": one.attachable or None,
            "enable_ipv4": one.enable_ipv4,
            "enable_ipv6": one.enable_ipv6 or None,
            "ipam": without_empty({"driver": one.ipam_driver, "config": pools, "options": dict(one.ipam_options)}),
            "labels": dict(one.labels),
        }
    )


def volume(one: Volume) -> Plain:
    return without_empty(
        {
            "name": one.name,
            "external": one.external or None,
            "driver": one.driver,
            "driver_opts": dict(one.driver_opts),
            "labels": dict(one.labels),
        }
    )


def duration(value: float) -> str:
    """Seconds as Go writes them: `1m30s`, `1.5s`, `200ms`."""
    if 0 < value < 1:
        return f"{value * 1000:.6f}".rstrip("0").rstrip(".") + "ms"
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    told = f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{told}"
    return f"{minutes}m{told}" if minutes else told


def escaped(value: Plain) -> Plain:
    """Everything is interpolated already, so a dollar that is left is meant as one."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [escaped(element) for element in value]
    if isinstance(value, dict):
        return {key: escaped(element) for key, element in value.items()}
    return value


def without_empty(fields: dict[str, Plain]) -> dict[str, Plain]:
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}
