"""What an app asks of the device that a container does not simply get, judged on the merged result.

Everything in this list is refused unless it is granted: a change of the fleet repository alone must not turn into power
over the device. What is granted is a text, `CAPABILITY` or `CAPABILITY:VALUE`, such as `privileged`, `cap:NET_ADMIN`,
`bind:/srv/data` (and all below it), `device:/dev/video0`; `everything` grants all. Where grants come from is not said
here. Source: the list of what the Engine's API can be asked for that reaches out of a container.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from reconciler.admission.image_rules import NO_RULES, ImageRules
from reconciler.model import App, Mount, Network, Service, Volume

EVERYTHING = "everything"
CAPABILITIES = {
    "privileged": "all devices and all capabilities of the kernel",
    "cap": "a capability of the kernel, such as `cap:NET_ADMIN`",
    "host-network": "the network of the device itself",
    "host-pid": "every process of the device",
    "host-ipc": "shared memory of the device",
    "host-uts": "the host name of the device",
    "host-userns": "the users of the device, where the Engine maps them",
    "host-cgroup": "the control groups of the device",
    "bind": "a path of the device, and all below it, such as `bind:/srv/data`",
    "propagation": "mounts that a container makes appear on the device",
    "device": "a device file, or all below a folder, such as `device:/dev/video0`",
    "device-rule": "a rule for device numbers, such as `device-rule:c 81:* rmw`",
    "gpu": "devices that a driver hands out, GPUs most of all",
    "volume-driver": "a volume driver, or options of the local one, which can mount any path",
    "network-driver": "a network driver other than bridge, such as `network-driver:macvlan`",
    "network-option": "an option of a network that can reach the device's own, by its name",
    "annotation": "an annotation, which can be an order to the runtime, by its name",
    "security-opt": "a security option other than no-new-privileges",
    "runtime": "another runtime than the Engine's own, such as `runtime:nvidia`",
    "cgroup-parent": "a place among the control groups of the device",
    "sysctl": "a kernel parameter outside of `net.`",
    "oom": "being spared when memory runs out",
    "group": "the group root or docker",
    "log-driver": "a logging driver that sends lines away",
    "storage-opt": "options of the storage driver",
}
# The Engine's own default set without NET_RAW, which can forge packets: asking for these asks for nothing.
_HARMLESS_CAPS = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
_HARMLESS = {("security-opt", "no-new-privileges"), ("security-opt", "no-new-privileges:true")}
_LOCAL_LOGS = ("", "json-file", "local", "journald", "none")
# Fields whose value `host` is the device's own namespace.
_NAMESPACES = {
    "network_mode": "host-network",
    "pid": "host-pid",
    "ipc": "host-ipc",
    "uts": "host-uts",
    "userns_mode": "host-userns",
    "cgroup": "host-cgroup",
}
# What a path grants, all below it has as well.
_PATHS = ("bind", "device")
_WITHOUT_VALUE = ("privileged", "gpu", "oom", "storage-opt", *_NAMESPACES.values())
# What a network of an app may say of itself: none of these reaches out of it.
_HARMLESS_OPTIONS = frozenset(
    f"com.docker.network.{name}"
    for name in (
        "driver.mtu",
        "container_iface_prefix",
        "bridge.enable_icc",
        "bridge.enable_ip_masquerade",
        "bridge.host_binding_ipv4",
    )
)


# What a path of the device is when its links are followed.
RealPath = Callable[[str], str]


def _as_written(path: str) -> str:
    """A desk does not know the links of a device."""
    return path


@dataclass(frozen=True, slots=True)
class Need:
    """A capability that something asks for, and where: a JSON pointer into the app's Compose document."""

    capability: str
    value: str
    pointer: str
    # The path that was written, where a link of the device leads from it to the value.
    link: str = ""

    @property
    def grant(self) -> str:
        """The text that would grant it."""
        return f"{self.capability}:{self.value}" if self.value else self.capability

    @property
    def service(self) -> str:
        """Whose need it is; empty for a network's or a volume's."""
        parts = self.pointer.split("/")
        return parts[2] if parts[1:2] == ["services"] else ""

    @property
    def code(self) -> str:
        """The reason code of its refusal."""
        return f"ADMISSION_{self.capability.upper().replace('-', '_')}"


