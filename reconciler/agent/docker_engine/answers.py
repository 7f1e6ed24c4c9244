"""Reads the Engine's answers into values. Pure; a wrong shape is a KeyError, TypeError or ValueError for the caller."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.agent.docker_engine import container_body as labels
from reconciler.agent.engine.health import Look
from reconciler.agent.engine.running_for import Run
from reconciler.agent.state.moment import rfc3339
from reconciler.model import Container, Limits, ObservedNetwork, ObservedVolume
from reconciler.planning import kept_limits

# Only the status text of the list call holds these two on Engine 20.10.
_STATUS_EXIT = re.compile(r"Exited \((\d+)\)")
_STATUS_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
# What the Engine calls a volume that nobody named.
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_NANOSECONDS = 1e9
_NEVER = "0001-"
_PATH = re.compile(r"[A-Za-z0-9_./-]+")

Answer = Mapping[str, Any]


def container(
    found: Answer, network_ids: Mapping[str, str], inspected: "Inspected", folders: Collection[Path]
) -> Container:
    """One element of GET /containers/json. `network_ids` are those of today, by name; `folders` hold configs."""
    carried, status = found["Labels"], found["Status"]
    joined = found["NetworkSettings"]["Networks"] or {}
    exited, health = _STATUS_EXIT.search(status), _STATUS_HEALTH.search(status)
    return Container(
        id=found["Id"],
        name=own_name(found["Names"]),
        app=carried.get(labels.APP, ""),
        service=carried.get(labels.SERVICE, ""),
        fingerprint=carried.get(labels.FINGERPRINT, ""),
        image=found["Image"],
        image_id=found["ImageID"],
        state=found["State"],
        health=health[1] if health else "",
        exit_code=int(exited[1]) if exited else None,
        networks=frozenset(joined),
        stale_networks=frozenset(
            name
            for name, endpoint in joined.items()
            # Before its first start, a container knows no id yet.
            if endpoint["NetworkID"] and network_ids.get(name, endpoint["NetworkID"]) != endpoint["NetworkID"]
        ),
        limits=inspected.limits,
        restart=inspected.restart,
        restart_attempts=inspected.restart_attempts,
        files=_files(found, folders),
        joined=frozenset(carried.get(labels.JOINED, "").split()),
        anonymous_volumes=_anonymous(found),
        started_at=inspected.started_at,
        restarts=inspected.restarts,
        out_of_memory=inspected.out_of_memory,
    )


def _files(found: Answer, folders: Collection[Path]) -> frozenset[str]:
    binds = (Path(mount["Source"]) for mount in found["Mounts"] if mount["Type"] == "bind")
    return frozenset(path.name for path in binds if path.parent in folders)


def _anonymous(found: Answer) -> dict[str, str]:
    volumes = (mount for mount in found["Mounts"] if mount["Type"] == "volume")
    return {one["Destination"]: one["Name"] for one in volumes if _ANONYMOUS.fullmatch(one["Name"])}


def foreign(found: Answer) -> Container:
    """One element of GET /containers/json that is not ours, with what Docker Compose says of it if Compose made it.

    Of an agent's own container, Compose says nothing: who adopts it would stop himself in the middle.
    """
    carried = found["Labels"] or {}
    known = {labels.APP: carried.get(labels.PROJECT, ""), labels.SERVICE: carried.get(labels.COMPOSE_SERVICE, "")}
    is_of_no_app = carried.get(labels.ONE_OFF, "False") != "False" or labels.AGENT in carried
    seen = container({**found, "Labels": {} if is_of_no_app else known}, {}, UNREAD, ())
    return replace(seen, networks=frozenset(), stale_networks=frozenset())


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the list call does not hold of a container: what `docker update` changes, and how its runs began and ended.

    `state` is the Engine's word for when this was so.
    """

    limits: Limits
    restart: str
    restart_attempts: int
    state: str = ""
    started_at: str = ""
    restarts: int = 0
    out_of_memory: bool = False


# Of what belongs to others, nobody asks.
UNREAD = Inspected(Limits(), "no", 0)


def inspected(found: Answer) -> Inspected:
    """GET /containers/{id}/json."""
    host, state = found["HostConfig"], found["State"]
    policy = host["RestartPolicy"]
    swappiness = host.get("MemorySwappiness")
    limits = Limits(
        cpus=host["NanoCpus"] / _NANOSECONDS if host["NanoCpus"] else None,
        memory=host["Memory"],
        memory_reservation=host["MemoryReservation"],
        pids=host["PidsLimit"],
        memory_swap=host["MemorySwap"],
        # -1 is "not said" on some Engines.
        memory_swappiness=swappiness if swappiness != -1 else None,
        cpu_shares=host["CpuShares"],
        cpu_quota=host["CpuQuota"],
        cpu_period=host["CpuPeriod"],
        cpuset=host["CpusetCpus"],
    )
    return Inspected(
        kept_limits(limits),
        policy["Name"] or "no",
        policy["MaximumRetryCount"],
        state["Status"],
        _started(state["StartedAt"]),
        found["RestartCount"],
        bool(state.get("OOMKilled")),
    )


