"""Removes from somebody else's Engine what one device of ours left there, found by its label, and nothing else."""

import docker
from docker.errors import APIError

_LABEL = "fleet.device"


def remove_owned(url: str, device: str) -> None:
    """Remove the containers, networks and volumes of a device, and the images of the lab."""
    client = docker.DockerClient(base_url=url)
    mine = {"label": f"{_LABEL}={device}"}
    try:
        for container in client.containers.list(all=True, filters=mine):
            container.remove(force=True, v=True)
        for network in client.networks.list(filters=mine):
            network.remove()
        for volume in client.volumes.list(filters=mine):
            volume.remove(force=True)
    finally:
        client.close()
    remove_images(url)


def remove_images(url: str) -> None:
    """Remove every image that is named for a registry on loopback, and the base of those that the lab builds."""
    client = docker.DockerClient(base_url=url)
    try:
        for image in client.images.list():
            for name in (*image.tags, *image.attrs["RepoDigests"]):
                if name.startswith(("127.0.0.1:", "lab/busybox")):
                    _untag(client, name)
    finally:
        client.close()


def _untag(client: docker.DockerClient, name: str) -> None:
    try:
        client.images.remove(name)
    except APIError as error:
        # In use by somebody else, or gone with its other name: both leave nothing of ours.
        if error.status_code not in (404, 409):
            raise
