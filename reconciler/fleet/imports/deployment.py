"""An IoT Edge deployment as it was exported: plain manifests, automatic deployments and layered ones."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors import ManifestError, Problem
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.parts import Part

_DESIRED = "properties.desired"
# IoT Hub takes no more than 100.
MAX_MODULES = 1000
# What Azure keeps for itself; nothing of it says what a device runs.
_BOOKKEEPING = set(
    "schemaVersion createdTimeUtc lastUpdatedTimeUtc etag systemMetrics contentType".split()
    + "$schema $schema-template $version".split()
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment. `condition` is None for a manifest that names no devices, which is set on one by hand."""

    file: str
    id: str
    is_layered: bool
    condition: Part | None
    priority: int
    notes: Mapping[str, object]
    modules: Mapping[str, Part]
    routes: Mapping[str, Part] = field(default_factory=dict)
    twins: Mapping[str, Part] = field(default_factory=dict)


def deployments_of(root: Part, account: Account) -> list[Deployment]:
    """One for a file, or each of a list as `az iot edge deployment list` prints it. Raises ManifestError."""
    found = root.elements() if isinstance(root.value, list) else [root]
    return [_deployment(part, account) for part in found]


def _deployment(root: Part, account: Account) -> Deployment:
    fields = root.entries()
    content = fields["content"].entries() if "content" in fields else fields
    modules_content = content.get("modulesContent", content.get("moduleContent"))
    if modules_content is None:
        advice = "give the JSON of `az iot edge deployment show`, or the file that `az iot edge set-modules` takes"
        raise ManifestError([Problem(root.where, "no `modulesContent`: this is no deployment of IoT Edge", advice)])
    contents = modules_content.entries()
    agent = _desired(contents.pop("$edgeAgent", None))
    hub = _desired(contents.pop("$edgeHub", None))
    modules = agent.pop(("modules",), None)
    named = modules.entries() if modules else {}
    for path in [path for path in agent if path[0] == "modules"]:
        named |= _layered_module(path, agent.pop(path), account)
    if len(named) > MAX_MODULES:
        raise ManifestError([Problem(root.where, f"more than {MAX_MODULES} modules", "split the deployment")])
    _tell_runtime(agent, account)
    notes: dict[str, object] = {
        key: fields[key].value for key in ("id", "priority", "targetCondition", "labels") if key in fields
    }
    known = {"content", "modulesContent", "moduleContent", "metrics", *notes, *_BOOKKEEPING}
    _tell_rest(fields, content, known, account)
    return Deployment(
        root.file,
        fields["id"].text() if "id" in fields else "",
        bool(named) and modules is None,
        fields.get("targetCondition"),
        fields["priority"].integer() if "priority" in fields else 0,
        notes,
        named,
        _hub(hub, account),
        {f"{name} {key}".strip(): part for name, twin in contents.items() for key, part in _twin(twin).items()},
    )


def _desired(module: Part | None) -> dict[tuple[str, ...], Part]:
    """The desired properties by their path below `properties.desired`; a layered deployment names longer paths."""
    found: dict[tuple[str, ...], Part] = {}
    for key, part in (module.entries() if module else {}).items():
        if key == _DESIRED:
            found |= {(name,): child for name, child in part.entries().items()}
        elif key.startswith(f"{_DESIRED}."):
            found[tuple(key.removeprefix(f"{_DESIRED}.").split("."))] = part
        else:
            found[(key,)] = part
    return found


def _layered_module(path: tuple[str, ...], part: Part, account: Account) -> dict[str, Part]:
    if len(path) == 2:
        return {path[1]: part}
    reason = "a layered deployment that changes a part of a module: write a patch in the layer"
    account.left(f"`{'.'.join(path)}`", part.where, reason)
    return {}


def _twin(twin: Part) -> dict[str, Part]:
    """A module's own desired properties, by what is behind `properties.desired`."""
    return {re.sub(r"^properties\.desired\.?", "", key): part for key, part in twin.entries().items()}


def _tell_runtime(agent: Mapping[tuple[str, ...], Part], account: Account) -> None:
    for path, part in agent.items():
        if path == ("systemModules",):
            for name, module in part.entries().items():
                account.left(f"the system module `{name}`", module.where, _SYSTEM.get(name, _NO_SYSTEM))
        elif path[0] == "systemModules":
            account.left(f"the system module `{path[-1]}`", part.where, _SYSTEM.get(path[-1], _NO_SYSTEM))
        elif path == ("runtime",):
            _tell_settings(part, account)
        elif "registryCredentials" in path:
            account.left(f"`{'.'.join(path)}`", part.where, _NO_CREDENTIALS)
        elif path[0] not in _BOOKKEEPING and not part.is_default:
            account.left(f"`{'.'.join(path)}` of $edgeAgent", part.where, "it is edgeAgent's own, which is replaced")


_NO_CREDENTIALS = "use secrets: credentials do not belong into Git"
_NO_SYSTEM = "it belongs to the IoT Edge runtime, which is replaced"
_SYSTEM = {
    "edgeAgent": "the reconciler does its work, as a service of the system and not as a container",
    "edgeHub": "it needs IoT Hub; modules that talk to it need a broker of yours, as one more service",
}


def _tell_settings(runtime: Part, account: Account) -> None:
    fields = runtime.entries()
    settings = fields["settings"].entries() if "settings" in fields else {}
    credentials = settings.pop("registryCredentials", None)
    for name, part in (credentials.entries() if credentials else {}).items():
        account.left(f"the registry credentials `{name}`", part.where, _NO_CREDENTIALS)
    reason = "the reconciler has settings of its own on each device"
    for name, part in settings.items():
        if not part.is_default:
            account.left(f"`{name}` of the runtime", part.where, reason)
    kind = fields.get("type")
    if kind is not None and kind.text() != "docker":
        account.left("`type` of the runtime", kind.where, "only Docker is known")


def _hub(hub: Mapping[tuple[str, ...], Part], account: Account) -> dict[str, Part]:
    """The routes; everything else of edgeHub is told."""
    routes: dict[str, Part] = {}
    for path, part in hub.items():
        if path == ("routes",):
            routes |= part.entries()
        elif path[0] == "routes":
            routes[".".join(path[1:])] = part
        elif path[0] not in _BOOKKEEPING and not part.is_default:
            account.left(f"`{'.'.join(path)}` of $edgeHub", part.where, _SYSTEM["edgeHub"])
    return routes


def _tell_rest(fields: Mapping[str, Part], content: Mapping[str, Part], known: set[str], account: Account) -> None:
    metrics = fields["metrics"].entries() if "metrics" in fields else {}
    for name, part in metrics.get("queries", Part({}, "")).entries().items():
        account.left(f"the metric `{name}`", part.where, "it is a query to IoT Hub: see `fleet status`")
    for name, part in {**content, **fields}.items():
        if name not in known and not part.is_default:
            account.left(f"`{name}` of the deployment", part.where, "this version does not know it")
