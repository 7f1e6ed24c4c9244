"""What a Compose document in canonical form means, so that two of them can be compared by value.

`meaning` is used on both sides: on what `docker compose config` printed and on what `to_compose` prints. What it leaves
out or joins stands in `DIFFERENCES`, with the reason; everything else must be equal.
"""

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Plain = Any
Files = Callable[[str], str | None]
Contents = Mapping[str, Mapping[str, Plain]]

# Where in config.json something may change without a difference -> why. `*` is any text, dots too.
DIFFERENCES = {
    "x-*": "an extension says nothing",
    "services.*.profiles.*": "profiles chose the services that are here, and are used up",
    "services.*.ports.*.mode": "one Engine publishes a port in one way",
    "services.*.ports.*.name": "a name of a port is for people",
    "services.*.ports.*.app_protocol": "the Engine does not look into a port",
    "services.*.attach": "says whose output `up` shows",
    "services.*.scale": "a service has one container; other numbers are refused",
    "services.*.deploy.replicas": "likewise",
    "services.*.deploy.mode": "likewise",
    "services.*.deploy.endpoint_mode": "Swarm's: Compose does nothing with it",
    "services.*.deploy.labels.*": "Swarm's: labels of a service, not of its container",
    "services.*.deploy.placement.*": "Swarm's: there is one machine",
    "services.*.deploy.rollback_config.*": "Swarm's: Compose does nothing with it",
    "services.*.deploy.update_config.*": "Swarm's: Compose does nothing with it; what we do is ours",
    "services.*.deploy.restart_policy.delay": "Swarm's: the Engine chooses the delay",
    "services.*.deploy.restart_policy.window": "likewise",
    "services.*.deploy.resources.reservations.cpus": "Swarm's: one Engine reserves no CPUs",
    "services.*.deploy.resources.reservations.generic_resources.*": "Swarm's: one Engine has none",
    "configs.*.name": "the name of a file; services are compared by its content",
    "secrets.*.name": "likewise",
}
# The same for single cases.
DIFFERENCES_OF_CASES = {
    ("deploy-with-a-restart-policy", "services.both.restart"): "`deploy.restart_policy` wins over `restart`",
    ("profiles-and-optional-dependencies", "services.web.depends_on.debug.condition"): "it is not there",
    ("extends-changes-the-kind-of-volumes-and-networks", "services.web.healthcheck.interval"): "it is switched off",
    ("extends-changes-the-kind-of-volumes-and-networks", "services.web.healthcheck.test.0"): "likewise",
    ("extends-changes-the-kind-of-volumes-and-networks", "services.web.healthcheck.test.1"): "likewise",
}
# Entries that are as good as missing, because they say what holds without them.
DEFAULTS = {"restart": "no", "pull_policy": "missing", "condition": "any", "mode": "0444", "permissions": "rwm"}
# Cases that say a thing twice, once under `deploy`: one of the two may be missing.
SAID_TWICE = {"deploy-beside-its-own-keys"}

# Keys that stand for texts of the user's own; nothing in them is read.
_FREE = {"environment", "labels", "options", "driver_opts", "annotations", "sysctls", "storage_opt", "aux_addresses"}
_DURATIONS = {"interval", "timeout", "start_period", "start_interval", "stop_grace_period"}
_NUMBERS = {"mem_limit", "mem_reservation", "memswap_limit", "shm_size", "size", "mem_swappiness", "cpus", "pids_limit"}
# Lists whose order says nothing to the Engine.
_UNORDERED = {"ports", "expose", "volumes", "extra_hosts", "devices"}
# Here "no" is not the same as not said.
_THREE_VALUED = {"init", "enable_ipv4", "enable_ipv6", "required"}
_SWITCHES_OF_COMPOSE = {"profiles", "attach", "scale"}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RESTART = {"any": "always", "none": "no"}


def is_different(case: str, path: str) -> bool:
    """May this leaf of config.json change without a difference?"""
    return any(fnmatchcase(path, pattern) for pattern in DIFFERENCES) or (case, path) in DIFFERENCES_OF_CASES


