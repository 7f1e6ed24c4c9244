"""A rendered app as an ordinary Compose file again, in the form that `docker compose config` prints. Pure."""

from collections.abc import Mapping

from reconciler.manifests.compose.text_values import (
    attachment,
    device,
    device_request,
    duration,
    escaped,
    file_entry,
    healthcheck,
    limits,
    link,
    logging,
    mount,
    network,
    port,
    volume,
    without_empty,
)
from reconciler.model import App, Service, Update
from reconciler.model.codec import to_plain
from reconciler.reading import Plain

# Fields of Service that are Compose keys of the same name and form.
_SAME = (
    "image container_name command entrypoint environment tmpfs labels annotations hostname domainname user working_dir "
    "stop_signal platform runtime read_only init tty stdin_open privileged cap_add cap_drop security_opt group_add "
    "device_cgroup_rules dns dns_search dns_opt sysctls storage_opt network_mode mac_address ipc pid uts "
    "userns_mode cgroup cgroup_parent oom_kill_disable oom_score_adj"
).split()
_DEFAULT_UPDATE = Update()


def to_compose(app: App) -> dict[str, Plain]:
    """The app as a Compose document in long forms, with every name and variable resolved."""
    names = {found.name: found.key for found in app.networks} | {found.name: found.key for found in app.volumes}
    keys = _keys(app)
    document: dict[str, Plain] = {
        "name": app.name,
        "services": {service.name: _service(service, app, names, keys) for service in app.services},
        "networks": {one.key: network(one) for one in app.networks},
        "volumes": {one.key: volume(one) for one in app.volumes},
        "configs": _files(app, keys),
        "secrets": _sealed(app, keys),
        "x-adopt": True if app.adopt else None,
    }
    return {key: escaped(value) for key, value in without_empty(document).items()}


def _files(app: App, keys: Mapping[str, str]) -> dict[str, Plain]:
    """The files that services mount, by key. Compose takes content as text only, and for configs only."""
    return {
        keys[file.name]: {
            "name": f"{app.name}_{keys[file.name]}",
            "content": file.content.decode("utf-8", "replace"),
        }
        for file in app.configs
        if not file.secret
    }


def _sealed(app: App, keys: Mapping[str, str]) -> dict[str, Plain]:
    """The sealed secrets, by key: from where they come is all that is told of them."""
    return {keys[file.name]: {"name": file.secret, "external": True} for file in app.configs if file.secret}


def _keys(app: App) -> dict[str, str]:
    """The key of each file, by its name. A config and a secret may have one key, and two contents."""
    contents: dict[str, set[str]] = {}
    for file in app.configs:
        contents.setdefault(file.key, set()).add(file.digest)
    return {
        file.name: file.key if len(contents[file.key]) == 1 else f"{file.key}-{file.digest[:8]}" for file in app.configs
    }


def _mounted(service: Service, app: App, keys: Mapping[str, str]) -> dict[str, Plain]:
    """The files that a service mounts: as configs, and as secrets those that are sealed."""
    files = {file.name: file for file in app.configs}
    mounted = [one for one in service.mounts if one.kind in ("config", "secret")]
    return {
        section: [
            file_entry(one, files[one.source], keys[one.source])
            for one in mounted
            if bool(files[one.source].secret) is is_sealed
        ]
        for section, is_sealed in (("configs", False), ("secrets", True))
    }


def _service(service: Service, app: App, names: Mapping[str, str], keys: Mapping[str, str]) -> Plain:
    plain = to_plain(service)
    fields: dict[str, Plain] = {key: plain[key] for key in _SAME if key in plain} if isinstance(plain, dict) else {}
    fields |= _mounted(service, app, keys)
    fields |= {
        "restart": _restart(service),
        "devices": [device(one) for one in service.devices],
        "ports": [port(one) for one in service.ports if one.published != "-"],
        "expose": [_exposed(one.target, one.protocol) for one in service.ports if one.published == "-"],
        "volumes": [mount(one, names) for one in service.mounts if one.kind not in ("config", "secret", "lock")],
        "networks": {names[joined.network]: attachment(joined) for joined in service.networks},
        "links": [link(one) for one in service.links],
        "extra_hosts": [one.replace(":", "=", 1) for one in service.extra_hosts],
        "depends_on": {
            needed.service: {
                "condition": needed.condition.value,
                "required": needed.required,
                **({"restart": True} if needed.restart else {}),
            }
            for needed in service.depends_on
        },
        "healthcheck": healthcheck(service.healthcheck) if service.healthcheck else None,
        "logging": logging(service.logging),
        "ulimits": {n: u.soft if u.soft == u.hard else to_plain(u) for n, u in service.ulimits.items()},
        "shm_size": str(service.shm_size) if service.shm_size is not None else None,
        "pull_policy": "" if service.pull_policy == "missing" else service.pull_policy,
        **limits(service),
        **_ours(service.update),
        "x-ignore-drift": [to_plain(one) for one in service.ignored],
    }
    fields["deploy"] = _deploy(service)
    # An empty one takes the image's away, so it says something.
    emptied: dict[str, Plain] = {key: [] for key in ("command", "entrypoint") if getattr(service, key) == ()}
    return without_empty(fields) | emptied


def _exposed(target: int, protocol: str) -> str:
    return str(target) if protocol == "tcp" else f"{target}/{protocol}"


def _restart(service: Service) -> str:
    if service.restart_attempts:
        return f"{service.restart}:{service.restart_attempts}"
    return "" if service.restart == "no" else service.restart


def _update_config(update: Update) -> dict[str, Plain]:
    found: dict[str, Plain] = {"monitor": duration(update.monitor), "order": update.order}
    if update.failure_action != _DEFAULT_UPDATE.failure_action:
        found["failure_action"] = update.failure_action
    if update.together:
        found["x-rollback"] = "together"
    return found


def _ours(update: Update) -> dict[str, Plain]:
    """The keys that Compose does not know, and ignores."""
    lock: Plain = {"path": update.lock, "override": True} if update.lock_is_overridden else update.lock
    pull = "" if update.pull == _DEFAULT_UPDATE.pull else update.pull
    return {"x-pull": pull, "x-reload": update.reload, "x-update-lock": lock}


def _deploy(service: Service) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    if _update_config(service.update) != _update_config(_DEFAULT_UPDATE):
        found["update_config"] = _update_config(service.update)
    if service.device_requests:
        requests = [device_request(one) for one in service.device_requests]
        found["resources"] = {"reservations": {"devices": requests}}
    return found
