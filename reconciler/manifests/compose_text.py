"""A rendered app as an ordinary Compose file again, for people and for `docker compose`. Pure."""

from collections.abc import Iterable, Mapping

from reconciler.manifests.node import Plain
from reconciler.model import App, Healthcheck, Limits, Mount, Network, Port, Service
from reconciler.model.codec import to_plain

# Fields of Service that are Compose keys of the same name and form.
_SAME = (
    "image container_name command entrypoint environment tmpfs labels hostname domainname user working_dir stop_signal "
    "platform shm_size read_only init tty stdin_open cap_drop security_opt group_add dns dns_search dns_opt "
    "extra_hosts sysctls ulimits network_mode"
).split()


def to_compose(app: App) -> dict[str, Plain]:
    """The app as a Compose document in long forms, with every name and variable resolved."""
    networks = {network.name: network.key for network in app.networks}
    volumes = {volume.name: volume.key for volume in app.volumes}
    document: dict[str, Plain] = {
        "name": app.name,
        "services": {service.name: _service(service, networks, volumes) for service in app.services},
        "networks": {network.key: _network(network) for network in app.networks},
        "volumes": {volume.key: _named(volume.name, volume.external, volume.labels) for volume in app.volumes},
        "configs": {c.digest[:12]: {"content": c.content.decode("utf-8", "replace")} for c in app.configs},
    }
    return {key: _escape(value) for key, value in _without_empty(document).items()}


def _service(service: Service, networks: Mapping[str, str], volumes: Mapping[str, str]) -> Plain:
    plain = to_plain(service)
    fields: dict[str, Plain] = {}
    if isinstance(plain, dict):
        fields = {key: plain[key] for key in _SAME if key in plain}
    fields["restart"] = service.restart + (f":{service.restart_attempts}" if service.restart_attempts else "")
    fields["ports"] = [_port(port) for port in service.ports if port.published != "-"]
    fields["expose"] = [f"{port.target}/{port.protocol}" for port in service.ports if port.published == "-"]
    fields["volumes"] = [_mount(mount, volumes) for mount in service.mounts if mount.kind != "config"]
    fields["configs"] = [{"source": m.source[:12], "target": m.target} for m in service.mounts if m.kind == "config"]
    fields["networks"] = {
        networks[joined.network]: _without_empty(
            {
                "aliases": list(joined.aliases),
                "ipv4_address": joined.ipv4_address,
                "ipv6_address": joined.ipv6_address,
            }
        )
        or None
        for joined in service.networks
    }
    fields["depends_on"] = {
        needed.service: {"condition": needed.condition.value, "required": needed.required}
        for needed in service.depends_on
    }
    fields["healthcheck"] = _healthcheck(service.healthcheck) if service.healthcheck else None
    fields["logging"] = _without_empty({"driver": service.logging.driver, "options": dict(service.logging.options)})
    if service.stop_grace_period is not None:
        fields["stop_grace_period"] = _duration(service.stop_grace_period)
    fields |= _limits(service.limits)
    fields["pull_policy"] = "" if service.pull_policy == "missing" else service.pull_policy
    # An empty one takes the image's away, so it says something.
    emptied: dict[str, Plain] = {key: [] for key in ("command", "entrypoint") if getattr(service, key) == ()}
    return _without_empty(fields) | emptied


def _healthcheck(check: Healthcheck) -> Plain:
    if check.is_disabled:
        return {"disable": True}
    times = {"interval": check.interval, "timeout": check.timeout, "start_period": check.start_period}
    fields: dict[str, Plain] = {key: _duration(value) for key, value in times.items() if value is not None}
    return _without_empty({"test": list(check.test), **fields, "retries": check.retries})


def _limits(limits: Limits) -> dict[str, Plain]:
    return {
        "cpus": limits.cpus,
        "mem_limit": limits.memory,
        "mem_reservation": limits.memory_reservation,
        "pids_limit": limits.pids,
    }


def _port(port: Port) -> Plain:
    return _without_empty(
        {"target": port.target, "published": port.published, "protocol": port.protocol, "host_ip": port.host_ip}
    )


def _mount(mount: Mount, volumes: Mapping[str, str]) -> Plain:
    tmpfs = _without_empty({"size": mount.tmpfs_size, "mode": mount.tmpfs_mode})
    source = volumes.get(mount.source, mount.source)
    fields: dict[str, Plain] = {"type": mount.kind, "source": source, "target": mount.target}
    return _without_empty({**fields, "read_only": mount.read_only or None, "tmpfs": tmpfs})


def _network(network: Network) -> Plain:
    fields = _named(network.name, network.external, network.labels)
    pools: Iterable[Plain] = (
        _without_empty({"subnet": subnet, "gateway": gateway})
        for subnet, gateway in zip(network.subnets, network.gateways, strict=True)
    )
    flags: dict[str, Plain] = {
        "driver": network.driver,
        "driver_opts": dict(network.driver_opts),
        "internal": network.internal or None,
        "attachable": network.attachable or None,
        "enable_ipv6": network.enable_ipv6 or None,
        "ipam": _without_empty({"config": list(pools)}),
    }
    return _without_empty(fields | flags)


def _named(name: str, external: bool, labels: Mapping[str, str]) -> dict[str, Plain]:
    return _without_empty({"name": name, "external": external or None, "labels": dict(labels)})


def _duration(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s" if value >= 1 else f"{value * 1000:g}ms"


def _escape(value: Plain) -> Plain:
    """Everything is interpolated already, so a dollar that is left is meant as one."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_escape(element) for element in value]
    if isinstance(value, dict):
        return {key: _escape(element) for key, element in value.items()}
    return value


def _without_empty(fields: dict[str, Plain]) -> dict[str, Plain]:
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}
