"""One service of a Compose file: a table from its keys to fields of Service. What is not in the table is refused."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.manifests import compose_values as values
from reconciler.manifests.compose_mounts import Resources, attachments, configs, volumes
from reconciler.manifests.fields import (
    boolean,
    check_keys,
    integer,
    mapping,
    number,
    scalar_text,
    seconds,
    size_in_bytes,
    text,
    text_map,
    texts,
)
from reconciler.manifests.node import Node, excerpt
from reconciler.manifests.problems import Problems
from reconciler.model import Limits, Service, Update
from reconciler.model.names import SERVICE_ADVICE, is_service_name

Reader = Callable[[Node, str, Problems], Any]

# Keys that are one field of the same name.
_SIMPLE: dict[str, Reader] = {
    "image": text,
    "command": values.command,
    "entrypoint": values.command,
    "hostname": text,
    "domainname": text,
    "user": text,
    "working_dir": text,
    "stop_signal": text,
    "stop_grace_period": seconds,
    "platform": text,
    "shm_size": size_in_bytes,
    "read_only": boolean,
    "init": boolean,
    "tty": boolean,
    "stdin_open": boolean,
    "tmpfs": texts,
    "cap_drop": texts,
    "group_add": texts,
    "dns": texts,
    "dns_search": texts,
    "dns_opt": texts,
    "sysctls": text_map,
    "labels": text_map,
    "ulimits": values.ulimits,
    "healthcheck": values.healthcheck,
    "logging": values.logging,
    "depends_on": values.depends_on,
}
_LIMITS: dict[str, tuple[str, Reader]] = {
    "cpus": ("cpus", number),
    "mem_limit": ("memory", size_in_bytes),
    "mem_reservation": ("memory_reservation", size_in_bytes),
    "pids_limit": ("pids", integer),
}
# Keys with a reader of their own below.
_OTHER = (
    "container_name deploy environment expose extra_hosts networks network_mode ports pull_policy restart "
    "security_opt volumes configs"
).split()

_GRANT = "it needs a grant in the signed policy, which this version cannot give"
_LATER = "this version does not support it"
_REFUSED = {
    "build": "devices do not build: build and push the image in CI, and write `image:`",
    "links": "services reach each other by name on a common network",
    **dict.fromkeys(
        "privileged cap_add devices device_cgroup_rules gpus ipc pid uts userns_mode cgroup cgroup_parent runtime "
        "oom_kill_disable oom_score_adj credential_spec use_api_socket volumes_from storage_opt".split(),
        _GRANT,
    ),
    **dict.fromkeys(
        "annotations attach blkio_config cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime "
        "cpu_shares cpuset develop env_file extends external_links isolation label_file mac_address mem_swappiness "
        "memswap_limit models post_start pre_stop profiles provider pull_refresh_after scale secrets".split(),
        _LATER,
    ),
}


def parse_service(name: str, node: Node, app: str, resources: Resources, problems: Problems) -> Service:
    """Read one service of an app, with every name resolved."""
    fields = mapping(node, f"services.{name}", problems)
    if not is_service_name(name):
        problems.add(node.key, f"the service {name!r} is no name", SERVICE_ADVICE)
    for key in [key for key in fields if key in _REFUSED]:
        problems.add(fields[key].key, f"`{key}` is refused", _REFUSED[key])
    check_keys(node, (*_SIMPLE, *_LIMITS, *_OTHER, *_REFUSED), f"the service `{name}`", problems)
    image = fields.get("image")
    if (image is None or image.value in (None, "")) and "build" not in fields:
        problems.add(node.key, f"the service `{name}` has no `image`", "name the image, best by digest")
    read: dict[str, Any] = {
        key: reader(fields[key], key, problems)
        for key, reader in _SIMPLE.items()
        if key in fields and fields[key].value is not None
    }
    read |= _restart(fields, problems) | _resources_of(fields, problems) | _reach(fields, problems)
    _check_labels(node, read.get("labels", {}), problems)
    if "network_mode" in fields:
        read["network_mode"] = _network_mode(fields, problems)
    else:
        read["networks"] = attachments(fields.get("networks"), resources, problems)
    mounts = volumes(fields["volumes"], resources, problems) if "volumes" in fields else ()
    mounts += configs(fields["configs"], resources, problems) if "configs" in fields else ()
    _check_targets(node, name, [mount.target for mount in mounts], problems)
    read.setdefault("image", "")
    return Service(name=name, container_name=_container_name(app, name, fields, problems), mounts=mounts, **read)


def _restart(fields: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    if "restart" not in fields:
        return {}
    policy, attempts = values.restart(fields["restart"], "restart", problems)
    return {"restart": policy, "restart_attempts": attempts}


def _resources_of(fields: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    """Limits from their own keys and from `deploy`, and how to update."""
    limits: dict[str, Any] = {
        field: reader(fields[key], key, problems) for key, (field, reader) in _LIMITS.items() if key in fields
    }
    update = Update()
    if "deploy" in fields:
        deploy = mapping(fields["deploy"], "deploy", problems)
        check_keys(fields["deploy"], ("resources", "update_config", "replicas", "mode"), "`deploy`", problems)
        for key, wanted in (("replicas", "1"), ("mode", "replicated")):
            if key in deploy and scalar_text(deploy[key]) != wanted:
                problems.add(
                    deploy[key].place, f"`{key}` is not {wanted}", "a service has one container in this version"
                )
        if "resources" in deploy:
            limits |= values.resource_limits(deploy["resources"], problems)
        if "update_config" in deploy:
            update = values.update_config(deploy["update_config"], problems)
    return {"limits": Limits(**limits), "update": update}


def _reach(fields: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    """What the container sees of the world and the world of it."""
    found: dict[str, Any] = {}
    ports = values.ports(fields["ports"], "ports", problems) if "ports" in fields else ()
    exposed = values.exposed(fields["expose"], "expose", problems) if "expose" in fields else ()
    found["ports"] = ports + exposed
    if "environment" in fields:
        found["environment"] = text_map(fields["environment"], "environment", problems)
    if "extra_hosts" in fields:
        hosts = mapping(fields["extra_hosts"], "extra_hosts", problems)
        found["extra_hosts"] = tuple(
            f"{host}:{address.removeprefix('[').removesuffix(']')}"
            for host, node in hosts.items()
            for address in texts(node, f"extra_hosts.{host}", problems)
        )
    if "pull_policy" in fields:
        policy = text(fields["pull_policy"], "pull_policy", problems)
        if policy not in ("missing", "if_not_present", "never"):
            advice = "use missing or never: a device pulls what Git names, once; name images by digest"
            problems.add(fields["pull_policy"].place, f"`pull_policy` is {policy!r}", advice)
        found["pull_policy"] = "never" if policy == "never" else "missing"
    if "security_opt" in fields:
        found["security_opt"] = texts(fields["security_opt"], "security_opt", problems)
        for option in found["security_opt"]:
            if option.replace("=", ":") not in ("no-new-privileges", "no-new-privileges:true"):
                problems.add(fields["security_opt"].place, f"the security option {option!r}", _GRANT)
    return found


def _network_mode(fields: Mapping[str, Node], problems: Problems) -> str:
    node = fields["network_mode"]
    if text(node, "network_mode", problems) != "none":
        problems.add(
            node.place, f"`network_mode` is {excerpt(node)}", f"use `none` or `networks:`; for another, {_GRANT}"
        )
    if "networks" in fields:
        problems.add(node.key, "`network_mode` beside `networks`", "keep one of them")
    return "none"


def _container_name(app: str, service: str, fields: Mapping[str, Node], problems: Problems) -> str:
    if "container_name" not in fields:
        return f"{app}-{service}-1"
    name = text(fields["container_name"], "container_name", problems)
    if not is_service_name(name):
        problems.add(fields["container_name"].place, f"the container name {name!r}", SERVICE_ADVICE)
    return name


def _check_labels(node: Node, labels: Mapping[str, str], problems: Problems) -> None:
    for key in labels:
        if key.startswith(("fleet.", "com.docker.compose.")):
            problems.add(
                node.entries["labels"].place, f"the label `{key}`", "this prefix is the reconciler's and Compose's"
            )


def _check_targets(node: Node, name: str, targets: list[str], problems: Problems) -> None:
    for target in sorted(target for target, count in Counter(targets).items() if count > 1):
        problems.add(node.key, f"the service `{name}` mounts two things at {target}", "mount each at a path of its own")
