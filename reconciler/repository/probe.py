"""Could we talk to the Git server, if we wanted to? Nothing is fetched, and nothing is written there."""

import re
import tempfile
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from reconciler.errors import GitError, RemoteUnavailable, UnknownRevision
from reconciler.repository.bare import init_bare
from reconciler.repository.busy import traced
from reconciler.repository.git import Git, complaint
from reconciler.repository.remote import Remote

# Somebody waits for the answer.
PATIENCE_SECONDS = 30.0
_DATE = re.compile(rb"<= Recv header: date:[ \t]*([ -~]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a ref of a server names, and when it was by the server's clock, in seconds since 1970, if it told."""

    id: str
    time: float | None = None


def version() -> str:
    """The version of git, such as 2.39.5. Raises GitError when it is not installed, or says none."""
    with tempfile.TemporaryDirectory() as folder:
        told = Git(Path(folder)).run("version").decode("utf-8", "replace").split()
    if len(told) < 3 or not told[2][:1].isdigit():
        raise GitError(f"git says that it is {' '.join(told)!r}", advice="install git 2.38 or newer")
    return told[2]


def newest(remote: Remote, ref: str) -> Answered:
    """What a ref of the server names, or the first of a pattern. Raises RemoteUnavailable, UnknownRevision."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "probe.git"
        init_bare(folder)
        git = Git(folder, remote.options(), variables=traced(remote))
        code, out, err = git.attempt("ls-remote", "--end-of-options", remote.url, ref, timeout=PATIENCE_SECONDS)
    if code != 0:
        raise RemoteUnavailable(
            f"no answer: {complaint(err)}", where=remote.url, advice="see the network, token and CA"
        )
    found = out.decode("utf-8", "replace").split()
    if not found:
        raise UnknownRevision(f"no {ref}", where=remote.url, advice="push it, or set `branch` to one that is")
    return Answered(found[0], _server_time(err))


def _server_time(told: bytes) -> float | None:
    """Out of the head of the last answer: a proxy may have said a time before it (RFC 9110, 6.6.1)."""
    said = _DATE.findall(told)
    try:
        return parsedate_to_datetime(said[-1].decode().strip()).replace(tzinfo=UTC).timestamp() if said else None
    except (ValueError, TypeError, OverflowError):
        return None


def may_write(git_dir: Path, remote: Remote, ref: str, commit: str) -> None:
    """Would the server take a push of this device? Raises RemoteUnavailable. `commit` is one that the store has."""
    git = Git(git_dir, remote.options())
    refspec = f"+{commit}:{ref}"
    flags = ("--dry-run", "--quiet", "--no-verify", "--end-of-options")
    code, _, err = git.attempt("push", *flags, remote.url, refspec, timeout=PATIENCE_SECONDS)
    if code != 0:
        raise RemoteUnavailable(f"may not push: {complaint(err)}", where=remote.url, advice="see the token's rights")
