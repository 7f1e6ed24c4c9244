"""From the files of a fleet to what one device shall be: find layers, patch, interpolate, read. The preview and the
device call this one function.

An app that fails leaves the other apps alone and is told with every problem; it is never half-applied.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from reconciler.admission import Admission, RealPath, refusals
from reconciler.errors import ManifestError, Problem, UnknownDevice
from reconciler.manifests.apps import Apps, remember
from reconciler.manifests.compose.variables import DEVICE_VARIABLE
from reconciler.manifests.documents import (
    Device,
    Fleet,
    Layer,
    Patch,
    Source,
    in_its_tier,
    manifests_under,
    parse_device,
    parse_fleet,
    read_layer,
)
from reconciler.manifests.explain import Explanation, explain
from reconciler.manifests.layers import LayerIndex, apps_of, patches_of, reconciler_of, sources_of, variables_of
from reconciler.model import App, DesiredState, Place, Service
from reconciler.model.tree import Tree
from reconciler.reading import Node, Problems, parse, scalar_text

Document = TypeVar("Document")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a device shall be, and what kept some of its apps out of it."""

    device: Device
    desired: DesiredState
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a device, before any app is rendered: by whom, which apps, how patched, with which variables."""

    device: Device
    sources: tuple[Source, ...]
    apps: Mapping[str, Place]
    variables: Mapping[str, str]
    patches: Mapping[str, list[Patch]]
    # The version that the reconciler itself shall have.
    reconciler: Node | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What layers and devices say, by path and content: what is equal in two revisions is one value in both.

    Layers stay, because patched documents are known by them; of devices, only the last ones do.
    """

    layers: dict[tuple[str, bytes], Layer] = field(default_factory=dict)
    devices: dict[tuple[str, bytes], Device] = field(default_factory=dict)
    services: dict[tuple[str, str], Service] = field(default_factory=dict)


