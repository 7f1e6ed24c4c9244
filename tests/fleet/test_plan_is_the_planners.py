"""The preview renders only what could differ. Here it is held against the slow way, both revisions rendered whole and
planned, on random small fleets and random edits.
"""

import os
import random
from collections.abc import Callable

import pytest
from fleet_desk import HEAD, indented

from reconciler.errors import ManifestError, UnknownDevice
from reconciler.fleet.preview import DevicePreview, preview
from reconciler.manifests import FleetFiles
from reconciler.model import DesiredState
from reconciler.planning import EmptyDesiredState, as_if_applied, make_plan

ROUNDS = 3_000 if os.environ.get("SOAK") else 150
Files = dict[str, str]
APPS = ("a", "a-b", "b", "c")
DEVICES = ("d1", "d2", "d3", "d4")
TIERS = ("base", "site")
SITES = ("north", "south")
IMAGES = ("busybox", "busybox:latest", "docker.io/library/busybox", "web:1", "web:2", "web:${TAG:-1}", "web:${LINE}")
VARIABLES = ("TAG", "LINE", "TITLE")


def slow(before: Files, after: Files) -> dict[str, tuple[str, set[str]]]:
    """Each device's plan, and what is wrong, with every app of both revisions rendered."""
    old, new = (FleetFiles({path: text.encode() for path, text in files.items()}) for files in (before, after))
    found = {}
    for name in new.device_paths:
        try:
            rendering = new.render(name)
            plan = make_plan(rendering.desired, as_if_applied(desired_before(old, name)))
        except (ManifestError, EmptyDesiredState):
            found[name] = ("an error", {"an error"})
        else:
            found[name] = (str(plan), {problem.what for problem in rendering.problems})
    return found


def desired_before(files: FleetFiles, name: str) -> DesiredState:
    try:
        return files.render(name).desired
    except (ManifestError, UnknownDevice):
        return DesiredState(name)


def problems_before(files: Files, name: str) -> set[str]:
    try:
        return {p.what for p in FleetFiles({path: text.encode() for path, text in files.items()}).render(name).problems}
    except (ManifestError, UnknownDevice):
        return set()


def fast(before: Files, after: Files) -> tuple[DevicePreview, ...]:
    trees = ({path: text.encode() for path, text in files.items()} for files in (before, after))
    return preview(*trees)


def compose(rng: random.Random, app: str) -> str:
    """An app of one or two services, which may share images, names, networks, volumes and configs with any other."""
    text = "services:\n"
    for service in rng.sample(("c", "b-c", "web"), rng.randint(1, 2)):
        text += f"  {service}:\n    image: {rng.choice(IMAGES)}\n    environment: {{A: '{rng.randint(1, 2)}'"
        text += rng.choice(("", ", TITLE: '${TITLE:-none}'", ", LINE: "))
        text += "}\n"
        text += rng.choice(("", "", "    container_name: shared\n", "    container_name: a-c-1\n"))
        text += rng.choice(("", "", "    networks: [plant]\n", "    networks: [default, plant]\n"))
        text += rng.choice(("", "", "    volumes: ['data:/data']\n"))
        text += rng.choice(("", "", "    configs: [{source: page, target: /page}]\n"))
    declared = ["{}", "{external: true}", "{name: plant}", "{name: plant, internal: true}"]
    # An app that declares one name twice is never at rest.
    declared += ["{name: a_default}"] if app != "a" else []
    text += f"networks: {{plant: {rng.choice(declared)}}}\n"
    text += f"volumes: {{data: {rng.choice(('{}', '{name: data}', '{external: true}'))}}}\n"
    pages = ("{file: page.txt}", "{content: one}", "{content: '${TITLE:-one}'}", "{file: none.txt}")
    return f"{text}configs: {{page: {rng.choice(pages)}}}\n"


def layer(rng: random.Random, name: str, label: str) -> str:
    spec = f"selector: {{matchLabels: {{{label}}}}}\n" if label else ""
    apps = rng.sample(APPS, rng.randint(1, 3))
    return HEAD.format(kind="Layer", name=name, labels="") + indented(f"{spec}apps: [{', '.join(apps)}]\n{body(rng)}")


def body(rng: random.Random) -> str:
    values = ", ".join(f"{name}: '{rng.randint(1, 3)}'" for name in rng.sample(VARIABLES, rng.randint(0, 2)))
    patches = [
        f"  - target: {{app: {app}}}\n    optional: true\n    {patch}\n"
        for app in rng.sample(APPS, rng.randint(0, 2))
        for patch in [rng.choice(PATCHES)]
    ]
    return f"variables: {{{values}}}\n" + ("patches:\n" + "".join(patches) if patches else "")


