"""What an Engine says of itself, of what occupies its machine, and of registries. Looks only, and soon gives up."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.errors
import requests

from reconciler.agent.docker_engine import answers
from reconciler.agent.docker_engine import container_body as labels
from reconciler.agent.docker_engine.client import Client
from reconciler.errors import EngineError, ImageUnavailable

# Somebody waits for the answer.
PATIENCE_SECONDS = 15.0
_MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """One Engine. `time` is by its clock, in seconds since 1970; `root` is where its images lie, if on this machine.

    `proxies` are the hosts that it goes by, without the credentials that may stand before them.
    """

    version: str
    api: str
    architecture: str
    time: float
    root: Path | None
    runtimes: frozenset[str]
    log_drivers: frozenset[str]
    network_drivers: frozenset[str]
    volume_drivers: frozenset[str]
    proxies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakenPort:
    """A port of the machine that somebody listens at. `address` is empty for every one of the machine."""

    number: int
    protocol: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Occupant:
    """A container, whoever made it. `device` is whose it is by our label; empty, when it is not ours."""

    name: str
    device: str
    ports: tuple[TakenPort, ...] = ()


class Probe:
    """One Engine, asked by somebody who does not wait for long. Raises as a Client does."""

    def __init__(self, url: str, patience: float = PATIENCE_SECONDS) -> None:
        self._client, self._patience = Client(url, patience), patience

    def facts(self) -> EngineFacts:
        """GET /version and GET /info."""
        with self._client.errors("ask what it is"):
            version, info = self._client.api.version(), self._client.api.info()
            plugins = info.get("Plugins") or {}
            return EngineFacts(
                version=str(version["Version"]),
                api=str(version["ApiVersion"]),
                architecture=str(version["Arch"]),
                time=answers.moment(info["SystemTime"]),
                root=Path(info["DockerRootDir"]) if self._client.is_on_this_machine else None,
                runtimes=frozenset(info.get("Runtimes") or ()),
                log_drivers=frozenset(plugins.get("Log") or ()),
                network_drivers=frozenset(plugins.get("Network") or ()),
                volume_drivers=frozenset(plugins.get("Volume") or ()),
                proxies=_proxies(info.get(key) or "" for key in ("HttpsProxy", "HttpProxy")),
            )

    def occupants(self) -> tuple[Occupant, ...]:
        """Every container, with the ports that it holds at the moment (GET /containers/json)."""
        with self._client.errors("list containers"):
            return tuple(_occupant(one) for one in self._client.api.containers(all=True))

    def networks(self) -> dict[str, str]:
        """The device that each network is of, by its label; only those that carry one (GET /networks)."""
        with self._client.errors("list networks"):
            found = ((one["Name"], (one.get("Labels") or {}).get(labels.DEVICE)) for one in self._client.api.networks())
            return {str(name): str(device) for name, device in found if device}

    def platforms(self, image: str) -> tuple[str, ...]:
        """For which machines a registry has an image, as OS/ARCHITECTURE (GET /distribution/{name}/json).

        The Engine asks, by its own proxy and certificates, as it does for a pull. Raises ImageUnavailable.
        """
        try:
            with self._client.errors(f"ask for {image}"):
                found: Any = self._client.api.inspect_distribution(image)
                named = [(one.get("os"), one.get("architecture")) for one in found.get("Platforms") or ()]
                return tuple(f"{system}/{machine}" for system, machine in named if system and machine)
        except EngineError as error:
            if isinstance(error.__cause__, requests.ReadTimeout):
                raise ImageUnavailable(f"{image}: no answer within {self._patience:g} s") from error
            if isinstance(error.__cause__, docker.errors.APIError):
                told = re.sub(r"\s+", " ", str(error.__cause__.explanation or error.__cause__))
                raise ImageUnavailable(f"{image}: {told[:_MOST_WORDS]}") from error
            raise


def _occupant(found: answers.Answer) -> Occupant:
    held = {
        TakenPort(int(port["PublicPort"]), str(port["Type"]), str(port.get("IP") or ""))
        for port in found.get("Ports") or ()
        if port.get("PublicPort")
    }
    device = str((found["Labels"] or {}).get(labels.DEVICE, ""))
    ports = sorted(held, key=lambda port: (port.number, port.protocol, port.address))
    return Occupant(answers.own_name(found["Names"]), device, tuple(ports))


def _proxies(written: Iterable[str]) -> tuple[str, ...]:
    """Host and port of each, and nothing else: what stands before them may be a password."""
    return tuple(dict.fromkeys(filter(None, (_host(one) for one in written))))


def _host(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname or "")
    except ValueError:
        return ""
