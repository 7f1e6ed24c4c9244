"""One Compose file for each way out of a container, and a device to which it is given."""

from dataclasses import dataclass

from render_cases import STANDARD, tree_of

from reconciler.admission import Admission
from reconciler.manifests import FleetFiles, Rendering

WEB = "services:\n  web:\n    image: web\n    "
LAYER = "spec:\n  apps: [shop, bakery]\n"
BAKERY = {"apps/bakery/compose.yaml": "services: {oven: {image: oven}}\n"}


@dataclass(frozen=True)
class Ask:
    """A Compose file that asks for one thing; `@` stands for the value that does."""

    grant: str
    pointer: str
    compose: str
    value: str
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.grant} by {self.pointer}"

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


def admitted(files: dict[str, str], *grants: str) -> Rendering:
    """A device that runs the shop and the bakery, and allows this."""
    return judged(files, Admission(frozenset(grants)))


def judged(files: dict[str, str], admission: Admission) -> Rendering:
    """The same, by whatever says what apps may have."""
    fleet = FleetFiles(tree_of({**STANDARD, "layers/base/all.yaml": LAYER, **BAKERY, **files}))
    rendering = fleet.render("press")
    assert rendering.problems == ()
    return fleet.admit(rendering, admission)
