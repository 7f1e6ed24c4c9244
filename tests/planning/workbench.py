"""Desired states from Compose in a few words, and Engines on which they run."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from reconciler.agent.passes.perform import perform
from reconciler.manifests import FleetFiles
from reconciler.model import DesiredState, Service
from reconciler.model.image import listed_name
from reconciler.planning import fingerprint, make_plan
from tests.fakes.box import Box
from tests.fakes.engine import FakeEngine, without_network

DEVICE = "press"


def desired(apps: Mapping[str, Any], *, allow_empty: bool = False) -> DesiredState:
    """Apps by name: a whole Compose document, or only its services; a service may be its image alone."""
    return _desired(yaml.safe_dump(dict(apps)), allow_empty)


@cache
def _desired(written: str, allow_empty: bool) -> DesiredState:
    apps = yaml.safe_load(written)
    tree = {
        "fleet.yaml": _document("Fleet", "acme", tiers=["base"]),
        f"devices/{DEVICE}.yaml": _document("Device", DEVICE, allowEmpty=allow_empty),
        "layers/base/all.yaml": _document("Layer", "all", apps=list(apps)),
        **{f"apps/{name}/compose.yaml": _compose(app) for name, app in apps.items()},
    }
    files = {path: yaml.safe_dump(document).encode() for path, document in tree.items()}
    rendering = FleetFiles(files).render(DEVICE)
    assert not rendering.problems, "\n".join(map(str, rendering.problems))
    return rendering.desired


def _document(kind: str, name: str, **spec: object) -> dict[str, Any]:
    return {"apiVersion": "fleet/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _compose(app: Mapping[str, Any]) -> dict[str, Any]:
    document = dict(app) if "services" in app else {"services": app}
    services = {name: {"image": s} if isinstance(s, str) else s for name, s in document["services"].items()}
    return {**document, "services": services}


def applied(state: DesiredState, engine: FakeEngine) -> FakeEngine:
    """The Engine after this was applied, and every check has its result."""
    result = perform(make_plan(state, engine.observe(state.device)), engine)
    assert not result.failures, result.failures
    engine.settle()
    return engine


def add_box(engine: FakeEngine, app: str, service: Service, name: str) -> Box:
    """A container of ours, as if it had been created for this service."""
    engine.have(service.image)
    networks = {attachment.network: "" for attachment in service.networks} or without_network(service)
    names = [service.peers[one] for one in service.lives_in]
    joined = frozenset(box.id for box in engine.boxes.values() if box.name in names)
    image = engine.images[listed_name(service.image)]
    made = Box(engine.new_id(), name, engine.device, app, service, fingerprint(service), image, networks=networks)
    made.joined = joined
    made.obey(service)
    engine.boxes[made.id] = made
    return made