def meaning(document: Mapping[str, Plain], files: Files) -> dict[str, Plain]:
    """The document by value. `files` gives the content of a file by `/project/...`, or a variable by `$NAME`."""
    whole = _unescaped(document)
    contents = {
        kind: {key: _content(entry, files) for key, entry in whole.pop(kind, {}).items()}
        for kind in ("configs", "secrets")
    }
    said = whole.pop("services", {})
    services = {name: _service(name, _without_absent(service, said), contents) for name, service in said.items()}
    return {"services": services, **_by_value({key: value for key, value in whole.items() if key[:2] != "x-"})}


def files_of(folder: Path, variables: Mapping[str, str]) -> Files:
    """The files and variables of a case."""

    def read(name: str) -> str | None:
        path = folder / name.removeprefix("/project/")
        return variables.get(name[1:]) if name.startswith("$") else path.read_text() if path.is_file() else None

    return read


def _content(entry: Mapping[str, Plain], files: Files) -> Plain:
    if "content" in entry:
        return entry["content"]
    if "external" in entry:
        return entry
    name = entry["file"] if "file" in entry else f"${entry['environment']}"
    content = files(name)
    return {"missing": name} if content is None else content


def _service(name: str, service: Mapping[str, Plain], contents: Contents) -> dict[str, Plain]:
    fields = {key: value for key, value in service.items() if key not in _SWITCHES_OF_COMPOSE}
    files = [_file(kind, file, contents) for kind in contents for file in fields.pop(kind, [])]
    networks = fields.pop("networks", None) or {}
    emptied = {key: [] for key in ("command", "entrypoint") if fields.get(key) == []}
    said = _folded({key: _READ[key](value) if value and key in _READ else value for key, value in fields.items()})
    if said.get("container_name") == f"shop-{name}-1":
        del said["container_name"]
    return {
        **{key: value for key, value in _by_value(said).items() if DEFAULTS.get(key) != value},
        **emptied,
        # A network without anything beside it is joined, too.
        "networks": {key: _by_value(value or {}) for key, value in networks.items()},
        "files": sorted(files, key=_in_one_order),
    }


def _without_absent(service: Mapping[str, Plain], services: Mapping[str, Plain]) -> dict[str, Plain]:
    """Compose prints optional dependencies on services whose profiles are off, and would not read them again."""
    needs = service.get("depends_on") or {}
    kept = {name: need for name, need in needs.items() if need.get("required", True) or name in services}
    return {**service, "depends_on": kept}


def _file(kind: str, file: Mapping[str, Plain], contents: Contents) -> dict[str, Plain]:
    """A config or a secret in a container: to the Engine, both are a file."""
    target, mode = file.get("target") or file["source"], file.get("mode")
    return {
        "target": posixpath.join("/" if kind == "configs" else "/run/secrets", target),
        "content": contents[kind].get(file["source"], {"undefined": file["source"]}),
        # Who says no mode can read it, as one who says 0444.
        "mode": int(mode, 8) if isinstance(mode, str) else 0o444 if mode is None else mode,
        "owner": [str(file.get(key, "")) for key in ("uid", "gid")],
    }


def _folded(fields: Mapping[str, Plain]) -> dict[str, Plain]:
    """`deploy` and keys of the service that set the same things of a container, as one. Both must say the same."""
    found = dict(fields)
    deploy = found.pop("deploy", None) or {}
    resources = deploy.get("resources") or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    said = {"cpus": limits.get("cpus"), "mem_limit": limits.get("memory"), "pids_limit": limits.get("pids")}
    for key, value in {**said, "mem_reservation": reserved.get("memory")}.items():
        if value is not None:
            own = found.get(key)
            found[key] = value if own is None or float(own) == float(value) else {"here": own, "deploy": value}
    policy = deploy.get("restart_policy")
    if policy is not None:
        # Compose leaves it to the Engine, which then restarts nothing; the specification says `any`, and so do we.
        condition = policy.get("condition", "any")
        attempts = f":{policy['max_attempts']}" if policy.get("max_attempts") else ""
        found["restart"] = _RESTART.get(condition, condition) + attempts
    gpus = [
        # `gpus` asks for the capability without saying it.
        {**gpu, "capabilities": sorted({*gpu.get("capabilities", []), "gpu"})}
        for gpu in found.pop("gpus", None) or []
    ]
    requests = [*reserved.get("devices", []), *gpus]
    return {**found, "device requests": [{**one, "capabilities": sorted(one["capabilities"])} for one in requests]}


