"""Our own documents: Fleet, Layer and Device (docs/reference/manifest.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.manifests.fields import boolean, check_keys, mapping, text, text_map
from reconciler.manifests.merge import PatchFailed, check_patch
from reconciler.manifests.node import Node
from reconciler.manifests.problems import Problems
from reconciler.manifests.selector import Selector, parse_selector
from reconciler.model import Place
from reconciler.model.names import APP_ADVICE, DNS_LABEL_ADVICE, is_app_name, is_dns_label

API_VERSION = "fleet/v1"


@dataclass(frozen=True, slots=True)
class Fleet:
    """fleet.yaml."""

    name: str
    tiers: tuple[str, ...]
    status_branch: str = "status"


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


@dataclass(frozen=True, slots=True)
class Source:
    """Who changes a device's apps, and how: a layer, or the device itself, which comes last."""

    name: str
    tier: str
    apps: tuple[tuple[str, Place], ...] = ()
    variables: Mapping[str, Node] = field(default_factory=dict)
    patches: tuple[Patch, ...] = ()

    @property
    def told(self) -> str:
        """For people: `layer site/plant-7`, or `the device`."""
        return f"layer {self.tier}/{self.name}" if self.tier else "the device"


@dataclass(frozen=True, slots=True)
class Layer:
    """layers/<tier>/<name>.yaml: what the devices that it selects run, and how they differ."""

    source: Source
    selector: Selector


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


_NOT_YET = {
    "suspend": "remove it: this version does not hold devices back yet",
    "rollout": "remove it: this version has no waves yet",
    "limits": "remove it: this version has no limits yet",
    "defaults": "remove it: this version has no defaults yet",
}


def parse_fleet(node: Node, problems: Problems) -> Fleet:
    """Read fleet.yaml."""
    name, _, spec = _envelope(node, "Fleet", problems)
    fields = _spec(spec, ("tiers", "status"), problems)
    tiers: list[str] = []
    for element in fields["tiers"].elements if "tiers" in fields else ():
        tier = text(element, "tiers", problems)
        if not is_dns_label(tier) or tier in tiers:
            problems.add(element.place, f"the tier {tier!r} is no name, or named twice", DNS_LABEL_ADVICE)
        tiers.append(tier)
    if not tiers:
        problems.add(
            spec.place, "`spec.tiers` is missing or no list", "list the tiers, for example [base, model, site]"
        )
    branch = "status"
    if "status" in fields:
        status = mapping(fields["status"], "status", problems)
        check_keys(fields["status"], ("branch",), "`spec.status`", problems)
        branch = text(status["branch"], "status.branch", problems) if "branch" in status else branch
    return Fleet(name, tuple(tiers), branch)


def parse_layer(node: Node, tier: str, problems: Problems) -> Layer:
    """Read one layer."""
    name, _, spec = _envelope(node, "Layer", problems)
    fields = _spec(spec, ("selector", "apps", "variables", "patches"), problems)
    selector = parse_selector(fields["selector"], problems) if "selector" in fields else Selector()
    return Layer(_source(name, tier, fields, problems), selector)


def parse_device(node: Node, problems: Problems) -> Device:
    """Read one device."""
    name, labels, spec = _envelope(node, "Device", problems)
    fields = _spec(spec, ("identity", "variables", "patches", "allowEmpty"), problems)
    identity = text(fields["identity"], "identity", problems) if "identity" in fields else ""
    if identity and len(identity.split()) < 2:
        problems.add(
            fields["identity"].place, "`identity` is no public key", "write a line such as `ssh-ed25519 AAAA...`"
        )
    identity_place = fields["identity"].place if "identity" in fields else None
    allow_empty = "allowEmpty" in fields and boolean(fields["allowEmpty"], "allowEmpty", problems)
    # No tier has an empty name, so what the device itself says is never in conflict with a layer.
    return Device(name, node.place, labels, _source(name, "", fields, problems), identity, identity_place, allow_empty)


