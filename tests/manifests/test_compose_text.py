"""A rendered app as a Compose file is the same app when it is read again."""

import json
from dataclasses import replace

import pytest
from render_cases import STANDARD, Case, read_cases, rendering_of, tree_of

from reconciler.manifests import FleetFiles, path_of, to_compose
from reconciler.model import App, Mount, Service, Update
from reconciler.model.tree import Tree

CASES = [case for case in read_cases() if "state" in case.fields]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_reads_back_as_the_same_app(case: Case) -> None:
    for app in rendering_of(case).desired.apps:
        rendering = FleetFiles(fleet_of(app)).render("press")
        assert rendering.problems == ()
        (read,) = rendering.desired.apps
        assert comparable(read) == comparable(app)


def fleet_of(app: App) -> Tree:
    """A fleet that runs what is printed of an app, and has no variables."""
    files = {path: text for path, text in STANDARD.items() if not path.startswith("apps/")}
    files["layers/base/all.yaml"] = f"spec: {{apps: [{app.name}]}}\n"
    files[f"apps/{app.name}/compose.yaml"] = json.dumps(to_compose(app))
    files |= {path_of(file.secret, "press"): file.content.decode() for file in app.configs if file.secret}
    return tree_of(files)


def comparable(app: App) -> App:
    """Without what is for us and not for Compose, and in an order of its own."""
    services = tuple(
        replace(service, update=Update(), ports=ports_of(service), mounts=mounts_of(service))
        for service in app.services
    )
    networks = tuple(sorted(app.networks, key=lambda network: network.name))
    return replace(app, services=services, networks=networks, configs=tuple(sorted(app.configs, key=repr)))


def ports_of(service: Service) -> tuple[object, ...]:
    return tuple(sorted(service.ports, key=repr))


def mounts_of(service: Service) -> tuple[Mount, ...]:
    """Compose takes no secret as text, so it is printed as a config."""
    kinds = {"secret": "config"}
    return tuple(sorted((replace(one, kind=kinds.get(one.kind, one.kind)) for one in service.mounts), key=repr))
