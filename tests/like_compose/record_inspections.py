"""Records what `docker compose create` makes of each case of tests/cases/compose, beside the case.

    python tests/like_compose/record_inspections.py --compose PATH --engine URL

The Engine must be an empty one of Debian 12 (20.10), whose containers, networks and volumes may be removed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import docker

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "manifests")]

from record_compose import case_folders, variables_of  # noqa: E402  # found by the line above

from lab.base import ensure_base  # noqa: E402
from tests.like_compose.bench import BOXES, clean, names_of, tag_boxes  # noqa: E402
from tests.like_compose.inspection import Leaves, bare_container, shown  # noqa: E402


def record(compose: str, engine: str, folder: Path, client: docker.DockerClient, bare: Leaves) -> Leaves | str:
    """What Compose makes of a case; or its last line, where it cannot."""
    command = [compose, "-f", "compose.yaml", "-p", "shop", "create", "--pull", "never"]
    env = {**variables_of(folder), "DOCKER_HOST": engine, "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    names = names_of(client)
    # Compose makes containers side by side, and after an error of the case before some may still come.
    services = json.loads((folder / "config.json").read_text())["services"]
    names["containers"] &= {one.get("container_name", f"shop-{name}-1") for name, one in services.items()}
    return shown(client, names, str(folder), bare)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", required=True, metavar="PATH", help="Docker Compose v2 as a program of its own")
    parser.add_argument("--engine", required=True, metavar="URL", help="an Engine that may be emptied")
    options = parser.parse_args()
    client = docker.DockerClient(base_url=options.engine)
    ensure_base(client.api)
    tag_boxes(client)
    bare = bare_container(client, BOXES[0])
    for folder in case_folders():
        clean(client)
        found = None if (folder / "refused.yaml").exists() else record(*vars(options).values(), folder, client, bare)
        file = folder / "inspect.json"
        file.unlink(missing_ok=True)
        if isinstance(found, dict):
            file.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        elif found:
            print(f"{folder.name}: {found}")
    clean(client)
    return 0


if __name__ == "__main__":
    sys.exit(main())
