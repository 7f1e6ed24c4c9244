"""Which layers a device has, in which order, and what they say together: apps, variables, patches."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from reconciler.errors import ManifestError
from reconciler.manifests.compose.variables import DEVICE_VARIABLE
from reconciler.manifests.documents import Device, Layer, Patch, Source
from reconciler.manifests.writers import Writers
from reconciler.model import Place
from reconciler.reading import Node, Problems, scalar_text


class LayerIndex:
    """The layers by a label that they demand, so that a device is not held against every site of its fleet."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._by_label: dict[tuple[str, str], list[Layer]] = {}
        self._others: list[Layer] = []
        for layer in layers:
            demands = (r for r in layer.selector.requirements if r.operator == "In" and len(r.values) == 1)
            first = next(demands, None)
            at = self._by_label.setdefault((first.key, first.values[0]), []) if first else self._others
            at.append(layer)

    def of(self, labels: Mapping[str, str]) -> list[Layer]:
        """The layers that select a device with these labels, in no special order.

        Raises ManifestError with all that is wrong in them.
        """
        likely = [layer for label in labels.items() for layer in self._by_label.get(label, ())]
        chosen = [layer for layer in (*self._others, *likely) if layer.selector.matches(labels)]
        if broken := [problem for layer in chosen for problem in layer.problems]:
            raise ManifestError(broken)
        return chosen


def sources_of(device: Device, layers: Iterable[Layer], tiers: Sequence[str]) -> tuple[Source, ...]:
    """The layers of the device, by tier and inside a tier by name; the device itself comes last."""
    rank = {tier: index for index, tier in enumerate(tiers)}
    chosen = [layer.source for layer in layers]
    return (*sorted(chosen, key=lambda source: (rank[source.tier], source.name)), device.source)


def apps_of(sources: Iterable[Source]) -> dict[str, Place]:
    """The apps that a device runs, by name, with the place that asks for each first."""
    found: dict[str, Place] = {}
    for source in sources:
        for app, place in source.apps:
            found.setdefault(app, place)
    return dict(sorted(found.items()))


def variables_of(device: Device, sources: Iterable[Source], problems: Problems) -> dict[str, str]:
    """The variables of a device: later tiers override earlier ones, two layers of one tier must not disagree."""
    values = {DEVICE_VARIABLE: device.name}
    setters: dict[tuple[str, str], Node] = {}
    for source in sources:
        for name, node in source.variables.items():
            if name == DEVICE_VARIABLE:
                problems.add(node.key, f"the variable `{name}` is set by us", "choose another name")
            earlier = setters.get((source.tier, name))
            if earlier is not None and scalar_text(earlier) != scalar_text(node):
                advice = "two layers of one tier must not both set it: move one to another tier"
                problems.add(node.place, f"the variable `{name}` is also set at {earlier.place}", advice)
            setters[source.tier, name] = node
            values[name] = scalar_text(node)
    return values


def reconciler_of(sources: Iterable[Source], problems: Problems) -> Node | None:
    """The version that the reconciler itself shall have, as it is written last; two layers of one tier must agree."""
    found: Node | None = None
    tier = ""
    for source in sources:
        node = source.reconciler
        if node is None:
            continue
        if found is not None and tier == source.tier and scalar_text(found) != scalar_text(node):
            advice = "two layers of one tier must not both set it: move one to another tier"
            problems.add(node.place, f"`reconciler` is also set at {found.place}", advice)
        found, tier = node, source.tier
    return found


def patches_of(sources: Iterable[Source], apps: Mapping[str, Place], problems: Problems) -> Mapping[str, list[Patch]]:
    """The patches of each app, in order. Problems: a target that the device does not run, two writers in a tier."""
    found: dict[str, list[Patch]] = {app: [] for app in apps}
    sources = tuple(sources)
    patching = Counter(source.tier for source in sources if source.patches)
    writers: dict[str, Writers] = {tier: Writers() for tier, count in patching.items() if count > 1}
    for source in sources:
        for patch in source.patches:
            if patch.app in apps:
                found[patch.app].append(patch)
            elif not patch.optional:
                what = f"the patch targets the app `{patch.app}`, which the device does not run"
                runs = ", ".join(apps) or "nothing"
                advice = f"run it by `apps:` of a layer, or say `optional: true`; it runs {runs}"
                problems.add(patch.place, what, advice)
        if source.tier in writers:
            writers[source.tier].add((patch for patch in source.patches if patch.app in apps), problems)
    return found
