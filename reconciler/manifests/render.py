"""From the files of a fleet to what one device shall be: find layers, patch, interpolate, read. The preview and the
device call this one function.

An app that fails leaves the other apps alone and is told with every problem; it is never half-applied.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from reconciler.errors import ManifestError, Problem, UnknownDevice
from reconciler.manifests.apps import Apps, interpolated
from reconciler.manifests.documents import Device, Fleet, Layer, parse_device, parse_fleet, parse_layer
from reconciler.manifests.explain import Explanation, explain
from reconciler.manifests.layers import DEVICE_VARIABLE, LayerIndex, apps_of, patches_of, sources_of, variables_of
from reconciler.manifests.node import Node
from reconciler.manifests.parse import parse
from reconciler.manifests.problems import Problems
from reconciler.manifests.tree import Tree, files_under
from reconciler.model import App, DesiredState, Place

Document = TypeVar("Document")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a device shall be, and what kept some of its apps out of it."""

    device: Device
    desired: DesiredState
    problems: tuple[Problem, ...] = ()


class FleetFiles:
    """The files of one revision. Each is parsed once, however many devices are rendered from them.

    Attributes raise ManifestError when the files that they need are wrong.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._apps = Apps(tree)

    @cached_property
    def fleet(self) -> Fleet:
        """fleet.yaml."""
        if "fleet.yaml" not in self._tree:
            raise ManifestError(
                [Problem("fleet.yaml", "the file is missing", "`fleet init` makes a repository with one")]
            )
        return _read(self._tree, "fleet.yaml", parse_fleet)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, in no special order."""
        problems = Problems()
        layers = [self._layer(path, problems) for path in files_under(self._tree, "layers") if _is_yaml(path, problems)]
        problems.raise_if_any()
        return tuple(layer for layer in layers if layer)

    @cached_property
    def _index(self) -> LayerIndex:
        return LayerIndex(self.layers)

    @cached_property
    def device_paths(self) -> dict[str, str]:
        """The file of each device, by name. A device's file is named for it, in any folder below `devices/`."""
        problems = Problems()
        paths: dict[str, str] = {}
        for path in files_under(self._tree, "devices"):
            name = path.rpartition("/")[2].removesuffix(".yaml")
            if _is_yaml(path, problems):
                if name in paths:
                    problems.add(path, f"the device `{name}` a second time", f"the first is {paths[name]}")
                paths[name] = path
        problems.raise_if_any()
        return paths

    def device(self, name: str) -> Device:
        """One device. Raises UnknownDevice."""
        if name not in self.device_paths:
            known = ", ".join(sorted(self.device_paths)[:10]) or "none"
            raise UnknownDevice(
                f"no device `{name}` in this fleet",
                where="devices",
                advice=f"add devices/{name}.yaml; known are: {known}",
            )
        path = self.device_paths[name]
        device = _read(self._tree, path, parse_device)
        if device.name != name:
            raise ManifestError(
                [
                    Problem(
                        str(device.place), f"the device is named `{device.name}`", f"name the file {device.name}.yaml"
                    )
                ]
            )
        return device

    def render(self, name: str) -> Rendering:
        """What this device shall be. Raises UnknownDevice, or ManifestError when nothing of it can be rendered."""
        device = self.device(name)
        problems = Problems()
        sources = sources_of(device, self._index.of(device.labels), self.fleet.tiers)
        apps = apps_of(sources)
        variables = variables_of(device, sources, problems)
        patches = patches_of(sources, apps, problems)
        problems.raise_if_any()
        rendered, broken = [], Problems()
        for app, asked_at in apps.items():
            own = Problems({value: name for name, value in variables.items() if name != DEVICE_VARIABLE})
            result = self._apps.render(app, asked_at, patches[app], variables, own)
            broken.extend(own.found)
            if result is not None and not own:
                rendered.append(result)
        _check_container_names(rendered, broken, apps)
        untouched = frozenset(apps) - {app.name for app in rendered}
        return Rendering(device, DesiredState(name, tuple(rendered), untouched, device.allow_empty), broken.found)

    def explain(self, name: str, app: str, prefix: str = "") -> list[Explanation]:
        """Who set what of one app of a device, below a JSON pointer. Raises UnknownDevice, ManifestError."""
        device = self.device(name)
        problems = Problems()
        sources = sources_of(device, self._index.of(device.labels), self.fleet.tiers)
        apps = apps_of(sources)
        variables = variables_of(device, sources, problems)
        if app not in apps:
            problems.add(
                device.place, f"the device does not run the app `{app}`", f"it runs {', '.join(apps) or 'nothing'}"
            )
        problems.raise_if_any()
        patches = [(source.told, patch) for source in sources for patch in source.patches if patch.app == app]
        stages = self._apps.stages(app, apps[app], patches)
        rendered = interpolated(stages[-1].document, variables, problems)
        problems.raise_if_any()
        return explain(stages, rendered, sources, variables, prefix)

    def _layer(self, path: str, problems: Problems) -> Layer | None:
        tier, _, file = path.removeprefix("layers/").partition("/")
        if tier not in self.fleet.tiers or "/" in file:
            advice = f"put it into layers/<tier>/, tiers are {', '.join(self.fleet.tiers)}"
            problems.add(path, f"the layer is in no tier of fleet.yaml ({tier!r})", advice)
            return None
        try:
            layer = _read(self._tree, path, lambda node, found: parse_layer(node, tier, found))
        except ManifestError as error:
            problems.extend(error.problems)
            return None
        if layer.source.name != file.removesuffix(".yaml"):
            problems.add(path, f"the layer is named `{layer.source.name}`", f"name the file {layer.source.name}.yaml")
        return layer


def _read(tree: Tree, path: str, reader: Callable[[Node, Problems], Document]) -> Document:
    problems = Problems()
    document = reader(parse(tree[path], path), problems)
    problems.raise_if_any()
    return document


def _is_yaml(path: str, problems: Problems) -> bool:
    name = path.rpartition("/")[2]
    if name in ("README.md", ".gitkeep"):
        return False
    if not name.endswith(".yaml"):
        problems.add(path, "not a `.yaml` file", "rename it, or move it out of this folder")
        return False
    return True


def _check_container_names(apps: list[App], problems: Problems, places: dict[str, Place]) -> None:
    """Two services of a device with one container name would remove each other for ever."""
    names = Counter(service.container_name for app in apps for service in app.services)
    for app in list(apps):
        if twice := [service.container_name for service in app.services if names[service.container_name] > 1]:
            advice = "remove `container_name`, or make it differ"
            problems.add(places[app.name], f"two services are named {twice[0]!r} on this device", advice)
            apps.remove(app)
