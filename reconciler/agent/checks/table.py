"""Every check by its id, which stays, and what one of them found."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.agent.checks import (
    certificates,
    containers,
    engine,
    files,
    git,
    images,
    name_servers,
    ports,
    rendering,
    service,
    trust,
)
from reconciler.agent.checks.checked import Checked, Skipped, Warned
from reconciler.errors import ReconcilerError
from signing import SignatureError

# In an order in which what others need comes first.
CHECKS: dict[str, Callable[[Checked], str]] = {
    "settings": files.settings,
    "owners": files.owners,
    "credentials": files.credentials,
    "identity": files.identity,
    "allowed-signers": trust.allowed_signers,
    "state-folder": files.state_folder,
    "state-room": files.state_room,
    "state-damage": files.state_damage,
    "git": git.git,
    "remote": git.remote,
    "mirrors": git.mirrors,
    "certificates": certificates.certificates,
    "trust": trust.trust,
    "refused": trust.refused,
    "fresh": trust.fresh,
    "clock": trust.clock,
    "clock-server": git.clock_server,
    "status-branch": git.status_branch,
    "report": service.report,
    "device-file": rendering.device_file,
    "rendering": rendering.rendering,
    "secrets": rendering.secrets,
    "logs": rendering.logs,
    "engine": engine.engine,
    "engine-room": engine.engine_room,
    "engine-limits": engine.engine_limits,
    "engine-clock": engine.engine_clock,
    "drivers": engine.drivers,
    "proxy": engine.proxy,
    "dns": name_servers.dns,
    "ipv6": name_servers.ipv6,
    "images": images.images,
    "registries": images.registries,
    "images-room": images.images_room,
    "names": containers.names,
    "ports": ports.ports,
    "paths": containers.paths,
    "externals": containers.externals,
    "drift": containers.drift,
    "leftovers": containers.leftovers,
    "service": service.service,
    "settings-in-use": service.settings_in_use,
    "watchdog": service.watchdog,
}
IDS = tuple(CHECKS)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `verdict` is ok, warning, failed or skipped."""

    id: str
    verdict: str
    told: str
    advice: str = ""


def check(path: Path, only: Collection[str] = IDS, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """These checks, each as soon as it is done: some wait for a server."""
    at = Checked(path, now)
    for name, one in CHECKS.items():
        if name in only:
            yield _found(name, partial(one, at))


def _found(name: str, act: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", act())
    except Skipped as error:
        return Finding(name, "skipped", error.what)
    except ReconcilerError as error:
        told = f"{error.where}: {error.what}" if error.where else error.what
        return Finding(name, "warning" if isinstance(error, Warned) else "failed", told, error.advice)
    except SignatureError as error:
        return Finding(name, "failed", str(error))
