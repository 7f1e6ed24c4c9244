"""What benchmarks/converge.py and benchmarks/many.py share: services that do nothing, and a device without its Git."""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import docker.errors

from lab.base import BASE
from lab.waiting import wait_until
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.mounts.service_files import ServiceFiles
from reconciler.agent.mounts.vault import Vault
from reconciler.agent.passes.converge import converge
from reconciler.agent.state.journal import Journal
from reconciler.manifests import FleetFiles

DEVICE = "press"
Files = Mapping[str, str]


def compose_file(services: int, value: str) -> str:
    """A Compose file whose first service carries a value. Nothing is waited for, because Compose waits for nothing."""
    return "services:\n" + "".join(
        f"  s{n:03d}:\n    image: {BASE}\n    command: [sleep, '100000']\n    init: true\n    pull_policy: never\n"
        f"    environment: {{VALUE: '{'same' if n else value}'}}\n    deploy: {{update_config: {{monitor: 0s}}}}\n"
        for n in range(services)
    )


def fleet(apps: Mapping[str, str], identity: str = "") -> dict[str, str]:
    """The files of a fleet of one device, which runs these Compose files."""
    head = "apiVersion: fleet/v1\nkind: "
    spec = f"spec: {{identity: {identity}}}\n" if identity else ""
    return {
        "fleet.yaml": f"{head}Fleet\nmetadata: {{name: bench}}\nspec: {{tiers: [base]}}\n",
        "layers/base/all.yaml": f"{head}Layer\nmetadata: {{name: all}}\nspec: {{apps: [{', '.join(apps)}]}}\n",
        f"devices/{DEVICE}.yaml": f"{head}Device\nmetadata: {{name: {DEVICE}}}\n{spec}",
        **{f"apps/{name}/compose.yaml": text for name, text in apps.items()},
    }


class ResidentDevice:
    """The part of a running agent that meets the Engine, without Git and reports; what was rendered stays in memory."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.engine = DockerEngine(url, DEVICE, ServiceFiles(folder / "configs", Vault(folder / "secrets")))
        self.journal = Journal(folder)

    def obey(self, files: Files) -> None:
        """Render what the next passes bring about."""
        rendering = FleetFiles({path: text.encode() for path, text in files.items()}).render(DEVICE)
        if rendering.desired is None or rendering.problems:
            raise ValueError(f"the fleet is wrong: {rendering.problems}")
        self.desired = rendering.desired

    def converge(self) -> int:
        """One pass; the count of its steps. The only place here that knows how the agent's parts fit together."""
        converged = converge(self.desired, "main@0", self.engine, self.journal, time.time())
        if converged.performed.failures or not all(map(converged.healthy, converged.choices)):
            raise ValueError(f"not converged: {converged.performed.failures}")
        return len(converged.performed.done)


def ids(api: docker.APIClient) -> frozenset[str]:
    """The containers that run."""
    return frozenset(found["Id"] for found in api.containers())


def empty(url: str) -> None:
    """Remove all containers and networks, several at a time: it is not what is measured."""
    api = docker.APIClient(base_url=url, version="auto", num_pools=8)
    with ThreadPoolExecutor(4) as pool:
        found = [one["Id"] for one in api.containers(all=True)]
        list(pool.map(lambda key: api.remove_container(key, force=True, v=True), found))
    for network in api.networks(filters={"type": "custom"}):
        # Rarely, the Engine still counts a container that is gone.
        wait_until(lambda key=network["Id"]: _removed(api, key), 20, "removing a network", pause=0.5)  # type: ignore[misc]
    api.close()


def _removed(api: docker.APIClient, network: str) -> bool:
    try:
        api.remove_network(network)
    except docker.errors.APIError as error:
        print(f"not removed yet: {error.explanation}", file=sys.stderr)
        return False
    return True
