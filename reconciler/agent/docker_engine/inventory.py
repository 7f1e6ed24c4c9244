"""What an Engine has of a device, for who helps from afar: an allow-list, so no environment and no command."""

from collections.abc import Iterable, Mapping

import docker.errors

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine import container_body as labels
from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.logs import containers_of
from reconciler.model.codec import Plain

# A device has some dozens; what is beyond is left out.
MOST = 200
_LABELS = (labels.DEVICE, labels.APP, labels.SERVICE, labels.FINGERPRINT, labels.JOINED, labels.PROJECT)


def inventory(client: Client, device: str) -> list[Plain]:
    """The containers of a device, each as an inspect shows it, by name. Raises as a Client does."""
    found: list[Plain] = []
    for one in containers_of(client, device, "", "")[:MOST]:
        with client.errors("look at its containers"):
            try:
                found.append(_container(client.api.inspect_container(one["Id"])))
            except docker.errors.NotFound:
                # Removed since it was listed.
                continue
    return found


def names_of(client: Client, kind: str) -> list[str]:
    """The names of all `networks` or `volumes`, each with the device that it is of, if one. Raises as a Client does."""
    with client.errors(f"list its {kind}"):
        found = client.api.networks() if kind == "networks" else client.api.volumes()["Volumes"] or []
        named = ((one["Name"], (one.get("Labels") or {}).get(labels.DEVICE, "")) for one in found)
        return [f"{name} {device}".rstrip() for name, device in sorted(named)]


def _container(found: answers.Answer) -> Plain:
    """GET /containers/{id}/json."""
    state, network = found["State"], found["NetworkSettings"]
    carried = found["Config"].get("Labels") or {}
    policy = found["HostConfig"]["RestartPolicy"]
    return {
        "name": found["Name"].removeprefix("/"),
        "id": found["Id"],
        "image": found["Config"]["Image"],
        "image_id": found["Image"],
        "created": found["Created"],
        "state": state["Status"],
        "health": (state.get("Health") or {}).get("Status", ""),
        "failed_checks": (state.get("Health") or {}).get("FailingStreak", 0),
        "exit_code": state["ExitCode"],
        "out_of_memory": bool(state.get("OOMKilled")),
        "started_at": state["StartedAt"],
        "finished_at": state["FinishedAt"],
        "restarts": found["RestartCount"],
        "restart": f"{policy['Name'] or 'no'}:{policy['MaximumRetryCount']}",
        "log_driver": (found["HostConfig"].get("LogConfig") or {}).get("Type", ""),
        "labels": {key: carried[key] for key in _LABELS if key in carried},
        "ports": sorted(_ports(network.get("Ports") or {})),
        "mounts": sorted(_mounts(found["Mounts"])),
        "networks": sorted(network.get("Networks") or {}),
    }


def _ports(found: Mapping[str, list[Mapping[str, str]] | None]) -> Iterable[str]:
    """As `docker ps` shows them; one that is only exposed stands alone."""
    for port, bound in found.items():
        yield from (f"{one['HostIp']}:{one['HostPort']}->{port}" for one in bound or ())
        if not bound:
            yield port


def _mounts(found: Iterable[answers.Answer]) -> Iterable[str]:
    """Where, of which kind, and whether it may be written; not what: a path of the device may say much."""
    return (f"{one['Destination']} {one['Type']} {'rw' if one['RW'] else 'ro'}" for one in found)
