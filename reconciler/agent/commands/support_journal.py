"""Of the support bundle: what systemd's journal holds, and which commits were seen, with who signed them."""

import re
import subprocess
from collections.abc import Iterator

from reconciler.agent.orders.fetching import make_mirror
from reconciler.agent.orders.source import known_signers
from reconciler.agent.settings.config import Config
from reconciler.agent.state.journal import Journal
from reconciler.errors import StateError, UnknownRevision
from reconciler.repository import Mirror
from signing import AllowedSigners, SignatureError, split_commit, verify_commit

_COMMITS = 20
_PATIENCE_SECONDS = 20.0
_MOST = 4 * 1024 * 1024
_MOST_WORDS = 300
# Behind these, the Engine quotes a request, or what became of it: a command, a user, an environment.
_QUOTES = re.compile(rb"(returned error:|\berror:|\berror=|\berr=|OCI runtime|form data).*")
_DEBUG = re.compile(rb"\blevel=debug\b")
# To the last `@` of the line: a password may hold what an address should not.
_CREDENTIALS = re.compile(rb"(://|\burl: *['\"]?(?:[a-zA-Z0-9+.-]*://)?)[^\n]*@")


def service_log() -> bytes:
    """The newest lines of the service. It logs steps and errors, never a value. Raises StateError."""
    return _journal("--unit=reconciler", "--lines=2000")


def engine_log() -> bytes:
    """The newest lines of the Engine's own, without what it quotes. Raises StateError.

    Under its unit lies also what containers wrote, where their logs go to the journal; they have another identifier.
    """
    found = _journal("--unit=docker", "--identifier=dockerd", "--lines=500")
    return b"".join(without_quotes(line) for line in found.splitlines(keepends=True) if not _DEBUG.search(line))


def without_quotes(line: bytes) -> bytes:
    """A line of the Engine's log, with as much of it as says nothing of what somebody asked for."""
    return _QUOTES.sub(rb"\1 ...", without_credentials(line))


def without_credentials(text: bytes) -> bytes:
    """Addresses without what stands before their `@`."""
    return _CREDENTIALS.sub(rb"\1***@", text)


def _journal(*chosen: str) -> bytes:
    command = ["journalctl", *chosen, "--no-pager", "--output=short-iso"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise StateError(f"journalctl did not answer: {error}") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[-_MOST_WORDS:] or "it does not say why"
        raise StateError(f"journalctl ended with {done.returncode}: {why}")
    return done.stdout[-_MOST:]


def commits(config: Config) -> bytes:
    """The newest commits of what is followed: id, date and who signed, by the keys that count here now."""
    journal = Journal(config.state)
    trusted = journal.trusted
    mirror = make_mirror(config)
    try:
        tip = mirror.seen().commit
    except UnknownRevision:
        # Modes `tag` and `release` fetch no branch.
        if trusted is None:
            raise
        tip = trusted.commit
    signers = known_signers(config, journal)
    obeyed = trusted.commit if trusted else ""
    return "".join(f"{line}\n" for line in _lines(mirror, tip, obeyed, signers)).encode()


def _lines(mirror: Mirror, tip: str, obeyed: str, signers: AllowedSigners) -> Iterator[str]:
    for commit, raw in reversed(mirror.newest(tip, _COMMITS)):
        mark = " <- obeyed" if commit == obeyed else ""
        yield f"{commit} {_date(raw)} {_verdict(raw, signers)}{mark}"


def _date(raw: bytes) -> str:
    try:
        return f"{split_commit(raw).committed_at:%Y-%m-%dT%H:%M:%SZ}"
    except SignatureError:
        return "without a date"


def _verdict(raw: bytes, signers: AllowedSigners) -> str:
    """By its signature alone: a merge that a device makes again out of signed commits is unsigned here."""
    try:
        signature = verify_commit(raw, signers)
    except SignatureError as error:
        return error.code
    return f"signed by {signature.principal} ({signature.key.fingerprint})"