def _envelope(node: Node, kind: str, problems: Problems) -> tuple[str, Mapping[str, str], Node]:
    """The name, the labels and the spec of a document, after its head was checked."""
    fields = mapping(node, "the document", problems)
    check_keys(node, ("apiVersion", "kind", "metadata", "spec"), "the document", problems)
    for key, wanted in (("apiVersion", API_VERSION), ("kind", kind)):
        found = fields.get(key)
        if found is None or found.value != wanted:
            place = found.place if found else node.place
            problems.add(place, f"`{key}` must be {wanted}", f"write `{key}: {wanted}`")
    metadata = fields.get("metadata", Node({}, node.place, node.place))
    parts = mapping(metadata, "metadata", problems)
    check_keys(metadata, ("name", "labels") if kind == "Device" else ("name",), "`metadata`", problems)
    name = text(parts["name"], "metadata.name", problems) if "name" in parts else ""
    if not is_dns_label(name):
        place = parts["name"].place if "name" in parts else metadata.place
        problems.add(place, f"`metadata.name` {name!r} is no name", DNS_LABEL_ADVICE)
    labels = text_map(parts["labels"], "metadata.labels", problems) if "labels" in parts else {}
    return name, labels, fields.get("spec", Node({}, node.place, node.place))


def _spec(spec: Node, allowed: tuple[str, ...], problems: Problems) -> Mapping[str, Node]:
    fields = mapping(spec, "spec", problems)
    for key in [key for key in fields if key in _NOT_YET]:
        problems.add(fields[key].key, f"`{key}` is not supported", _NOT_YET[key])
    check_keys(spec, (*allowed, *_NOT_YET), "`spec`", problems)
    return fields


def _source(name: str, tier: str, fields: Mapping[str, Node], problems: Problems) -> Source:
    apps = []
    if "apps" in fields and not fields["apps"].is_list:
        problems.expected(fields["apps"], "apps", "a list")
    for element in fields["apps"].elements if "apps" in fields else ():
        app = text(element, "apps", problems)
        if not is_app_name(app):
            problems.add(element.place, f"the app {app!r} is no name", APP_ADVICE)
        apps.append((app, element.place))
    variables = {}
    if "variables" in fields:
        text_map(fields["variables"], "variables", problems)
        variables = dict(fields["variables"].entries)
    if "patches" in fields and not fields["patches"].is_list:
        problems.expected(fields["patches"], "patches", "a list")
    patches = [
        _patch(element, bool(tier), problems) for element in (fields["patches"].elements if "patches" in fields else ())
    ]
    return Source(name, tier, tuple(apps), variables, tuple(patch for patch in patches if patch))


def _patch(node: Node, is_shared: bool, problems: Problems) -> Patch | None:
    fields = mapping(node, "patches", problems)
    check_keys(node, ("target", "patch", "merge", "optional"), "a patch", problems)
    target = fields.get("target", Node({}, node.place, node.place))
    check_keys(target, ("app", "service"), "`target`", problems)
    app, service = (
        text(target.entries[key], f"target.{key}", problems) if key in target.entries else ""
        for key in ("app", "service")
    )
    if not app:
        problems.add(
            target.place,
            "a patch without a target",
            "write `target: {app: NAME}`, with `service: NAME` for one service",
        )
        return None
    if ("patch" in fields) == ("merge" in fields):
        problems.add(node.place, "a patch needs either `patch` or `merge`", "`patch` is RFC 6902, `merge` is RFC 7396")
        return None
    optional = "optional" in fields and boolean(fields["optional"], "optional", problems)
    body = fields["merge"] if "merge" in fields else fields["patch"]
    if "patch" in fields:
        try:
            check_patch(body)
        except PatchFailed as error:
            problems.add(error.node.place, error.why, "see RFC 6902 for the form of a patch")
            return None
    return Patch(app, service, body, "merge" in fields, optional, node.place, is_shared)
