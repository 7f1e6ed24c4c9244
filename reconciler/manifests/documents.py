"""What devices act on: Fleet, Layer and Device, read from files of the right shape (kinds.py)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.errors import ManifestError, Problem
from reconciler.manifests.kinds import DEVICE, FLEET, LAYER
from reconciler.manifests.merge import PatchFailed, check_patch, merged_pointers, written_pointers
from reconciler.manifests.selector import Selector, read_selector
from reconciler.manifests.shape import check
from reconciler.model import Place
from reconciler.model.tree import Tree, files_under
from reconciler.reading import Node, Problems, parse, scalar_text


@dataclass(frozen=True, slots=True)
class Fleet:
    """fleet.yaml."""

    name: str
    tiers: tuple[str, ...]
    status_branch: str = "status"
    # Where reports are, if not in this repository: an address.
    status_remote: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change to one app or one of its services, as a JSON patch or a JSON merge patch."""

    app: str
    service: str
    body: Node
    is_merge: bool
    optional: bool
    place: Place
    # Of a layer, and so perhaps of many devices.
    is_shared: bool = False
    # The JSON pointers that it writes, from the app's Compose document on; of a layer only, to find two writers.
    writes: tuple[tuple[str, Place], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Who changes a device's apps, and how: a layer, or the device itself, which comes last."""

    name: str
    tier: str
    apps: tuple[tuple[str, Place], ...] = ()
    variables: Mapping[str, Node] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()
    # The version of the reconciler itself.
    reconciler: Node | None = None

    @property
    def told(self) -> str:
        """For people: `layer site/plant-7`, or `the device`."""
        return f"layer {self.tier}/{self.name}" if self.tier else "the device"


@dataclass(frozen=True, slots=True)
class Layer:
    """layers/<tier>/<name>.yaml: what the devices that it selects run, and how they differ.

    With problems, it keeps those devices from being rendered; whom it selects is then only known as far as its
    selector can be read.
    """

    source: Source
    selector: Selector
    place: Place
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """devices/**/<name>.yaml."""

    name: str
    place: Place
    labels: Mapping[str, str]
    source: Source
    identity: str = ""
    identity_place: Place | None = None
    allow_empty: bool = False
    is_retired: bool = False


def parse_fleet(node: Node, problems: Problems) -> Fleet:
    """Read fleet.yaml. Raises ManifestError."""
    check(FLEET, node, "", problems)
    problems.raise_if_any()
    spec = node.entries["spec"].entries
    status = spec["status"].entries if "status" in spec else {}
    branch = scalar_text(status["branch"]) if "branch" in status else "status"
    remote = scalar_text(status["remote"]) if "remote" in status else ""
    return Fleet(_name(node), tuple(map(scalar_text, spec["tiers"].elements)), branch, remote)


def parse_device(node: Node, problems: Problems) -> Device:
    """Read one device. Raises ManifestError."""
    check(DEVICE, node, "", problems)
    problems.raise_if_any()
    spec, metadata = _spec(node), node.entries["metadata"].entries
    labels = (
        {key: scalar_text(child) for key, child in metadata["labels"].entries.items()} if "labels" in metadata else {}
    )
    identity = spec.get("identity")
    # No tier has an empty name, so what the device itself says is never in conflict with a layer.
    source = _source(_name(node), "", spec, problems)
    problems.raise_if_any()
    return Device(
        source.name,
        node.place,
        labels,
        source,
        scalar_text(identity) if identity else "",
        identity.place if identity else None,
        _is_true(spec, "allowEmpty"),
        _is_true(spec, "retired"),
    )


def read_layer(data: bytes, path: str) -> Layer:
    """One layer, from the file at this path; what is wrong with it is kept with it."""
    tier, _, file = path.removeprefix("layers/").rpartition("/")
    source = Source(file.removesuffix(".yaml"), tier)
    try:
        node = parse(data, path)
    except ManifestError as error:
        return Layer(source, Selector(), Place(path, 1, 1), error.problems)
    problems = Problems()
    check(LAYER, node, "", problems)
    if not problems:
        if _name(node) != source.name:
            place = node.entries["metadata"].entries["name"].place
            problems.add(place, f"the layer is named `{_name(node)}`", f"name the file {_name(node)}.yaml")
        source = _source(_name(node), tier, _spec(node), problems)
    return Layer(source, _selector(node), node.place, problems.found)


def in_its_tier(layer: Layer, tiers: Sequence[str]) -> Layer:
    """The layer; with a problem, when its folder is none of these tiers."""
    if layer.source.tier in tiers:
        return layer
    what = f"the layer is in no tier of fleet.yaml ({layer.source.tier!r})"
    problem = Problem(str(layer.place), what, f"put it into layers/<tier>/, tiers are {', '.join(tiers)}")
    return replace(layer, problems=(problem, *layer.problems))


def _selector(node: Node) -> Selector:
    """Whom a layer is for, as far as one can tell: one that cannot be read could be for any device."""
    spec = node.entries.get("spec")
    selector = spec.entries.get("selector") if spec else None
    return (read_selector(selector) if selector else None) or Selector()


def _name(node: Node) -> str:
    return scalar_text(node.entries["metadata"].entries["name"])


def _spec(node: Node) -> Mapping[str, Node]:
    return node.entries["spec"].entries if "spec" in node.entries else {}


def _is_true(fields: Mapping[str, Node], key: str) -> bool:
    return key in fields and fields[key].value in (True, "true")


def _source(name: str, tier: str, spec: Mapping[str, Node], problems: Problems) -> Source:
    apps = tuple((scalar_text(app), app.place) for app in spec["apps"].elements) if "apps" in spec else ()
    variables = spec["variables"].entries if "variables" in spec else {}
    patches = spec["patches"].elements if "patches" in spec else ()
    made = tuple(_patch(patch, bool(tier), problems) for patch in patches)
    return Source(name, tier, apps, variables, made, spec.get("reconciler"))


def _patch(node: Node, is_shared: bool, problems: Problems) -> Patch:
    fields = node.entries
    target = fields["target"].entries
    service = scalar_text(target["service"]) if "service" in target else ""
    is_merge = "merge" in fields
    body = fields["merge" if is_merge else "patch"]
    if not is_merge:
        try:
            # The shape says the same; the library has the last word (decisions/0003).
            check_patch(body)
        except PatchFailed as error:
            problems.add(error.node.place, error.why, "see RFC 6902 for the form of a patch")
    is_optional = _is_true(fields, "optional")
    writes = tuple(_writes(service, body, is_merge)) if is_shared and not problems else ()
    return Patch(scalar_text(target["app"]), service, body, is_merge, is_optional, node.place, is_shared, writes)


def _writes(service: str, body: Node, is_merge: bool) -> Iterator[tuple[str, Place]]:
    prefix = f"/services/{service}" if service else ""
    for pointer, node in merged_pointers(body) if is_merge else written_pointers(body):
        yield prefix + pointer, node.place


def manifests_under(tree: Tree, folder: str, problems: Problems) -> list[str]:
    """The documents below a folder, in byte order. Problems: other files than the few that every folder may have."""
    found = []
    for path in files_under(tree, folder):
        if path.endswith(".yaml"):
            found.append(path)
        elif path.rpartition("/")[2] not in ("README.md", ".gitkeep"):
            problems.add(path, "not a `.yaml` file", "rename it, or move it out of this folder")
    return found
