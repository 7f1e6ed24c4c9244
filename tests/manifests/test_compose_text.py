"""A rendered app as a Compose file is the same app when it is read again."""

import json
from dataclasses import replace

import pytest
from render_cases import Case, read_cases

from reconciler.manifests import FleetFiles
from reconciler.manifests.compose import parse_app
from reconciler.manifests.compose_forms import normalise
from reconciler.manifests.compose_text import to_compose
from reconciler.manifests.interpolate import interpolate
from reconciler.manifests.parse import parse
from reconciler.manifests.problems import Problems
from reconciler.model import App, Service, Update

CASES = [case for case in read_cases() if "state" in case.fields]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_reads_back_as_the_same_app(case: Case) -> None:
    for app in FleetFiles(case.tree).render(case.device).desired.apps:
        text = json.dumps(to_compose(app))
        problems = Problems()
        document = interpolate(normalise(parse(text.encode(), "compose.yaml"), problems), {}, problems)
        read = parse_app(app.name, document, {}, problems)
        assert problems.found == ()
        assert comparable(read) == comparable(app)


def comparable(app: App) -> App:
    """Without what is for us and not for Compose, and in an order of its own."""
    services = tuple(replace(service, update=Update(), ports=ports_of(service)) for service in app.services)
    return replace(app, services=services, networks=tuple(sorted(app.networks, key=lambda network: network.name)))


def ports_of(service: Service) -> tuple[object, ...]:
    return tuple(sorted(service.ports, key=repr))
