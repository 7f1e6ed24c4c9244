"""What `docker compose config` says about a project is what our model of it says, for every case of the corpus."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_meaning import DEFAULTS, SAID_TWICE, Files, files_of, is_different, meaning
from record_compose import case_folders, record, variables_of

from reconciler.manifests import FleetFiles, to_compose

CASES = case_folders()
NAMES = [folder.name for folder in CASES]
REFUSED = [folder for folder in CASES if (folder / "refused.yaml").exists()]
READ = [folder for folder in CASES if folder not in REFUSED]
NOT_OF_THE_APP = {"config.json", "variables.yaml", "refused.yaml"}
Way = tuple[str | int, ...]


def test_there_are_enough_cases() -> None:
    assert len(READ) >= 130


@pytest.mark.parametrize("folder", READ, ids=lambda folder: folder.name)
def test_a_project_means_what_compose_says(folder: Path) -> None:
    rendering = FleetFiles(tree_of(folder)).render("press")
    assert [str(problem) for problem in rendering.problems] == []
    app = rendering.desired.app("shop")
    assert app is not None
    files = files_of(folder, variables_of(folder))
    assert meaning(plain(to_compose(app)), files) == meaning(recorded(folder), files)


@pytest.mark.parametrize("folder", READ, ids=lambda folder: folder.name)
def test_what_is_printed_means_the_same_when_it_is_read_again(folder: Path) -> None:
    tree = tree_of(folder)
    app = FleetFiles(tree).render("press").desired.app("shop")
    assert app is not None
    printed = to_compose(app)
    again = {**without_app(tree), "apps/shop/compose.yaml": yaml.safe_dump(plain(printed)).encode()}
    rendering = FleetFiles(again).render("press")
    assert [str(problem) for problem in rendering.problems] == []
    assert [to_compose(found) for found in rendering.desired.apps] == [printed]


@pytest.mark.parametrize("folder", REFUSED, ids=lambda folder: folder.name)
def test_what_compose_reads_and_we_do_not_is_told(folder: Path) -> None:
    """The differences that docs/reference/compose.md lists; never is a key ignored in silence."""
    rendering = FleetFiles(tree_of(folder)).render("press")
    told = yaml.safe_load((folder / "refused.yaml").read_text())
    assert [str(problem) for problem in rendering.problems] == told


@pytest.mark.parametrize("folder", CASES, ids=NAMES)
def test_no_leaf_can_change_without_being_seen(folder: Path) -> None:
    """The comparison above would fail for any other value, but for the named differences."""
    files, config = files_of(folder, variables_of(folder)), recorded(folder)
    wanted = meaning(config, files)
    unseen = [
        ".".join(map(str, way))
        for way, value in leaves(config)
        if value != {} and not is_seen(changed(config, way, another(value)), files, wanted)
    ]
    assert [path for path in unseen if not is_different(folder.name, path)] == []


@pytest.mark.parametrize("folder", CASES, ids=NAMES)
def test_no_leaf_can_be_lost_without_being_seen(folder: Path) -> None:
    files, config = files_of(folder, variables_of(folder)), recorded(folder)
    wanted = meaning(config, files)
    unseen = [
        ".".join(map(str, way))
        for way, value in leaves(config)
        if not says_nothing(way, value) and not is_seen(without(config, way), files, wanted)
    ]
    allowed = unseen if folder.name in SAID_TWICE else []
    assert [path for path in unseen if path not in allowed and not is_different(folder.name, path)] == []


@pytest.mark.skipif("COMPOSE" not in os.environ, reason="COMPOSE does not name Docker Compose v2")
def test_compose_still_says_so() -> None:
    changed = [folder.name for folder in CASES if record(os.environ["COMPOSE"], folder) != recorded(folder)]
    assert changed == []


def tree_of(folder: Path) -> dict[str, bytes]:
    """A fleet of one device that runs the case, with the case's environment as its variables."""
    layer = {"apiVersion": "fleet/v1", "kind": "Layer", "metadata": {"name": "all"}}
    spec = {"apps": ["shop"], "variables": variables_of(folder)}
    device = {"apiVersion": "fleet/v1", "kind": "Device", "metadata": {"name": "press"}, "spec": {}}
    fleet = {"apiVersion": "fleet/v1", "kind": "Fleet", "metadata": {"name": "acme"}, "spec": {"tiers": ["base"]}}
    manifests = {"fleet.yaml": fleet, "layers/base/all.yaml": {**layer, "spec": spec}, "devices/press.yaml": device}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_OF_THE_APP]
    return {
        **{path: yaml.safe_dump(manifest).encode() for path, manifest in manifests.items()},
        **{f"apps/shop/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files},
    }


def without_app(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in tree.items() if not path.startswith("apps/")}


def recorded(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text())


def plain(document: Any) -> Any:
    """As it is when somebody reads what we print."""
    return json.loads(json.dumps(document))


def leaves(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Every value that has no others inside, and the way to it."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not inside:
        yield way, value
    for key, child in inside:
        yield from leaves(child, (*way, key))


def another(value: Any) -> Any:
    """A value of the same form that means something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}1" if value.startswith("-") else f"1{value}"
    return ["1"] if isinstance(value, list) else "1"


def changed(config: Any, way: Way, value: Any) -> Any:
    copied = copy.deepcopy(config)
    parent(copied, way)[way[-1]] = value
    return copied


def without(config: Any, way: Way) -> Any:
    copied = copy.deepcopy(config)
    del parent(copied, way)[way[-1]]
    return copied


def parent(config: Any, way: Way) -> Any:
    for key in way[:-1]:
        config = config[key]
    return config


def says_nothing(way: Way, value: Any) -> bool:
    """Is the file the same without this? `null` and `{}` are, but for a joined network, a bind and a limit of 0."""
    if value is None or value == {}:
        return not (len(way) == 4 and way[2] in ("networks", "ulimits")) and way[-1] != "bind"
    if way[-1] == "target" and "secrets" in way:
        return str(value).startswith("/run/secrets/")
    return way[-1] in DEFAULTS and DEFAULTS[str(way[-1])] == value


def is_seen(config: Any, files: Files, wanted: Any) -> bool:
    """Does the comparison fail? A file that lacks what every reader needs fails by itself."""
    try:
        return bool(meaning(config, files) != wanted)
    except KeyError:
        return True