PATCHES = (
    "merge: {networks: {plant: {labels: {x: '1'}}}}",
    "merge: {networks: {plant: null}}",
    "patch: [{op: add, path: /services/extra, value: {image: 'web:2'}}]",
    "patch: [{op: add, path: /services/extra, value: {image: '${MISSING}'}}]",
    "patch: [{op: remove, path: /services/web}]",
    "merge: {services: {web: {image: 'web:2', environment: [TAG]}}}",
)


def device(rng: random.Random, name: str) -> str:
    labels = f", labels: {{site: {rng.choice(SITES)}}}"
    spec = rng.choice(("", "allowEmpty: true\n")) + (body(rng) if rng.random() < 0.5 else "variables: {LINE: '7'}\n")
    return HEAD.format(kind="Device", name=name, labels=labels) + indented(spec)


def fleet(rng: random.Random) -> Files:
    files = {
        "fleet.yaml": "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {tiers: [base, site]}\n",
        "layers/base/all.yaml": layer(rng, "all", ""),
    }
    files |= {f"layers/site/{site}.yaml": layer(rng, site, f"site: {site}") for site in SITES}
    files |= {f"apps/{app}/compose.yaml": compose(rng, app) for app in APPS}
    files |= {f"apps/{app}/page.txt": f"page {rng.randint(1, 2)}\n" for app in APPS}
    return files | {f"devices/{name}.yaml": device(rng, name) for name in DEVICES}


def edited(rng: random.Random, files: Files) -> Files:
    """One or two changes, as people make them."""
    files = dict(files)
    for _ in range(rng.randint(1, 2)):
        rng.choice(EDITS)(rng, files)
    return files


def _line(rng: random.Random, files: Files) -> None:
    path = rng.choice(sorted(files))
    pairs = (("web:1", "web:3"), ("TITLE", "LINE"), ("north", "south"), ("'1'", "'2'"), ("page 1", "page 2"))
    files[path] = files[path].replace(*rng.choice(pairs))


def _comment(rng: random.Random, files: Files) -> None:
    path = rng.choice(sorted(files))
    files[path] = f"# moved by a line\n{files[path]}"


def _app(rng: random.Random, files: Files) -> None:
    app = rng.choice(APPS)
    files[f"apps/{app}/compose.yaml"] = compose(rng, app)


def _layer(rng: random.Random, files: Files) -> None:
    site = rng.choice(SITES)
    files[f"layers/site/{site}.yaml"] = layer(rng, site, f"site: {rng.choice(SITES)}")


def _device(rng: random.Random, files: Files) -> None:
    name = rng.choice((*DEVICES, "d5"))
    files[f"devices/{name}.yaml"] = device(rng, name)


def _gone(rng: random.Random, files: Files) -> None:
    del files[rng.choice(sorted(files))]


def _broken(rng: random.Random, files: Files) -> None:
    files[rng.choice(sorted(files))] += rng.choice(("  colour: red\n", "a: [\n"))


EDITS: tuple[Callable[[random.Random, Files], None], ...] = (
    _line,
    _line,
    _comment,
    _app,
    _layer,
    _device,
    _gone,
    _broken,
)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_preview_is_what_the_devices_own_planner_says(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    before = fleet(rng)
    after = edited(rng, before)
    try:
        wanted = slow(before, after)
    except ManifestError:
        with pytest.raises(ManifestError):
            fast(before, after)
        return
    found = {one.device: one for one in fast(before, after)}
    assert found.keys() >= wanted.keys()
    for name, (plan, problems) in wanted.items():
        one = found[name]
        if plan == "an error":
            assert one.problems
            continue
        assert str(one.plan) == plan, name
        told = {problem.what for problem in one.problems}
        assert told <= problems
        # What it does not tell was wrong before, in an app that nobody touched.
        assert problems - told <= problems_before(before, name), name


def test_the_random_fleets_do_something() -> None:
    plans = [plan for seed in range(80) for plan in plans_of(seed)]
    assert sum(plan == "nothing to do" for plan in plans) > 20
    assert sum("create" in plan for plan in plans) > 20


def plans_of(seed: int) -> list[str]:
    rng = random.Random(seed)  # noqa: S311
    before = fleet(rng)
    try:
        return [plan for plan, _ in slow(before, edited(rng, before)).values()]
    except ManifestError:
        return []