def _ports(ports: list[dict[str, Plain]]) -> Plain:
    return [{key: port[key] for key in port if key not in ("mode", "name", "app_protocol")} for port in ports]


def _exposed(ports: list[Plain]) -> Plain:
    """Ranges one by one, with their protocol."""
    found = []
    for port in map(str, ports):
        numbers, _, protocol = port.partition("/")
        first, _, last = numbers.partition("-")
        found += [f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)]
    return found


def _mounts(mounts: list[dict[str, Plain]]) -> Plain:
    """A bind without `bind` makes its folder; one with `bind` says whether, and Compose prints no `false`."""
    return [
        {**mount, "bind": mount.get("bind", {"create_host_path": True})} if mount["type"] == "bind" else mount
        for mount in mounts
    ]


def _devices(devices: list[Plain]) -> Plain:
    """Compose prints mappings."""
    names = ("source", "target", "permissions")
    read = [dict(zip(names, each.split(":"), strict=False)) if isinstance(each, str) else each for each in devices]
    # The Engine's own default.
    return [{"permissions": "rwm", **each} for each in read]


def _ulimits(limits: dict[str, Plain]) -> Plain:
    """One number is both; Compose prints `{}` for 0."""
    both = {
        name: limit if isinstance(limit, dict) else {"soft": limit, "hard": limit} for name, limit in limits.items()
    }
    return {name: [limit.get("soft", 0), limit.get("hard", 0)] for name, limit in both.items()}


def _healthcheck(check: dict[str, Plain]) -> Plain:
    return {"test": ["NONE"]} if check.get("disable") or check.get("test") == ["NONE"] else check


_READ: dict[str, Callable[[Plain], Plain]] = {
    "ports": _ports,
    "expose": _exposed,
    "volumes": _mounts,
    "devices": _devices,
    "ulimits": _ulimits,
    "healthcheck": _healthcheck,
    "extra_hosts": lambda hosts: [re.sub("[=:]", "=", host, count=1) for host in hosts],
}


def _by_value(value: Plain, key: str = "") -> Plain:
    """Durations and sizes as numbers, lists without an order in one order, and nothing that says nothing."""
    if isinstance(value, dict):
        read = {name: child if key in _FREE else _by_value(child, name) for name, child in value.items()}
        return {name: child for name, child in read.items() if _says_something(name, child)}
    if isinstance(value, list):
        read_list = [_by_value(child) for child in value]
        return sorted(read_list, key=_in_one_order) if key in _UNORDERED else read_list
    if key in _DURATIONS:
        return _seconds(str(value))
    return float(value) if key in _NUMBERS and value is not None else value


def _in_one_order(value: Plain) -> str:
    return json.dumps(value, sort_keys=True)


def _says_something(key: str, value: Plain) -> bool:
    return value not in (None, [], {}) and (value is not False or key in _THREE_VALUED)


def _seconds(text: str) -> float:
    parts = re.findall(r"([0-9.]+)(h|ms|us|µs|ns|m|s)", text)
    assert "".join(map("".join, parts)) == text, f"{text!r} is no duration"
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts), 9)


def _unescaped(value: Plain) -> Plain:
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, list):
        return [_unescaped(child) for child in value]
    if isinstance(value, dict):
        return {_unescaped(key): _unescaped(child) for key, child in value.items()}
    return value
