"""Records what `docker compose config` says about each case of `tests/cases/compose`, in the case's `config.json`.

    python tests/manifests/record_compose.py --compose PATH

PATH is Docker Compose v2 as a program of its own; it needs no Engine. The folder of a project is written `/project`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "cases" / "compose"
PROJECT = "/project"
APP = "shop"


class CannotRecord(Exception):
    """Compose refuses the case."""


def case_folders() -> list[Path]:
    """Every case, in order."""
    return sorted(path.parent for path in FOLDER.glob("*/compose.yaml"))


def variables_of(folder: Path) -> dict[str, str]:
    """The environment of a case."""
    path = folder / "variables.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def record(compose: str, folder: Path) -> Any:
    """The project as Compose understands it. Raises CannotRecord."""
    done = subprocess.run(
        [compose, "-f", "compose.yaml", "-p", APP, "config", "--format", "json"],
        cwd=folder,
        env=variables_of(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRecord(f"{folder.name}: {done.stderr.strip()}")
    return json.loads(done.stdout.replace(str(folder), PROJECT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", required=True, metavar="PATH", help="Docker Compose v2 as a program of its own")
    compose = parser.parse_args().compose
    failed = False
    for folder in case_folders():
        try:
            config = record(compose, folder)
        except CannotRecord as error:
            failed = True
            print(error, file=sys.stderr)
        else:
            (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
