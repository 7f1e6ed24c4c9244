"""What an app asks for beyond a container: refused wherever it was written, unless the device grants it."""

import posixpath
from dataclasses import dataclass
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_cases import STANDARD, tree_of

from reconciler.errors import ProblemKind
from reconciler.manifests import CAPABILITIES, EVERYTHING, Admission, FleetFiles, Rendering, is_grant
from reconciler.manifests.admission import Need, is_granted, needs
from reconciler.model import App, DeviceMapping, Mount, Service

WEB = "services:\n  web:\n    image: web\n    "
LAYER = "spec:\n  apps: [shop, bakery]\n"
BAKERY = {"apps/bakery/compose.yaml": "services: {oven: {image: oven}}\n"}
PATHS = st.lists(st.sampled_from(["srv", "srvx", "data", "..", ".", "", "a b", "srv."]), max_size=7).map("/".join)


@dataclass(frozen=True)
class Ask:
    """A Compose file that asks for one thing; `@` stands for the value that does."""

    grant: str
    pointer: str
    compose: str
    value: str
    beside: tuple[str, ...] = ()

    @property
    def capability(self) -> str:
        return self.grant.partition(":")[0]

    def told(self, where: str) -> str:
        code = f"ADMISSION_{self.capability.upper().replace('-', '_')}"
        asked = f"{code}: the app `shop` asks for `{self.grant}` ({self.pointer})"
        return f"{where}: {asked}; remove it, or allow it in the settings of the device"

    def place(self, text: str) -> str:
        """Line and column of the value in a text that holds the Compose file."""
        before = text[: text.index("@")]
        return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def of_service(grant: str, line: str, value: str, *beside: str, at: str = "") -> Ask:
    key = at or line.partition(":")[0] + ("/0" if "[" in line else "")
    return Ask(grant, f"/services/web/{key}", f"{WEB}{line}\n", value, beside)


def of_network(grant: str, fields: str, value: str, at: str) -> Ask:
    compose = f"services: {{web: {{image: web, networks: [lan]}}}}\nnetworks:\n  lan: {fields}\n"
    return Ask(grant, f"/networks/lan/{at}", compose, value)


def of_volume(grant: str, fields: str, value: str, at: str) -> Ask:
    compose = f'services: {{web: {{image: web, volumes: ["data:/data"]}}}}\nvolumes:\n  data: {fields}\n'
    return Ask(grant, f"/volumes/data/{at}", compose, value)


ASKS = [
    of_service("privileged", "privileged: @", "true"),
    of_service("cap:NET_ADMIN", "cap_add: [@]", "NET_ADMIN"),
    of_service("cap:ALL", "cap_add: [@]", "ALL"),
    of_service("host-network", "network_mode: @", "host"),
    of_service("host-pid", "pid: @", "host"),
    of_service("host-ipc", "ipc: @", "host"),
    of_service("host-uts", "uts: @", "host"),
    of_service("host-userns", "userns_mode: @", "host"),
    of_service("host-cgroup", "cgroup: @", "host"),
    of_service("bind:/srv/data", "volumes: [{type: bind, source: @, target: /data}]", "/srv/data"),
    of_service(
        "propagation:rshared",
        "volumes: [{type: bind, source: /srv, target: /data, bind: {propagation: @}}]",
        "rshared",
        "bind:/srv",
        at="volumes/0/bind/propagation",
    ),
    of_service("device:/dev/video0", "devices: [{source: @}]", "/dev/video0"),
    of_service("device-rule:c 81:* rmw", "device_cgroup_rules: [@]", "c 81:* rmw"),
    Ask("gpu", "/services/web/gpus", f"{WEB}gpus: @\n", "all"),
    of_volume("volume-driver:plugin/nfs", "{driver: @}", "plugin/nfs", "driver"),
    of_volume("volume-driver:local", "{driver_opts: {device: @}}", "/etc", "driver_opts"),
    of_network("network-driver:macvlan", "{driver: @}", "macvlan", "driver"),
    of_network("network-driver:plugin", "{ipam: {driver: @}}", "plugin", "ipam/driver"),
    of_network("network-option:parent", "{driver_opts: {parent: @}}", "eth0", "driver_opts/parent"),
    of_service(
        "annotation:run.oci.handler", "annotations: {run.oci.handler: @}", "krun", at="annotations/run.oci.handler"
    ),
    of_service("security-opt:seccomp:unconfined", "security_opt: [@]", "seccomp:unconfined"),
    of_service("runtime:nvidia", "runtime: @", "nvidia"),
    of_service("cgroup-parent:plant.slice", "cgroup_parent: @", "plant.slice"),
    of_service("sysctl:kernel.shmmax", "sysctls: {kernel.shmmax: @}", "1", at="sysctls/kernel.shmmax"),
    of_service("oom", "oom_score_adj: @", "-1"),
    of_service("oom", "oom_kill_disable: @", "true"),
    of_service("group:docker", "group_add: [@]", "docker"),
    of_service("log-driver:syslog", "logging: {driver: @}", "syslog", at="logging/driver"),
    of_service("storage-opt", "storage_opt: {size: @}", "1G"),
]
NAMES = [f"{ask.grant} by {ask.pointer}" for ask in ASKS]
every_ask = pytest.mark.parametrize("ask", ASKS, ids=NAMES)


def admitted(files: dict[str, str], *grants: str) -> Rendering:
    """A device that runs the shop and the bakery."""
    fleet = FleetFiles(tree_of({**STANDARD, "layers/base/all.yaml": LAYER, **BAKERY, **files}))
    rendering = fleet.render("press")
    assert rendering.problems == ()
    return fleet.admit(rendering, Admission(frozenset(grants)))


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
