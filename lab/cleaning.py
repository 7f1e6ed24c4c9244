"""What is on an Engine, and removing what was not there before."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import docker
from docker.errors import APIError

_PREDEFINED = {"bridge", "host", "none"}


@dataclass(frozen=True, slots=True)
class Belongings:
    """Ids of everything somebody may have made on an Engine."""

    containers: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()


def belongings(url: str) -> Belongings:
    """What is there now."""
    client = docker.APIClient(base_url=url, timeout=60)
    try:
        networks = [entry for entry in client.networks() if entry["Name"] not in _PREDEFINED]
        return Belongings(
            frozenset(entry["Id"] for entry in client.containers(all=True)),
            frozenset(entry["Id"] for entry in networks),
            frozenset(entry["Name"] for entry in client.volumes()["Volumes"] or ()),
            frozenset(entry["Id"] for entry in client.images()),
        )
    finally:
        client.close()


def empty(url: str, keep: Belongings) -> None:
    """Remove all but `keep`; containers first, as the rest is in use by them."""
    found = belongings(url)
    client = docker.APIClient(base_url=url, timeout=60)
    try:
        _each(found.containers - keep.containers, lambda key: client.remove_container(key, force=True, v=True))
        _each(found.networks - keep.networks, client.remove_network)
        _each(found.volumes - keep.volumes, lambda key: client.remove_volume(key, force=True))
        # Images lie in the data root of a private Engine, and go with it.
        if keep != Belongings():
            _each(found.images - keep.images, lambda key: client.remove_image(key, force=True))
    finally:
        client.close()


def _each(keys: frozenset[str], remove: Callable[[str], object]) -> None:
    for key in keys:
        with suppress(APIError):  # gone meanwhile, or held by something that is not ours
            remove(key)