class FleetFiles:
    """The files of one revision. Each is parsed once, however many devices are rendered from them.

    Attributes raise ManifestError when the files that they need are wrong.
    """

    def __init__(self, tree: Tree, readings: Readings | None = None) -> None:
        self.tree = tree
        self._readings = readings or Readings()
        self.apps = Apps(tree, self._readings.services)

    @cached_property
    def fleet(self) -> Fleet:
        """fleet.yaml."""
        if "fleet.yaml" not in self.tree:
            raise ManifestError(
                [Problem("fleet.yaml", "the file is missing", "`fleet init` makes a repository with one")]
            )
        return _read(self.tree, "fleet.yaml", parse_fleet)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, in no special order; one that is wrong stops only the devices that it selects."""
        problems = Problems()
        paths = manifests_under(self.tree, "layers", problems)
        problems.raise_if_any()
        return tuple(in_its_tier(self._layer(path), self.fleet.tiers) for path in paths)

    @cached_property
    def _index(self) -> LayerIndex:
        return LayerIndex(self.layers)

    @cached_property
    def device_paths(self) -> dict[str, str]:
        """The file of each device, by name. A device's file is named for it, in any folder below `devices/`."""
        return {name: paths[0] for name, paths in self._device_files.items()}

    @cached_property
    def _device_files(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in manifests_under(self.tree, "devices", Problems()):
            found.setdefault(path.rpartition("/")[2].removesuffix(".yaml"), []).append(path)
        return found

    def strays(self) -> tuple[Problem, ...]:
        """Files below `devices/` that are no documents. No device reads them; whoever wrote them must know."""
        problems = Problems()
        manifests_under(self.tree, "devices", problems)
        return problems.found

    def device(self, name: str) -> Device:
        """One device. Raises UnknownDevice."""
        if name not in self.device_paths:
            # A device has read no file but its own.
            known = f"; known are: {', '.join(sorted(self.device_paths)[:10])}" if self.device_paths else ""
            raise UnknownDevice(
                f"no device `{name}` in this fleet",
                where="devices",
                advice=f"add devices/{name}.yaml{known}",
            )
        path, *others = self._device_files[name]
        if others:
            what, advice = f"the device `{name}` a second time", f"the first is {path}"
            raise ManifestError([Problem(other, what, advice) for other in others])
        key = (path, self.tree[path])
        device = self._readings.devices.get(key)
        if device is None:
            device = _read(self.tree, path, parse_device)
            remember(self._readings.devices, key, device)
        if device.name != name:
            raise ManifestError(
                [
                    Problem(
                        str(device.place), f"the device is named `{device.name}`", f"name the file {device.name}.yaml"
                    )
                ]
            )
        return device

    def wanted(self, name: str, like: Wanted | None = None) -> Wanted:
        """What is asked of a device; `like` itself, when the same files ask for it. Raises as `render` does."""
        device = self.device(name)
        if device.is_retired:
            return Wanted(device, (), {}, {}, {})
        sources = sources_of(device, self._index.of(device.labels), self.fleet.tiers)
        if like is not None and like.device is device and list(map(id, like.sources)) == list(map(id, sources)):
            return like
        problems = Problems()
        apps = apps_of(sources)
        variables = variables_of(device, sources, problems)
        patches = patches_of(sources, apps, problems)
        version = reconciler_of(sources, problems)
        problems.raise_if_any()
        return Wanted(device, sources, apps, variables, patches, version)

    def render(self, name: str) -> Rendering:
        """What this device shall be. Raises UnknownDevice, or ManifestError when nothing of it can be rendered."""
        wanted = self.wanted(name)
        return self.render_apps(wanted, wanted.apps)

    def admit(self, rendering: Rendering, admission: Admission, real: RealPath = str) -> Rendering:
        """Without the apps that ask for more than they may have: they are untouched, and told with who asks.

        `real` follows the links of the device, if this is one.
        """
        name, desired, refused = rendering.device.name, rendering.desired, Problems()
        denied: set[str] = set()
        for app in desired.apps:
            for pointer, what, advice in refusals(app, admission, real):
                refused.add(self._asked_at(name, app.name, pointer), what, advice)
                denied.add(app.name)
        if not denied:
            return rendering
        admitted = tuple(app for app in desired.apps if app.name not in denied)
        desired = replace(desired, apps=admitted, untouched=desired.untouched | denied)
        return replace(rendering, desired=desired, problems=(*rendering.problems, *refused.found))

    def _asked_at(self, device: str, app: str, pointer: str) -> str:
        """Where the value at a pointer, or what it is part of, was written last."""
        while pointer:
            # Devices are asked for at one of two places.
            found = self.explain(device, app, pointer)
            if not found and pointer.endswith("/gpus"):
                found = self.explain(
                    device, app, pointer.removesuffix("gpus") + "deploy/resources/reservations/devices"
                )
            # Of a mount or a device in the long form, its source is what asks.
            asking = next((one for one in found if one.pointer.endswith("/source")), found[0] if found else None)
            if asking is not None:
                return str(asking.settings[-1].place)
            pointer = pointer.rpartition("/")[0]
        return f"apps/{app}/compose.yaml"

    def render_apps(self, wanted: Wanted, names: Collection[str]) -> Rendering:
        """Some of the device's apps; the others are untouched, as those that fail are."""
        rendered, broken = [], Problems()
        hidden = {value: name for name, value in wanted.variables.items() if name != DEVICE_VARIABLE}
        for app, asked_at in wanted.apps.items():
            if app in names:
                own = Problems(hidden)
                result = self.apps.render(app, asked_at, wanted.patches[app], wanted.variables, own)
                broken.extend(own.found)
                if result is not None and not own:
                    rendered.append(result)
        _check_container_names(rendered, broken, wanted.apps)
        untouched = frozenset(wanted.apps) - {app.name for app in rendered}
        is_retired = wanted.device.is_retired
        may_be_empty = wanted.device.allow_empty or is_retired
        desired = DesiredState(
            wanted.device.name,
            tuple(rendered),
            untouched,
            allow_empty=may_be_empty,
            is_retired=is_retired,
            reconciler=scalar_text(wanted.reconciler) if wanted.reconciler else "",
        )
        return Rendering(wanted.device, desired, broken.found)

    def explain(self, name: str, app: str, prefix: str = "") -> list[Explanation]:
        """Who set what of one app of a device, below a JSON pointer. Raises UnknownDevice, ManifestError."""
        wanted = self.wanted(name)
        problems = Problems()
        if app not in wanted.apps:
            runs = ", ".join(wanted.apps) or "nothing"
            problems.add(wanted.device.place, f"the device does not run the app `{app}`", f"it runs {runs}")
        problems.raise_if_any()
        patches = [(source.told, patch) for source in wanted.sources for patch in source.patches if patch.app == app]
        stages = self.apps.stages(app, wanted.apps[app], patches)
        rendered = self.apps.resolved(app, stages[-1].document, wanted.variables, problems)
        problems.raise_if_any()
        return explain(stages, rendered, wanted.sources, wanted.variables, prefix)

    def _layer(self, path: str) -> Layer:
        key = (path, self.tree[path])
        layer = self._readings.layers.get(key)
        if layer is None:
            layer = self._readings.layers[key] = read_layer(self.tree[path], path)
        return layer


def _read(tree: Tree, path: str, reader: Callable[[Node, Problems], Document]) -> Document:
    problems = Problems()
    document = reader(parse(tree[path], path), problems)
    problems.raise_if_any()
    return document


def _check_container_names(apps: list[App], problems: Problems, places: Mapping[str, Place]) -> None:
    """Two services of a device with one container name would remove each other for ever."""
    names = Counter(service.container_name for app in apps for service in app.services)
    for app in list(apps):
        if twice := [service.container_name for service in app.services if names[service.container_name] > 1]:
            advice = "remove `container_name`, or make it differ"
            problems.add(places[app.name], f"two services are named {twice[0]!r} on this device", advice)
            apps.remove(app)
