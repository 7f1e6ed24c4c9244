"""What Compose made of a case on each Engine, beside the case.

`inspect.json` is what all Engines show. Where they differ, each has its own: `inspect-28.json`.
"""

import json
from pathlib import Path

from tests.like_compose.inspection import Leaves

# How their versions begin: what Debian 12 ships, and what Docker does.
ENGINES = ("20.10", "28")


def engine_of(version: str) -> str | None:
    """The recorded Engine that this version is one of."""
    return next((engine for engine in ENGINES if version.startswith(f"{engine}.")), None)


def read(folder: Path, engine: str) -> Leaves | None:
    """What was recorded on this Engine; nothing, where Compose could not create the case."""
    file = next((file for file in (_of(folder, engine), _of_all(folder)) if file.exists()), None)
    return json.loads(file.read_text()) if file else None


def write(folder: Path, engine: str, found: Leaves | None) -> None:
    """Record this, or that there is nothing to record, and leave the other Engines what they have."""
    recorded = {one: read(folder, one) for one in ENGINES} | {engine: found}
    are_equal = all(leaves == found for leaves in recorded.values())
    _store(_of_all(folder), found if are_equal else None)
    for one, leaves in recorded.items():
        _store(_of(folder, one), None if are_equal else leaves)


def _of_all(folder: Path) -> Path:
    return folder / "inspect.json"


def _of(folder: Path, engine: str) -> Path:
    return folder / f"inspect-{engine}.json"


def _store(file: Path, found: Leaves | None) -> None:
    if found is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
