"""The images of the corpus on an Engine, and what is on it."""

import docker

from lab.base import BASE

BOXES = ("box:1", "box:2")
_BUILT_IN = ("bridge", "host", "none")


def tag_boxes(client: docker.DockerClient) -> None:
    """Have the images that the corpus names."""
    for name in BOXES:
        client.images.get(BASE).tag(*name.split(":"))


def names_of(client: docker.DockerClient) -> dict[str, set[str]]:
    """Everything on an Engine that was empty before; volumes that somebody named."""
    volumes = {volume["Name"] for volume in client.api.volumes()["Volumes"] or []}
    return {
        "containers": {container.name for container in client.containers.list(all=True)},
        "networks": {network["Name"] for network in client.api.networks()} - {*_BUILT_IN},
        "volumes": {name for name in volumes if len(name) != 64},
    }


def clean(client: docker.DockerClient) -> None:
    """Remove everything from an Engine that is ours alone."""
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    for network in client.api.networks():
        if network["Name"] not in _BUILT_IN:
            client.api.remove_network(network["Id"])
    for volume in client.api.volumes()["Volumes"] or []:
        client.api.remove_volume(volume["Name"], force=True)
