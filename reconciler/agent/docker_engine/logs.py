"""What services wrote: the logs of a device's containers, line by line, one after the other or as they come."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.container_body import APP, DEVICE, SERVICE
from reconciler.errors import ReconcilerError

# A line without an end must not fill the memory.
_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a container, as `APP/SERVICE` wrote it; not made safe for a terminal."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Of which services, how many of the newest lines, not older than so many seconds, and whether to go on."""

    app: str = ""
    service: str = ""
    lines: int = 100
    seconds: float = 0.0
    follows: bool = False


def containers_of(client: Client, device: str, app: str, service: str) -> list[dict[str, Any]]:
    """The containers of a device, of an app or a service of it, by name, also those that a replacement leaves."""
    labels = {DEVICE: device, **({APP: app} if app else {}), **({SERVICE: service} if service else {})}
    with client.errors("list containers"):
        asked = [f"{key}={value}" for key, value in labels.items()]
        found = client.api.containers(all=True, filters={"label": asked})
        return sorted(found, key=lambda one: str(one["Names"]))


def read_logs(client: Client, device: str, excerpt: Excerpt, now: float) -> Iterator[Line]:
    """What the logs hold of it, container by container (GET /containers/{id}/logs). Raises as a Client does."""
    chosen = containers_of(client, device, excerpt.app, excerpt.service)
    if excerpt.follows:
        yield from _as_they_come(client, chosen, excerpt, now)
        return
    for one in chosen:
        yield from _of(client, one, excerpt, now)


def _of(client: Client, container: dict[str, Any], excerpt: Excerpt, now: float) -> Iterator[Line]:
    labels = container["Labels"]
    source = f"{labels.get(APP, '')}/{labels.get(SERVICE, '')}"
    since = {"since": int(now - excerpt.seconds)} if excerpt.seconds else {}
    with client.errors(f"read the logs of {source}"):
        parts = client.api.logs(container["Id"], stream=True, follow=excerpt.follows, tail=excerpt.lines, **since)
        kept = b""
        for part in parts:
            *whole, kept = (kept + part).split(b"\n")
            for line in whole:
                yield Line(source, line.decode("utf-8", "replace").rstrip("\r"))
            if len(kept) > _MOST:
                yield Line(source, kept.decode("utf-8", "replace"))
                kept = b""
        if kept:
            yield Line(source, kept.decode("utf-8", "replace"))


def _as_they_come(client: Client, containers: list[dict[str, Any]], excerpt: Excerpt, now: float) -> Iterator[Line]:
    """Of all at once, until each has ended."""
    told: queue.Queue[Line | ReconcilerError | None] = queue.Queue(maxsize=1000)

    def listen(container: dict[str, Any]) -> None:
        try:
            for line in _of(client.patient(), container, excerpt, now):
                told.put(line)
        except ReconcilerError as error:
            told.put(error)
        told.put(None)

    for container in containers:
        threading.Thread(target=listen, args=(container,), daemon=True).start()
    left = len(containers)
    while left:
        line = told.get()
        if isinstance(line, ReconcilerError):
            raise line
        left -= line is None
        if line is not None:
            yield line
