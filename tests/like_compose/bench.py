"""An Engine with what the projects of the corpus take for granted: images, and networks and volumes from outside."""

import json
import socket
from pathlib import Path

import docker

from lab.base import BASE

BOXES = ("box:1", "box:2")
_BUILT_IN = ("bridge", "host", "none")


def tag_boxes(client: docker.DockerClient) -> None:
    """Have the images that the corpus names."""
    for name in BOXES:
        client.images.get(BASE).tag(*name.split(":"))


def missing_interfaces(folder: Path) -> set[str]:
    """The interfaces of the machine that networks of a project hang on, those apart that are there."""
    networks = json.loads((folder / "config.json").read_text()).get("networks", {}).values()
    wanted = {network.get("driver_opts", {}).get("parent", "lo") for network in networks}
    return wanted - {name for _, name in socket.if_nameindex()}


def make_external(client: docker.DockerClient, folder: Path) -> None:
    """Have the networks and volumes that a project says are there already."""
    project = json.loads((folder / "config.json").read_text())
    for network in project.get("networks", {}).values():
        if network.get("external"):
            client.api.create_network(network["name"], driver="bridge")
    for volume in project.get("volumes", {}).values():
        if volume.get("external"):
            client.api.create_volume(volume["name"])


def names_of(client: docker.DockerClient) -> dict[str, set[str]]:
    """Everything on an Engine that was empty before; volumes that somebody named."""
    volumes = {volume["Name"] for volume in client.api.volumes()["Volumes"] or []}
    return {
        "containers": {container.name for container in client.containers.list(all=True)},
        "networks": {network["Name"] for network in client.api.networks()} - {*_BUILT_IN},
        "volumes": {name for name in volumes if len(name) != 64},
    }


def clean(client: docker.DockerClient) -> None:
    """Remove everything from an Engine that is ours alone, but for its images."""
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    for network in client.api.networks():
        if network["Name"] not in _BUILT_IN:
            client.api.remove_network(network["Id"])
    for volume in client.api.volumes()["Volumes"] or []:
        client.api.remove_volume(volume["Name"], force=True)
