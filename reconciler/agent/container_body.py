"""A service in the words of the Engine's API (POST /containers/create), as Compose says them. Pure."""

from dataclasses import replace
from pathlib import Path

from reconciler.model import Attachment, Healthcheck, Mount, Service
from reconciler.model.codec import Plain
from reconciler.planning import CreateContainer, digest

# Ours. `fleet.device` and `fleet.app` say what we own; the fingerprint, whether it is still what is wanted.
DEVICE, APP, SERVICE, FINGERPRINT = "fleet.device", "fleet.app", "fleet.service", "fleet.fingerprint"
# Compose's, so that `docker compose ls`, `ps` and `logs` work on what we run.
PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"

_NANOSECONDS = 1_000_000_000
# The Engine's own default keeps every line for ever; on a device that fills the disk.
_DEFAULT_LOGGING: dict[str, Plain] = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def container_body(step: CreateContainer, device: str, files: Path) -> dict[str, Plain]:
    """The body of the call. Config files are bound from the folder `files`, where they lie under their digest."""
    service = step.service
    body: dict[str, Plain] = {
        "Image": service.image,
        "Env": [f"{name}={value}" for name, value in sorted(service.environment.items())],
        "Labels": dict(_labels(step, device)),
        "Hostname": service.hostname,
        "Domainname": service.domainname,
        "User": service.user,
        "WorkingDir": service.working_dir,
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {f"{port.target}/{port.protocol}": {} for port in service.ports},
        "HostConfig": _host_config(service, _mounts(step, files)),
    }
    if service.command is not None:
        body["Cmd"] = list(service.command)
    if service.entrypoint is not None:
        body["Entrypoint"] = list(service.entrypoint)
    if service.stop_signal:
        body["StopSignal"] = service.stop_signal
    if service.stop_grace_period is not None:
        body["StopTimeout"] = int(service.stop_grace_period)
    if service.healthcheck is not None:
        body["Healthcheck"] = _healthcheck(service.healthcheck)
    if service.networks:
        first = service.networks[0]
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: endpoint(service, first)}}
    return body


def endpoint(service: Service, attachment: Attachment) -> dict[str, Plain]:
    """How the service is on one network. Its names there are those that Compose gives."""
    addresses = {"IPv4Address": attachment.ipv4_address, "IPv6Address": attachment.ipv6_address}
    fixed: dict[str, Plain] = {key: address for key, address in addresses.items() if address}
    return {
        "Aliases": [service.container_name, service.name, *attachment.aliases],
        "IPAMConfig": fixed or None,
    }


def _labels(step: CreateContainer, device: str) -> dict[str, str]:
    service, app = step.service, step.app
    needs = (f"{d.service}:{d.condition.value}:false" for d in service.depends_on)
    return {
        **service.labels,
        DEVICE: device,
        APP: app,
        SERVICE: service.name,
        FINGERPRINT: step.fingerprint,
        PROJECT: app,
        COMPOSE_SERVICE: service.name,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": digest(service),
        "com.docker.compose.project.config_files": f"apps/{app}/compose.yaml",
        "com.docker.compose.depends_on": ",".join(needs),
    }


def _healthcheck(healthcheck: Healthcheck) -> dict[str, Plain]:
    times = {
        "Interval": healthcheck.interval,
        "Timeout": healthcheck.timeout,
        "StartPeriod": healthcheck.start_period,
    }
    body: dict[str, Plain] = {name: int(value * _NANOSECONDS) for name, value in times.items() if value is not None}
    if healthcheck.test:
        body["Test"] = list(healthcheck.test)
    if healthcheck.retries is not None:
        body["Retries"] = healthcheck.retries
    return body


def _host_config(service: Service, mounts: list[Plain]) -> dict[str, Plain]:
    limits = service.limits
    logging = service.logging
    body: dict[str, Plain] = {
        "RestartPolicy": {"Name": service.restart, "MaximumRetryCount": service.restart_attempts},
        "NetworkMode": service.network_mode or service.networks[0].network,
        "PortBindings": _port_bindings(service),
        "Mounts": mounts,
        "Tmpfs": {path: options for path, _, options in (entry.partition(":") for entry in service.tmpfs)},
        "LogConfig": (
            {"Type": logging.driver or "json-file", "Config": dict(logging.options)}
            if logging.driver or logging.options
            else _DEFAULT_LOGGING
        ),
        "ReadonlyRootfs": service.read_only,
        "CapDrop": list(service.cap_drop) or None,
        "SecurityOpt": [option.replace("=", ":") for option in service.security_opt] or None,
        "GroupAdd": list(service.group_add) or None,
        "Dns": list(service.dns) or None,
        "DnsSearch": list(service.dns_search) or None,
        "DnsOptions": list(service.dns_opt) or None,
        "ExtraHosts": list(service.extra_hosts) or None,
        "Sysctls": dict(service.sysctls) or None,
        "Ulimits": [{"Name": n, "Soft": u.soft, "Hard": u.hard} for n, u in sorted(service.ulimits.items())] or None,
        "Init": service.init,
        "ShmSize": service.shm_size,
        "NanoCpus": int(limits.cpus * _NANOSECONDS) if limits.cpus else None,
        "Memory": limits.memory,
        "MemoryReservation": limits.memory_reservation,
        "PidsLimit": limits.pids,
    }
    # The Engine takes `null` for "not said" in some of these fields, and an error in others.
    return {key: value for key, value in body.items() if value is not None}


def _port_bindings(service: Service) -> dict[str, Plain]:
    bindings: dict[str, Plain] = {}
    for port in service.ports:
        if port.published != "-":
            found = bindings.setdefault(f"{port.target}/{port.protocol}", [])
            if isinstance(found, list):
                found.append({"HostIp": port.host_ip, "HostPort": port.published})
    return bindings


def _mounts(step: CreateContainer, files: Path) -> list[Plain]:
    """The service's mounts; where one has no name, and where the image has one of its own, the volume carried on."""
    carried = dict(step.carried)
    named = [
        replace(mount, source=carried.get(mount.target, "")) if mount.kind == "volume" and not mount.source else mount
        for mount in step.service.mounts
    ]
    taken = {mount.target for mount in named} | {entry.partition(":")[0] for entry in step.service.tmpfs}
    own = [Mount("volume", target, volume) for target, volume in step.carried if target not in taken]
    return [_mount(mount, files) for mount in (*named, *own)]


def _mount(mount: Mount, files: Path) -> Plain:
    body: dict[str, Plain] = {"Target": mount.target, "ReadOnly": mount.read_only}
    if mount.kind == "config":
        # The file is named for its content and never changes, so the bind cannot go stale.
        return body | {"Type": "bind", "Source": str(files / mount.source)}
    if mount.kind == "tmpfs":
        options: dict[str, Plain] = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
        return body | {"Type": "tmpfs", "TmpfsOptions": {k: v for k, v in options.items() if v is not None}}
    return body | {"Type": "volume", "Source": mount.source}
