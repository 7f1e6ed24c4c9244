"""How long an operator's git waits for a server. One that accepts and then says nothing would hold it up for ever."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from reconciler.errors import RemoteUnavailable
from reconciler.repository.git import complaint

# Settings by which the operator has said it in their own way (git-config(1)), and the variables for the same.
OWN_SETTINGS = r"^(core\.sshcommand|http\.(.*\.)?lowspeed(limit|time))$"
_OWN_SSH = {"core.sshcommand", "GIT_SSH_COMMAND", "GIT_SSH"}
_OWN_SPEED = re.compile(r"http\..*|GIT_HTTP_LOW_SPEED_(LIMIT|TIME)")
_ADVICE = "see whether the server answers and lets you in, and try again"
# How GitPython words a call of git or of another program that went wrong.
_QUOTED = re.compile(r"\s*std(?:out|err): '(.*)'\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Patience:
    """For a server that says nothing, in seconds, over HTTPS and SSH. Who waits for a slow one can end it."""

    silence_seconds: int = 60

    def environment(self, settings: Collection[str], variables: Mapping[str, str]) -> dict[str, str]:
        """What to add to these variables of the operator's, beside these settings; nothing in place of their own."""
        own = {*settings, *variables}
        limits: dict[str, str] = {}
        if not any(map(_OWN_SPEED.fullmatch, own)):
            # A byte each second, since a server that packs much sends only a few to show that it lives.
            silence = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": f"{self.silence_seconds}"}
            limits |= silence
        if not own & _OWN_SSH:
            each = max(1, self.silence_seconds // 4)
            options = f"-oConnectTimeout={self.silence_seconds} -oServerAliveInterval={each} -oServerAliveCountMax=3"
            limits["GIT_SSH_COMMAND"] = f"ssh {options}"
        return limits


def unavailable(what: str, told: Iterable[str], where: str) -> RemoteUnavailable:
    """For people, by what GitPython tells of git's output."""
    said = "\n".join(map(_said, told))
    return RemoteUnavailable(f"{what}: {complaint(said.encode())}", where=where, advice=_ADVICE)


def _said(told: str) -> str:
    quoted = _QUOTED.fullmatch(told)
    return quoted[1] if quoted else told
