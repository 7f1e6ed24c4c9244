"""Records what `docker compose create` makes of each case of tests/cases/compose, beside the case.

    python tests/like_compose/record_inspections.py --compose PATH

It starts a private Engine as the tests do, so it needs root; which one is the first `dockerd` in PATH. What Compose
cannot create there is told, and not recorded.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import docker

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "manifests")]

from record_compose import case_folders, variables_of  # noqa: E402  # found by the line above

from lab.base import ensure_base  # noqa: E402
from lab.engine import private_engine  # noqa: E402
from tests.like_compose import recordings  # noqa: E402
from tests.like_compose.bench import BOXES, clean, make_external, names_of, tag_boxes  # noqa: E402
from tests.like_compose.inspection import Leaves, bare_container, shown  # noqa: E402


class CannotRecord(Exception):
    """Compose cannot create the case on this Engine; its last line says why."""


def record(compose: str, url: str, folder: Path, client: docker.DockerClient, bare: Leaves) -> Leaves:
    """What Compose makes of a case. Raises CannotRecord."""
    command = [compose, "-f", "compose.yaml", "-p", "shop", "create", "--pull", "never"]
    env = {**variables_of(folder), "DOCKER_HOST": url, "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRecord(done.stderr.strip().splitlines()[-1])
    names = names_of(client)
    # Compose makes containers side by side, and after an error of the case before some may still come.
    services = json.loads((folder / "config.json").read_text())["services"]
    names["containers"] &= {one.get("container_name", f"shop-{name}-1") for name, one in services.items()}
    return shown(client, names, str(folder), bare)


def record_all(compose: str, url: str) -> None:
    """Record each case that we read."""
    client = docker.DockerClient(base_url=url)
    engine = recordings.engine_of(client.version()["Version"])
    if engine is None:
        sys.exit(f"Engine {client.version()['Version']} is none of those that the tests know: {recordings.ENGINES}")
    ensure_base(client.api)
    tag_boxes(client)
    bare = bare_container(client, BOXES[0])
    for folder in case_folders():
        if (folder / "refused.yaml").exists():
            continue
        clean(client)
        make_external(client, folder)
        try:
            found = record(compose, url, folder, client, bare)
        except CannotRecord as error:
            print(f"{folder.name}: {error}")
            found = None
        recordings.write(folder, engine, found)
    client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", required=True, metavar="PATH", help="Docker Compose v2 as a program of its own")
    compose = parser.parse_args().compose
    with tempfile.TemporaryDirectory() as folder, private_engine(Path(folder)) as engine:
        record_all(compose, engine.url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
