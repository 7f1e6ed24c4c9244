"""One service of a Compose file: a table from its keys to fields of Service. What is not in the table is refused."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.manifests.compose import values
from reconciler.manifests.compose.declared import Declared
from reconciler.manifests.compose.ignored import read_ignored
from reconciler.manifests.compose.joins import attachments, files, namespaces
from reconciler.manifests.compose.mounts import volumes
from reconciler.manifests.compose.ports import exposed, ports
from reconciler.manifests.compose.resources import LIMITS, read_resources
from reconciler.manifests.compose.update import live_mounts, read_update
from reconciler.model import ConfigFile, Mount, Service, Update
from reconciler.model.names import SERVICE_ADVICE, is_service_name
from reconciler.reading import (
    Node,
    Problems,
    boolean,
    check_keys,
    integer,
    mapping,
    seconds,
    size_in_bytes,
    text,
    text_map,
    texts,
)

Reader = Callable[[Node, str, Problems], Any]

# Keys that are one field of the same name.
_SIMPLE: dict[str, Reader] = {
    "image": text,
    "command": values.command,
    "entrypoint": values.command,
    "environment": text_map,
    "hostname": text,
    "domainname": text,
    "user": text,
    "working_dir": text,
    "stop_signal": text,
    "stop_grace_period": seconds,
    "platform": text,
    "runtime": text,
    "shm_size": size_in_bytes,
    "read_only": boolean,
    "init": boolean,
    "tty": boolean,
    "stdin_open": boolean,
    "privileged": boolean,
    "tmpfs": texts,
    "cap_add": texts,
    "cap_drop": texts,
    "security_opt": values.security_options,
    "group_add": texts,
    "devices": values.devices,
    "device_cgroup_rules": texts,
    "cgroup_parent": text,
    "oom_kill_disable": boolean,
    "oom_score_adj": integer,
    "mac_address": text,
    "links": values.links,
    "dns": texts,
    "dns_search": texts,
    "dns_opt": texts,
    "extra_hosts": values.extra_hosts,
    "sysctls": text_map,
    "labels": text_map,
    "annotations": text_map,
    "storage_opt": text_map,
    "ulimits": values.ulimits,
    "healthcheck": values.healthcheck,
    "logging": values.logging,
    "depends_on": values.depends_on,
    "pull_policy": values.pull_policy,
}
# Keys with a reader of their own below, or that are done before this table is asked (`env_file`, `profiles`).
_OTHER = (
    "attach container_name deploy gpus scale env_file expose networks network_mode ipc pid uts userns_mode cgroup "
    "ports profiles restart volumes configs secrets"
).split()

_LATER = "this version does not support it"
_REFUSED = {
    "build": "devices do not build: build and push the image in CI, and write `image:`",
    "extends": "a patch cannot bring it: write it into the Compose file",
    "develop": "it is for `docker compose watch`: remove it",
    "cpu_count": "it is for Windows: use `cpus`",
    "cpu_percent": "it is for Windows: use `cpus`",
    "credential_spec": "it is for Windows",
    "isolation": "it is for Windows",
    "external_links": "use a network that both apps join, with `external: true`",
    "volumes_from": "name the volumes, and mount them in both services",
    "label_file": "write `labels`",
    "pull_refresh_after": "a device pulls what Git names, once: name images by digest",
    "use_api_socket": "a container that reaches the Engine rules the device",
    **dict.fromkeys("blkio_config cpu_rt_period cpu_rt_runtime models post_start pre_stop provider".split(), _LATER),
}


def parse_service(
    name: str, node: Node, app: str, declared: Declared, problems: Problems
) -> tuple[Service, tuple[ConfigFile, ...]]:
    """Read one service of an app, with every name resolved, and the files that it mounts."""
    fields = mapping(node, f"services.{name}", problems)
    if not is_service_name(name):
        problems.add(node.key, f"the service {name!r} is no name", SERVICE_ADVICE)
    for key in [key for key in fields if key in _REFUSED]:
        problems.add(fields[key].key, f"`{key}` is refused", _REFUSED[key])
    check_keys(node, (*_SIMPLE, *LIMITS, *_OTHER, *_REFUSED), f"the service `{name}`", problems)
    if "attach" in fields:
        # It tells whose output `docker compose up` shows in a terminal.
        boolean(fields["attach"], "attach", problems)
    image = fields.get("image")
    if (image is None or image.value in (None, "")) and "build" not in fields:
        problems.add(node.key, f"the service `{name}` has no `image`", "name the image, best by digest")
    # A key without a value says nothing, as in Compose.
    fields = {key: child for key, child in fields.items() if child.value is not None}
    read: dict[str, Any] = {key: reader(fields[key], key, problems) for key, reader in _SIMPLE.items() if key in fields}
    _check_labels(node, read.get("labels", {}), problems)
    found = ports(fields["ports"], "ports", problems) if "ports" in fields else ()
    found += exposed(fields["expose"], "expose", problems) if "expose" in fields else ()
    if "restart" in fields:
        read["restart"], read["restart_attempts"] = values.restart(fields["restart"], "restart", problems)
    read |= read_resources(fields, problems) | namespaces(fields, problems)
    if not read.get("network_mode"):
        read["networks"] = attachments(fields.get("networks"), declared, problems)
    update = read_update(fields, problems)
    mounts, stored = _mounts(name, node, fields, declared, problems)
    mounts = _as_updated(mounts, update, app, name, node, problems)
    read.setdefault("image", "")
    container = _container_name(app, name, fields, problems)
    if "x-ignore-drift" in fields:
        read["ignored"] = read_ignored(fields["x-ignore-drift"], problems)
    service = Service(name=name, container_name=container, ports=found, mounts=mounts, update=update, **read)
    _check_start_first(service, node, problems)
    return service, stored


def _mounts(
    name: str, node: Node, fields: Mapping[str, Node], declared: Declared, problems: Problems
) -> tuple[tuple[Mount, ...], tuple[ConfigFile, ...]]:
    mounts = volumes(fields["volumes"], declared, problems) if "volumes" in fields else ()
    stored: tuple[ConfigFile, ...] = ()
    for kind, known in (("config", declared.configs), ("secret", declared.secrets)):
        pairs = files(kind, fields[f"{kind}s"], known, problems) if f"{kind}s" in fields else ()
        mounts += tuple(mount for mount, _ in pairs)
        stored += tuple(file for _, file in pairs)
    memory = texts(fields["tmpfs"], "tmpfs", Problems()) if "tmpfs" in fields else ()
    targets = [*(mount.target for mount in mounts), *(entry.partition(":")[0] for entry in memory)]
    _check_targets(node, name, targets, problems)
    return mounts, stored


def _as_updated(
    mounts: tuple[Mount, ...], update: Update, app: str, name: str, node: Node, problems: Problems
) -> tuple[Mount, ...]:
    """The mounts, with what the service's updates need of them."""
    if update.reload:
        mounts = live_mounts(mounts, app, name)
    if update.lock:
        mounts += (Mount("lock", update.lock, f"{app}/{name}"),)
        _check_targets(node, name, [mount.target for mount in mounts], problems)
    return mounts


def _check_start_first(service: Service, node: Node, problems: Problems) -> None:
    """Two containers of one service cannot have what is there once."""
    if not service.update.starts_first:
        return
    once = {
        "a published port": any(
            port.published not in ("", "-") and "-" not in port.published for port in service.ports
        ),
        "a fixed address": any(one.ipv4_address or one.ipv6_address or one.mac_address for one in service.networks),
        "a MAC address": bool(service.mac_address),
        "the network of the device": service.network_mode == "host",
    }
    for what, is_there in once.items():
        if is_there:
            advice = "remove it, or use `order: stop-first`"
            problems.add(node.key, f"`{service.name}` has {what}, and `order: start-first` runs two of it", advice)


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
