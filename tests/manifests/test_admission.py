"""What an app asks for beyond a container: refused wherever it was written, unless the device grants it."""

import posixpath
from textwrap import indent

import pytest
from admission_asks import ASKS, BAKERY, LAYER, WEB, Ask, admitted
from hypothesis import given
from hypothesis import strategies as st
from render_cases import STANDARD, tree_of

from reconciler.admission import CAPABILITIES, EVERYTHING, Admission, is_grant
from reconciler.admission.needs import Need, is_granted, needs
from reconciler.errors import ProblemKind
from reconciler.manifests import FleetFiles, Rendering
from reconciler.model import App, DeviceMapping, Mount, Service

PATHS = st.lists(st.sampled_from(["srv", "srvx", "data", "..", ".", "", "a b", "srv."]), max_size=7).map("/".join)
every_ask = pytest.mark.parametrize("ask", ASKS, ids=[ask.name for ask in ASKS])


def check_refused(rendering: Rendering, told: str) -> None:
    """The shop alone is kept out, and keeps what it has."""
    assert [str(problem) for problem in rendering.problems] == [told]
    assert [problem.kind for problem in rendering.problems] == [ProblemKind.RULE]
    assert [app.name for app in rendering.desired.apps] == ["bakery"]
    assert rendering.desired.untouched == {"shop"}


def test_every_capability_is_asked_for() -> None:
    assert {ask.capability for ask in ASKS} == set(CAPABILITIES)


@every_ask
def test_what_the_compose_file_asks_for_is_refused(ask: Ask) -> None:
    path = "apps/shop/compose.yaml"
    rendering = admitted({path: ask.compose.replace("@", ask.value)}, *ask.beside)
    check_refused(rendering, ask.told(f"{path}:{ask.place(ask.compose)}"))


@every_ask
def test_what_a_layer_brings_is_refused_with_the_place_in_the_layer(ask: Ask) -> None:
    path = "layers/site/plant.yaml"
    merge = f"spec:\n  patches:\n    - target: {{app: shop}}\n      merge:\n{indent(ask.compose, ' ' * 8)}"
    head = "apiVersion: fleet/v1\nkind: Layer\nmetadata: {name: plant}\n"
    rendering = admitted({path: merge.replace("@", ask.value)}, *ask.beside)
    check_refused(rendering, ask.told(f"{path}:{ask.place(head + merge)}"))


@every_ask
def test_what_a_variable_brings_is_refused_with_the_place_of_its_value(ask: Ask) -> None:
    path = "layers/site/plant.yaml"
    layer = f"spec: {{variables: {{ASKED: '{ask.value}'}}}}\n"
    files = {path: layer, "apps/shop/compose.yaml": ask.compose.replace("@", '"${ASKED}"')}
    check_refused(admitted(files, *ask.beside), ask.told(f"{path}:4:{layer.index(chr(39)) + 1}"))


@every_ask
def test_what_is_granted_runs(ask: Ask) -> None:
    files = {"apps/shop/compose.yaml": ask.compose.replace("@", ask.value)}
    for grant in (ask.grant, ask.capability, EVERYTHING):
        rendering = admitted(files, *ask.beside, grant)
        assert rendering.problems == ()
        assert [app.name for app in rendering.desired.apps] == ["bakery", "shop"]
        assert not rendering.desired.untouched


@every_ask
def test_what_is_granted_is_a_grant_and_grants_nothing_else(ask: Ask) -> None:
    assert is_grant(ask.grant)
    for other in ASKS:
        if other.capability != ask.capability:
            files = {"apps/shop/compose.yaml": other.compose.replace("@", other.value)}
            assert admitted(files, *other.beside, ask.capability).desired.untouched == {"shop"}


@pytest.mark.parametrize("text", ["", "all", "Everything", "everything:now", "priviliged", "host", "cap NET_ADMIN"])
def test_a_text_that_names_no_capability_is_no_grant(text: str) -> None:
    assert not is_grant(text)


@given(kind=st.sampled_from(["bind", "device"]), source=PATHS, granted=PATHS)
def test_no_path_outside_of_a_granted_folder_is_granted(kind: str, source: str, granted: str) -> None:
    folder, path = f"/{granted}", f"/{source}"
    mounts = (Mount("bind", "/a", path),) if kind == "bind" else ()
    devices = (DeviceMapping(path, path),) if kind == "device" else ()
    app = App("shop", (Service("web", "web", "shop-web-1", mounts=mounts, devices=devices),))
    (need,) = needs(app)
    inside, top = (posixpath.normpath(f"/{one.lstrip('/')}") for one in (path, folder))
    if is_granted(need, frozenset({f"{kind}:{folder}"})):
        assert top in ("/", inside) or inside.startswith(f"{top}/")


@given(PATHS, st.sampled_from(["bind", "device"]))
def test_a_clean_path_is_granted_by_itself_and_by_no_other_kind(source: str, kind: str) -> None:
    path = posixpath.normpath(f"/{source.lstrip('/')}")
    other = {"bind": "device", "device": "bind"}[kind]
    assert is_granted(Need(kind, path, ""), frozenset({f"{kind}:{path}"}))
    assert not is_granted(Need(kind, path, ""), frozenset({f"{other}:/", f"{other}:{path}", f"{kind}x:/"}))


def test_where_a_link_leads_must_be_granted_as_well() -> None:
    files = {"apps/shop/compose.yaml": f"{WEB}volumes: ['/srv/data/x:/a']\n"}
    fleet = FleetFiles(tree_of({**STANDARD, "layers/base/all.yaml": LAYER, **BAKERY, **files}))
    rendering = fleet.render("press")
    links = {"/srv/data/x": "/etc"}

    def real(path: str) -> str:
        return links.get(path, path)

    (problem,) = fleet.admit(rendering, Admission(frozenset({"bind:/srv"})), real).problems
    assert "ADMISSION_BIND: the app `shop` asks for `bind:/etc` through the link /srv/data/x" in str(problem)
    assert not fleet.admit(rendering, Admission(frozenset({"bind:/srv", "bind:/etc"})), real).problems