def _started(written: str) -> str:
    """Without what is below a second; nothing for one that was never started, of which the Engine says year 1."""
    return "" if written.startswith(_NEVER) else rfc3339(moment(written))


# What of GET /info says that the kernel keeps to these limits.
_KEPT_BY = {
    "MemoryLimit": ("memory", "memory_reservation", "memory_swap"),
    "SwapLimit": ("memory_swap",),
    "CpuCfsPeriod": ("cpu_period", "cpus"),
    "CpuCfsQuota": ("cpu_quota", "cpus"),
    "CPUShares": ("cpu_shares",),
    "CPUSet": ("cpuset",),
    "PidsLimit": ("pids",),
}


def unlimited(info: Answer) -> frozenset[str]:
    """The fields of Limits that the kernel cannot keep to (GET /info). What it does not tell, it can."""
    return frozenset(name for key, names in _KEPT_BY.items() if info.get(key) is False for name in names)


def network(found: Answer, device: str) -> ObservedNetwork:
    """One element of GET /networks."""
    own = _own(found, device)
    return ObservedNetwork(found["Id"], found["Name"], own.get(labels.APP, ""), own.get(labels.FINGERPRINT, ""))


def volume(found: Answer, device: str) -> ObservedVolume:
    """One element of GET /volumes."""
    return ObservedVolume(found["Name"], _own(found, device).get(labels.APP, ""))


def images(found: Iterable[Answer]) -> dict[str, str]:
    """GET /images/json, as the id that each tag and digest means."""
    return {name: i["Id"] for i in found for name in (*(i["RepoTags"] or ()), *(i["RepoDigests"] or ()))}


def run(found: Answer) -> Run:
    """GET /containers/{id}/json, as which run of the container it shows."""
    return Run(moment(found["State"]["StartedAt"]), found["RestartCount"])


def look(found: Answer, running_for: float) -> Look:
    """GET /containers/{id}/json, as what health is judged from."""
    state, check = found["State"], found["Config"].get("Healthcheck") or {}
    given = {
        field: check[key] / _NANOSECONDS
        for key, field in (("Interval", "interval"), ("Timeout", "timeout"), ("StartPeriod", "start_period"))
        if check.get(key)
    }
    if check.get("Retries"):
        given["retries"] = check["Retries"]
    return Look(
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        exit_code=state["ExitCode"],
        restarts=found["RestartCount"],
        out_of_memory=bool(state.get("OOMKilled")),
        running_for=running_for,
        **given,
    )


# What can make a container another than it shall be, or its report. `exec_...` is what health checks do all the time.
_CHANGES = ("create", "start", "die", "destroy", "rename", "pause", "unpause", "update", "oom", "health_status")


# Of these the events carry no labels of ours, so those of others wake us, too. A tag that moved means another image.
_OF_ALL = {
    "network": ("disconnect", "connect", "destroy"),
    "image": ("tag", "untag", "pull", "load", "import", "delete"),
}


def change(event: Answer, device: str) -> str:
    """What an event (GET /events) tells of this device's containers, of networks or images; or nothing of any."""
    kind, action, actor = event["Type"], str(event["Action"]), event["Actor"]["Attributes"]
    if kind in _OF_ALL:
        return f"{kind} {action}" if action in _OF_ALL[kind] else ""
    is_ours = kind == "container" and actor.get(labels.DEVICE) == device
    return f"{actor.get('name', '')} {action}" if is_ours and action.partition(":")[0] in _CHANGES else ""


# After these, an inspect tells something else.
_INSPECTED = ("update", "start", "die", "oom")


def is_news(event: Answer) -> bool:
    """Did something change what `inspected` reads?"""
    return event["Type"] == "container" and event["Action"] in _INSPECTED


def hidden_values(config: Answer) -> list[str]:
    """Of a container as it was asked for: the values of its environment, and words of its command that are no path.

    Of a command whose program is missing, its path is what people have to know.
    """
    pairs = [pair.partition("=")[2] for pair in config.get("Env") or ()]
    words = [word for key in ("Entrypoint", "Cmd") for word in config.get(key) or () if not _PATH.fullmatch(word)]
    return [*pairs, *words]


def without_values(text: str, values: Iterable[str]) -> str:
    """The Engine quotes what it refuses; an environment may hold what no report should."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) > 3:
            text = text.replace(value, "...")
    return text


def own_name(names: list[str]) -> str:
    """Its name among those that links to it have added, which are `/OTHER/ALIAS`."""
    return next((name.removeprefix("/") for name in names or () if name.count("/") == 1), "")


def _own(found: Answer, device: str) -> Mapping[str, str]:
    """The labels, if they are ours and this device's."""
    carried: Mapping[str, str] = found.get("Labels") or {}
    return carried if carried.get(labels.DEVICE) == device else {}


def moment(written: str) -> float:
    """An RFC 3339 time with nine digits behind the point, of which Python reads six."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", written).replace("Z", "+00:00")).timestamp()