def is_granted(need: Need, grants: frozenset[str]) -> bool:
    """Does one of the grants cover it?"""
    if grants & {EVERYTHING, need.capability, need.grant}:
        return True
    if need.capability not in _PATHS:
        return False
    folders = (cleaned(grant.partition(":")[2]) for grant in grants if grant.startswith(f"{need.capability}:"))
    return any(f"{need.value}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


@dataclass(frozen=True, slots=True)
class PolicyGrant:
    """What a signed policy lets services of apps have; `*` in a name stands for any part of it."""

    capability: str
    apps: tuple[str, ...]
    services: tuple[str, ...]

    def is_for(self, app: str, need: Need) -> bool:
        return _is_one_of(app, self.apps) and ("*" in self.services or _is_one_of(need.service, self.services))


@dataclass(frozen=True, slots=True)
class Admission:
    """What apps may have: what the device's settings allow; of that, only what a policy grants, where there is one."""

    device: frozenset[str] = frozenset()
    policy: tuple[PolicyGrant, ...] | None = None
    # Must every image be named by its digest?
    requires_digest: bool = False
    # Which images must be signed, and what is known of that.
    images: ImageRules = NO_RULES

    def refusal(self, app: str, need: Need) -> tuple[str, str]:
        """The code of a refusal and what to do about it; empty when the app may have it."""
        if self.policy is not None:
            granted = frozenset(grant.capability for grant in self.policy if grant.is_for(app, need))
            if not is_granted(need, granted):
                return need.code, "remove it, or have the policy grant it, and those sign the release who may"
        if is_granted(need, self.device):
            return "", ""
        code = need.code if self.policy is None else "ADMISSION_CEILING"
        return code, "remove it, or allow it in the settings of the device"


def refusals(app: App, admission: Admission, real: RealPath = _as_written) -> Iterator[tuple[str, str, str]]:
    """What the app asks for and may not have: the pointer that asks, what is refused, and what to do."""
    for need in needs(app, real):
        code, advice = admission.refusal(app.name, need)
        if code:
            through = f" through the link {need.link}" if need.link else ""
            yield (
                need.pointer,
                f"{code}: the app `{app.name}` asks for `{need.grant}`{through} ({need.pointer})",
                advice,
            )
    for service in app.services if admission.requires_digest else ():
        if "@sha256:" not in service.image:
            # Whoever moves the tag would change what runs.
            pointer = f"/services/{service.name}/image"
            what = f"IMAGE_TAG: the app `{app.name}` names {service.image} by a tag ({pointer})"
            yield pointer, what, "write `@sha256:...` behind it: the policy asks for digests"
    for service in app.services:
        if why := admission.images.refusal(service.image):
            pointer = f"/services/{service.name}/image"
            yield pointer, f"{why} ({pointer})", "sign the image with `cosign sign`, or name one that is signed"


def is_admitted(app: App, admission: Admission, real: RealPath = _as_written) -> bool:
    """May it have everything that it asks for? Signatures of images are asked for before they come, not ever after."""
    return not any(refusals(app, replace(admission, images=NO_RULES), real))


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_grant(text: str) -> bool:
    """Is this a text that can grant something? One that never matches a need would be a promise that is not kept."""
    capability, colon, value = text.partition(":")
    if capability not in CAPABILITIES:
        return text == EVERYTHING
    if not colon:
        return True
    if capability in _PATHS:
        return value.startswith("/") and cleaned(value) == (value.rstrip("/") or "/")
    if capability == "cap":
        return re.fullmatch(r"(?!CAP_)[A-Z_]+", value) is not None
    return capability not in _WITHOUT_VALUE and value != ""


def needs(app: App, real: RealPath = _as_written) -> tuple[Need, ...]:
    """Everything that the app asks for, each once, in the order of its services.

    `real` follows the links of a device: where a path leads elsewhere, both must be granted.
    """
    found = [need for service in app.services for need in _service(service)]
    paths = [need for need in found if need.capability in _PATHS and real(need.value) != need.value]
    found += [Need(need.capability, real(need.value), need.pointer, need.value) for need in paths]
    found += [need for network in app.networks for need in _network(network)]
    found += [need for volume in app.volumes for need in _volume(volume)]
    return tuple(dict.fromkeys(found))


def _service(service: Service) -> Iterator[Need]:
    at = f"/services/{service.name}"
    if service.privileged:
        yield Need("privileged", "", f"{at}/privileged")
    for index, cap in enumerate(service.cap_add):
        name = cap.upper().removeprefix("CAP_")
        if name not in _HARMLESS_CAPS:
            yield Need("cap", name, f"{at}/cap_add/{index}")
    for field, capability in _NAMESPACES.items():
        if getattr(service, field) == "host":
            yield Need(capability, "", f"{at}/{field}")
    # Volumes are read first, one mount for each.
    for index, mount in enumerate(service.mounts):
        yield from _mount(mount, f"{at}/volumes/{index}")
    for index, device in enumerate(service.devices):
        yield Need("device", cleaned(device.source), f"{at}/devices/{index}")
    for index, rule in enumerate(service.device_cgroup_rules):
        yield Need("device-rule", rule, f"{at}/device_cgroup_rules/{index}")
    if service.device_requests:
        yield Need("gpu", "", f"{at}/gpus")
    yield from _settings(service, at)


def _mount(mount: Mount, at: str) -> Iterator[Need]:
    if mount.kind == "bind":
        yield Need("bind", cleaned(mount.source), at)
        if mount.propagation in ("shared", "rshared"):
            yield Need("propagation", mount.propagation, f"{at}/bind/propagation")


def _token(name: str) -> str:
    """A name in a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _is_powerful(group: str) -> bool:
    return group in ("root", "docker") or re.fullmatch(r"[+-]?0+", group) is not None


def cleaned(path: str) -> str:
    """The path without `..`, as it is judged: the Engine must get this one and no other. The kernel takes the `..`
    behind a link for the folder above where the link leads.
    """
    return "/" + posixpath.normpath(path).lstrip("/")


def _settings(service: Service, at: str) -> Iterator[Need]:
    asked = [("security-opt", o.replace("=", ":"), f"security_opt/{n}") for n, o in enumerate(service.security_opt)]
    asked += [("sysctl", name, f"sysctls/{_token(name)}") for name in service.sysctls if not name.startswith("net.")]
    asked += [("group", group, f"group_add/{n}") for n, group in enumerate(service.group_add) if _is_powerful(group)]
    asked += [("annotation", name, f"annotations/{_token(name)}") for name in service.annotations]
    said = {
        "oom": ("oom_kill_disable", service.oom_kill_disable),
        "storage-opt": ("storage_opt", bool(service.storage_opt)),
    }
    asked += [(capability, "", field) for capability, (field, is_said) in said.items() if is_said]
    if service.oom_score_adj is not None and service.oom_score_adj < 0:
        asked.append(("oom", "", "oom_score_adj"))
    if service.logging.driver not in _LOCAL_LOGS:
        asked.append(("log-driver", service.logging.driver, "logging/driver"))
    words = {"runtime": ("runtime", service.runtime), "cgroup-parent": ("cgroup_parent", service.cgroup_parent)}
    asked += [(capability, value, field) for capability, (field, value) in words.items() if value]
    for capability, value, field in asked:
        if (capability, value) not in _HARMLESS:
            yield Need(capability, value, f"{at}/{field}")


def _network(network: Network) -> Iterator[Need]:
    if network.driver not in ("", "bridge"):
        yield Need("network-driver", network.driver, f"/networks/{network.key}/driver")
    if network.ipam_driver not in ("", "default"):
        yield Need("network-driver", network.ipam_driver, f"/networks/{network.key}/ipam/driver")
    for name in network.driver_opts:
        if name not in _HARMLESS_OPTIONS:
            yield Need("network-option", name, f"/networks/{network.key}/driver_opts/{_token(name)}")


def _volume(volume: Volume) -> Iterator[Need]:
    if volume.driver not in ("", "local"):
        yield Need("volume-driver", volume.driver, f"/volumes/{volume.key}/driver")
    elif volume.driver_opts:
        yield Need("volume-driver", "local", f"/volumes/{volume.key}/driver_opts")
