"""A service in the words of the Engine's API (POST /containers/create), as Compose says them. Pure."""

from collections.abc import Sequence

from reconciler.agent.docker_engine.host_config import host_config, links
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.model import Attachment, Healthcheck, Network, Service
from reconciler.model.codec import Plain
from reconciler.planning import CreateContainer, digest

# Ours. `fleet.device` and `fleet.app` say what we own; the fingerprint, whether it is still what is wanted.
DEVICE, APP, SERVICE, FINGERPRINT = "fleet.device", "fleet.app", "fleet.service", "fleet.fingerprint"
# The ids of the containers whose namespaces it was made in: ipc and pid are in no list of the Engine's.
JOINED = "fleet.joined"
# Compose's, so that `docker compose ls`, `ps` and `logs` work on what we run.
PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"
# Of what `docker compose run` made.
ONE_OFF = "com.docker.compose.oneoff"
# On the image of the agent itself (packaging/Dockerfile), and so on its container.
AGENT = "fleet.agent"

_NANOSECONDS = 1_000_000_000


def container_body(
    step: CreateContainer, device: str, files: ServiceFiles, homes: Sequence[str] = ()
) -> dict[str, Plain]:
    """The body of the call. Config files are bound from the folder `files`, where they lie under their names.

    `homes` are the ids of the containers that it lives in.
    """
    service = step.service
    body: dict[str, Plain] = {
        "Image": service.image,
        "Env": [f"{name}={value}" for name, value in sorted(service.environment.items())],
        "Labels": {**_labels(step, device), **({JOINED: " ".join(homes)} if homes else {})},
        "Hostname": service.hostname,
        "Domainname": service.domainname,
        "User": service.user,
        "WorkingDir": service.working_dir,
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {f"{port.target}/{port.protocol}": {} for port in service.ports},
        "HostConfig": host_config(step, files),
    }
    if service.command is not None:
        body["Cmd"] = list(service.command)
    if service.entrypoint is not None:
        body["Entrypoint"] = list(service.entrypoint)
    if service.stop_signal:
        body["StopSignal"] = service.stop_signal
    if service.stop_grace_period is not None:
        body["StopTimeout"] = int(service.stop_grace_period)
    if service.mac_address:
        body["MacAddress"] = service.mac_address
    if service.healthcheck is not None:
        body["Healthcheck"] = _healthcheck(service.healthcheck)
    if service.networks:
        first = service.networks[0]
        body["NetworkingConfig"] = {"EndpointsConfig": {first.network: endpoint(service, first)}}
    return body


def endpoint(service: Service, attachment: Attachment) -> dict[str, Plain]:
    """How the service is on one network. Its names there are those that Compose gives."""
    addresses: dict[str, Plain] = {
        "IPv4Address": attachment.ipv4_address,
        "IPv6Address": attachment.ipv6_address,
        "LinkLocalIPs": list(attachment.link_local_ips),
    }
    body: dict[str, Plain] = {
        "Aliases": [service.container_name, service.name, *attachment.aliases],
        "Links": links(service),
        "IPAMConfig": {key: address for key, address in addresses.items() if address} or None,
        "MacAddress": attachment.mac_address,
        "DriverOpts": {**attachment.driver_opts, **_interface(attachment)},
        # Engines before 28 do not know it; they take the first network for the gateway.
        "GwPriority": attachment.gw_priority,
    }
    return {key: value for key, value in body.items() if value or key == "IPAMConfig"}


def _interface(attachment: Attachment) -> dict[str, str]:
    name = attachment.interface_name
    return {"com.docker.network.endpoint.ifname": name} if name else {}


def network_body(network: Network) -> dict[str, Plain]:
    """The body of POST /networks/create, labels apart."""
    pools: list[dict[str, Plain]] = [
        {
            "Subnet": pool.subnet,
            "Gateway": pool.gateway,
            "IPRange": pool.ip_range,
            "AuxiliaryAddresses": dict(pool.aux_addresses),
        }
        for pool in network.pools
    ]
    body: dict[str, Plain] = {
        "Name": network.name,
        "CheckDuplicate": True,
        "Driver": network.driver or "bridge",
        "Options": dict(network.driver_opts),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "EnableIPv6": network.enable_ipv6,
        "IPAM": {
            "Driver": network.ipam_driver or "default",
            "Config": [{key: value for key, value in pool.items() if value} for pool in pools],
            "Options": dict(network.ipam_options) or None,
        },
    }
    # Engines before 28 do not know it.
    return body if network.enable_ipv4 is None else {**body, "EnableIPv4": network.enable_ipv4}


def _labels(step: CreateContainer, device: str) -> dict[str, str]:
    service, app = step.service, step.app
    needs = (f"{d.service}:{d.condition.value}:{str(d.restart).lower()}" for d in service.depends_on)
    return {
        **service.labels,
        DEVICE: device,
        APP: app,
        SERVICE: service.name,
        FINGERPRINT: step.fingerprint,
        PROJECT: app,
        COMPOSE_SERVICE: service.name,
        "com.docker.compose.container-number": "1",
        ONE_OFF: "False",
        "com.docker.compose.config-hash": digest(service),
        "com.docker.compose.project.config_files": f"apps/{app}/compose.yaml",
        "com.docker.compose.depends_on": ",".join(needs),
    }


def _healthcheck(healthcheck: Healthcheck) -> dict[str, Plain]:
    times = {
        "Interval": healthcheck.interval,
        "Timeout": healthcheck.timeout,
        "StartPeriod": healthcheck.start_period,
        # Engines before 25 do not know it, and go on at the interval.
        "StartInterval": healthcheck.start_interval,
    }
    body: dict[str, Plain] = {name: int(value * _NANOSECONDS) for name, value in times.items() if value is not None}
    if healthcheck.test:
        body["Test"] = list(healthcheck.test)
    if healthcheck.retries is not None:
        body["Retries"] = healthcheck.retries
    return body
