"""A device that asks to join a fleet: what it is, and the key by which it will be known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

# What a device says of itself is short; a request over this is refused by readers.
MAX_ENROLLMENT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """What a device found out about its hardware and system; empty or 0 for what it could not.

    `architecture` is a word of the OCI image specification, such as `arm64`.
    """

    architecture: str = ""
    system: str = ""
    kernel: str = ""
    model: str = ""
    gpu: str = ""
    cpus: int = 0
    memory_bytes: int = 0


# By these names an operator may make labels of what a request tells.
FACTS = (*(one.name for one in fields(Machine)), "engine")


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The request. `identity` is a public key in OpenSSH's format; `labels` are what the device proposes."""

    device: str
    identity: str
    time: str
    machine: Machine = Machine()
    labels: Mapping[str, str] = field(default_factory=dict)
    # Of a device that changes its key: an SSH signature by the one before, of `vouched_for`.
    voucher: str = ""
    # The version of its Docker Engine; empty where none answered.
    engine: str = ""

    @property
    def facts(self) -> Mapping[str, str]:
        """What it tells of itself; nothing of what it does not know."""
        told = {name: str(getattr(self.machine, name, "") or "") for name in FACTS} | {"engine": self.engine}
        return {name: value for name, value in told.items() if value}


# What the signature of a voucher is for (PROTOCOL.sshsig, "namespace"); it is good for nothing else.
VOUCHER_NAMESPACE = "device-key"


def vouched_for(device: str, identity: str) -> bytes:
    """What the key before signs: that this device will be known by that one."""
    return f"device {device}\nkey {identity}\n".encode()
