"""Who comes into a Git server, and how far: people by name and password, devices by a token each."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

_OWN = ("refs/reports", "refs/enroll")


@dataclass(frozen=True, slots=True)
class Doors:
    """Open for everybody, unless somebody is named.

    With the gate, a device pushes to its own refs and to no other, as a server of one's own can have it; without, to
    all, as on most forges.
    """

    # Password by name.
    users: Mapping[str, str] = field(default_factory=dict)
    # Device by token, whatever name comes with it.
    devices: Mapping[str, str] = field(default_factory=dict)
    gated: bool = True

    def enter(self, authorization: str, env: Mapping[str, str]) -> dict[str, str] | None:
        """git's environment for a request with this header; None for whom nobody knows."""
        if not self.users and not self.devices:
            return {**env, "REMOTE_USER": ""}
        name, password = _credentials(authorization)
        device = self.devices.get(password, "")
        if device:
            entered = {**env, "REMOTE_USER": device}
            return through_gate(entered, device) if self.gated else entered
        return {**env, "REMOTE_USER": name} if self.users.get(name) == password else None


def through_gate(env: Mapping[str, str], device: str) -> dict[str, str]:
    """git's environment, in which a push sees the refs of this device and may change no other; a fetch is as ever.

    It is what makes a push cheap as well: without it, git shows every ref to whoever pushes, and goes through all of
    them twice to see what it has. docs/guides/git-server.md says it for nginx and sshd.
    """
    settings = [
        ("receive.hideRefs", "refs/"),
        *(("receive.hideRefs", f"!{folder}/{device}") for folder in _OWN),
        # What is pushed waits beside the repository, whose refs would be listed once more.
        ("core.alternateRefsCommand", "true"),
        # A report has 64 KiB; no device fills the disk by one push.
        ("receive.maxInputSize", "1m"),
    ]
    first = int(env.get("GIT_CONFIG_COUNT", "0"))
    numbered: dict[str, str] = {}
    for number, (key, value) in enumerate(settings, first):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**env, **numbered, "GIT_CONFIG_COUNT": str(first + len(settings))}


def _credentials(authorization: str) -> tuple[str, str]:
    """Name and password of a header (RFC 7617); nothing, for any other."""
    scheme, _, coded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(coded).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" else ("", "")
