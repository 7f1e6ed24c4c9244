"""`fleet import iotedge`: a deployment becomes an app and the layer that brings it, `config.toml` a device."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.fleet.imports.account import Account
from reconciler.fleet.imports.condition import NotExpressible, demands, selector
from reconciler.fleet.imports.config_toml import add_device
from reconciler.fleet.imports.deployment import Deployment, deployments_of
from reconciler.fleet.imports.fields import Fields, escaped
from reconciler.fleet.imports.judge import NewApp
from reconciler.fleet.imports.made import Made, Making
from reconciler.fleet.imports.module import Module, read_module
from reconciler.fleet.imports.names import chosen_app, layer_of, service_from
from reconciler.fleet.imports.new_files import yaml_file
from reconciler.fleet.imports.parts import Part
from reconciler.fleet.imports.secret_values import secret_part
from reconciler.fleet.imports.source_files import parse_json, read_source

_NO_BROKER = "nothing routes messages here: modules that talk to each other need a broker of yours, as one more service"
_NO_TWIN = "there are no module twins: give the module a config file or variables"
_CONCEALED = "a secret that was not imported"
# A label that no device has, so that the layer selects none until a person has said which.
_NOBODY = {"matchLabels": {"fleet-import": "write-the-selector"}}


def import_iotedge(paths: Sequence[Path], app: str | None, config: Path | None, tier: str, account: Account) -> Made:
    """The files that these deployments become. Raises ReconcilerError for what cannot be read."""
    making = Making()
    roots = [parse_json(read_source(path), str(path)) for path in paths]
    for root in roots:
        _note_secrets(root, account)
    deployments = [deployment for root in roots for deployment in deployments_of(root, account)]
    if app is not None and len(deployments) > 1:
        raise ReconcilerError("`--app` names one app, and there are several deployments", advice="leave it out")
    for deployment in sorted(deployments, key=lambda deployment: deployment.priority):
        _add_app(deployment, app, tier, making, account)
    _tell_overlaps(deployments, account)
    if config is not None:
        add_device(read_source(config), str(config), making, account)
    return making.finished()


def _note_secrets(root: Part, account: Account) -> None:
    """Before anything is said about a file: what of it must never be said."""
    rest = [("", root.value)]
    while rest:
        name, value = rest.pop()
        if isinstance(value, dict):
            # `{"value": X}` is the value of a variable with the name of its parent.
            rest += [(name if key == "value" else key, child) for key, child in value.items()]
        elif isinstance(value, list):
            rest += [(name, child) for child in value]
        elif isinstance(value, str) and (secret := secret_part(name, value)):
            account.secrets.note(secret)


def _add_app(deployment: Deployment, given: str | None, tier: str, making: Making, account: Account) -> None:
    document = _compose(deployment, account)
    if not deployment.modules:
        account.left("an app", deployment.file, "the deployment has no modules")
        return
    path = Path(deployment.file)
    stem = re.sub(r"\.(template|amd64|arm64v8|arm32v7|debug)\b|^deployment$", "", path.name.removesuffix(".json"))
    app = chosen_app(given, deployment.id, stem.removeprefix("deployment."), path.resolve().parent.name, "imported")
    target, layer = f"apps/{app}/compose.yaml", f"layers/{tier}/{layer_of(app)}.yaml"
    comment = (
        "Modules of Azure IoT Edge, written by `fleet import iotedge`. Routes and twins are kept under `x-iotedge`."
    )
    making.add(target, yaml_file(target, comment, document), deployment.file)
    making.add(layer, _layer(layer, app, deployment, account), deployment.file)
    making.apps.append(NewApp(app, layer))


def _compose(deployment: Deployment, account: Account) -> Fields:
    modules: dict[str, Module] = {}
    for name, part in deployment.modules.items():
        service = service_from(name) or "module"
        while service in modules:
            service += "-"
        modules[service] = read_module(service, part, account)
        told = "" if service == name else f"as the service `{service}`: other modules must know its new name"
        account.carried(f"the module `{name}`", part.where, told)
    kept: Fields = {}
    for name, part in deployment.routes.items():
        route = part.value if isinstance(part.value, str) else part.entries().get("route", part).text()
        account.left(f"the route `{name}`: {route}", part.where, _NO_BROKER)
        kept.setdefault("routes", {})[name] = part.value
    for name, part in deployment.twins.items():
        if not part.is_default:
            account.left(f"the twin of `{name}`", part.where, _NO_TWIN)
            kept.setdefault("twins", {})[name] = part.value
    document: Fields = {"services": _in_order(modules)}
    document |= _resources([module.fields for module in modules.values()])
    return document | ({"x-iotedge": _kept(kept, account)} if kept else {})


def _in_order(modules: Mapping[str, Module]) -> Fields:
    """`startupOrder`: each service waits until those of the next lower number were started."""
    orders = sorted({module.order for module in modules.values() if not module.is_stopped})
    services: Fields = {}
    for name, module in modules.items():
        before = [order for order in orders if order < module.order]
        needed = [n for n, other in modules.items() if before and other.order == before[-1] and not other.is_stopped]
        depends = {"depends_on": {one: {"condition": "service_started"} for one in needed}} if needed else {}
        services[name] = module.fields | depends
    return services


def _resources(services: Sequence[Fields]) -> Fields:
    """The named volumes and networks that services use. Volumes keep their names, and so what is in them."""
    volumes: Fields = {}
    networks: Fields = {}
    for service in services:
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0] if isinstance(volume, str) and ":" in volume else ""
            if isinstance(volume, dict) and volume["type"] == "volume":
                source = volume.get("source", "")
            if source and not source.startswith(("/", ".", "~")):
                volumes[source] = {"name": source}
        for network in service.get("networks", {}):
            if network != "default":
                networks[network] = {"name": network, "external": True}
    return ({"volumes": volumes} if volumes else {}) | ({"networks": networks} if networks else {})


def _layer(path: str, app: str, deployment: Deployment, account: Account) -> bytes:
    spec: Fields = {"apps": [app]}
    chosen = _selector(deployment, account)
    comment = "Every device: write a `selector:` to choose some."
    if chosen:
        spec["selector"] = chosen
        comment = "The devices that the target condition named. Give the devices these labels."
    if chosen is _NOBODY:
        comment = "No device yet: the target condition is no selector. Write one that says the same."
    document = {"apiVersion": "fleet/v1", "kind": "Layer", "metadata": {"name": layer_of(app)}, "spec": spec}
    notes = {"x-iotedge": _kept(dict(deployment.notes), account)} if deployment.notes else {}
    return yaml_file(path, comment, document | notes)


def _selector(deployment: Deployment, account: Account) -> Mapping[str, object]:
    part = deployment.condition
    if part is None:
        return {}
    text = part.text()
    subject = f"the target condition {text!r}"
    if not text.strip():
        account.left(subject, part.where, "an empty one targets no device: write the `selector:`")
        return _NOBODY
    try:
        wanted = demands(text)
    except NotExpressible as error:
        account.left(subject, part.where, f"{error}; the layer selects no device until its `selector:` is written")
        return _NOBODY
    labels = sorted({demand.key for demand in wanted})
    account.carried(
        subject, part.where, f"give the devices the labels {', '.join(labels)}" if labels else "every device"
    )
    return selector(wanted)


def _kept(value: Fields, account: Account) -> Fields:
    """What is kept for the reader only, without secrets, and with dollar signs that stay."""

    def keep(child: object, name: str) -> object:
        if isinstance(child, dict):
            return {key: keep(inner, key) for key, inner in child.items()}
        if isinstance(child, list):
            return [keep(inner, str(index)) for index, inner in enumerate(child)]
        if isinstance(child, str):
            is_secret = secret_part(name, child) or account.secrets.hide(child) != child
            return _CONCEALED if is_secret else escaped(child)
        return child

    return {key: keep(child, key) for key, child in value.items()}


def _tell_overlaps(deployments: Sequence[Deployment], account: Account) -> None:
    """IoT Edge lets the highest priority win; here every layer that selects a device counts."""
    whole = [deployment for deployment in deployments if deployment.modules and not deployment.is_layered]
    for deployment in whole[1:]:
        reason = f"a device that both select runs both apps; IoT Edge runs only one, see {whole[0].file}"
        account.left(
            f"the priority {deployment.priority} of `{deployment.id or deployment.file}`", deployment.file, reason
        )
    first: dict[str, Deployment] = {}
    for deployment in sorted(deployments, key=lambda deployment: deployment.priority):
        for name, part in deployment.modules.items():
            if name in first:
                reason = f"it is also in {first[name].file}, and both would run: make it a patch in the layer"
                account.left(f"the module `{name}` in place of another", part.where, reason)
            first.setdefault(name, deployment)
