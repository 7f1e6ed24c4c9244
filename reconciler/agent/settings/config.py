"""The agent's own settings: one file on the device, put there by whoever sets it up, never from Git."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.admission import CAPABILITIES, EVERYTHING, is_grant
from reconciler.agent.host.device_root import TOP, reached, root_of
from reconciler.agent.host.links import follow
from reconciler.agent.settings.fields import duration, path_beside, section, word
from reconciler.agent.settings.trust_settings import TRUST_KEYS, UNSAFE_HEAD, TrustSettings, trust_settings
from reconciler.agent.state.owners import read_owned
from reconciler.errors import ConfigError, ManifestError, PermissionDenied
from reconciler.model.names import DNS_LABEL_ADVICE, is_dns_label
from reconciler.reading import Node, Problems, boolean, check_keys, integer, listed, mapping, parse, size_in_bytes, text
from reconciler.repository import Remote, check_branch, is_ssh

DEFAULT_PATH = Path("/etc/reconciler/config.yaml")
# Below this, a fleet polls its Git server to death for nothing: a nudge (SIGHUP) is faster than any poll.
MIN_INTERVAL_SECONDS = 1.0
TRANSPORTS = ("branch", "ref")
_REMOTE_FILES = ("tokenFile", "caFile", "keyFile", "knownHostsFile", "proxyCredentialsFile")
_ADDRESS_KEYS = ("url", "proxy", *_REMOTE_FILES)
_REMOTE_KEYS = ("branch", *_ADDRESS_KEYS)
_SPEC_KEYS = tuple(
    "remote interval trust identity status engine state admission images metrics secrets updates".split()
)
_STATUS_KEYS = ("branch", "heartbeat", "transport", "remote", "logLines")
# A report has at most 64 KiB, for all apps.
_MOST_LOG_LINES = 20
# Logs, databases and the next report need room as well.
KEEP_FREE = 512 * 1024 * 1024
_LISTEN = re.compile(r"(127\.0\.0\.1|localhost):[1-9][0-9]{0,4}")
_ADVICE = "see docs/reference/settings.md"
_SHORTEST_PATIENCE, _LONGEST_PATIENCE = 10.0, 3600.0
_LONGEST_HEARTBEAT = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """How the device reports: where, by which transport, and how often at least, in seconds."""

    remote: Remote
    branch: str = "status"
    # `branch`: onto the branch that all share. `ref`: to a ref of its own, and a collector puts it onto the branch.
    transport: str = "branch"
    heartbeat: float = 900.0
    # How many lines are told of what a service wrote that failed, without what it was given.
    log_lines: int = 0


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """Where secrets lie unsealed, which must be in memory, and age keys that unseal beside the device's identity."""

    folder: Path = Path("/run/reconciler/secrets")
    keys: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """May Git change the reconciler itself? And how many seconds a new version has to prove itself."""

    allowed: bool = False
    patience: float = 600.0


@dataclass(frozen=True, slots=True)
class Config:
    """What one device knows before it reads anything from Git. Durations are seconds."""

    device: str
    remote: Remote
    branch: str
    trust: TrustSettings
    identity: Path
    status: StatusSettings
    interval: float
    engine: str
    state: Path
    # What apps may ask of the device, as texts of admission/needs.py.
    allow: frozenset[str] = frozenset()
    # Bytes of the disk of the images that pulls leave free.
    keep_free: int = KEEP_FREE
    # Servers that are asked for the fleet, in this order, while the first one does not answer.
    mirrors: tuple[Remote, ...] = ()
    # Where metrics are told, on loopback; empty for nowhere.
    metrics: str = ""
    secrets: SecretSettings = SecretSettings()
    updates: UpdateSettings = UpdateSettings()
    # Where the disk of the device is: `/`, but not in a container.
    root: Path = TOP

    def real(self, path: str) -> str:
        """Where a path of the device leads when its links are followed."""
        return follow(path, str(self.root))


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings. Raises ConfigError, naming the line, or PermissionDenied."""
    return parse_config(read_settings(path), path, environ)


def read_settings(path: Path) -> bytes:
    """The file, unread. Raises ConfigError, or PermissionDenied also when somebody else could have written it."""
    try:
        # They say whom the device trusts, and what apps may do here.
        return read_owned(path, follows_link=True)
    except PermissionError as error:
        raise PermissionDenied("the settings may not be read", where=str(path), advice="run as root") from error
    except OSError as error:
        raise ConfigError(f"the settings cannot be read: {error.strerror}", where=str(path), advice=_ADVICE) from error


def parse_config(content: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """What the file at this path says. Raises ConfigError, naming the line."""
    root = root_of(environ)
    problems = Problems()
    try:
        config = _config(parse(content, str(path)), path.parent, problems)
        problems.raise_if_any()
    except ManifestError as error:
        raise ConfigError("\n".join(map(str, error.problems)), advice=_ADVICE) from error
    return replace(config, root=root, engine=reached(config.engine, root))


def _config(node: Node, folder: Path, problems: Problems) -> Config:
    fields = mapping(node, "the settings", problems)
    check_keys(node, ("apiVersion", "kind", "metadata", "spec"), "the settings", problems)
    for key, wanted in (("apiVersion", "fleet/v1"), ("kind", "Agent")):
        if key not in fields or fields[key].value != wanted:
            problems.add(node.place, f"`{key}` must be {wanted}", f"write `{key}: {wanted}`")
    device = word(section(node, "metadata", ("name",), problems), "name", "", problems)
    if not is_dns_label(device):
        problems.add(node.place, f"`metadata.name` {device!r} is no name of a device", DNS_LABEL_ADVICE)
    spec = section(node, "spec", _SPEC_KEYS, problems)
    remote = section(spec, "remote", (*_REMOTE_KEYS, "mirrors"), problems)
    interval = _interval(spec, problems)
    trust = trust_settings(section(spec, "trust", TRUST_KEYS, problems), folder, problems)
    keep_free = _keep_free(section(spec, "images", ("keepFree",), problems), problems)
    secrets = _secrets(section(spec, "secrets", ("folder", "keyFile"), problems), folder, problems)
    identity = path_beside(spec, "identity", folder, problems) or folder / "identity"
    branch = word(remote, "branch", "main", problems)
    reporting = section(spec, "status", _STATUS_KEYS, problems)
    problems.raise_if_any()
    server = _remote(remote, identity, folder, problems)
    status = _status(reporting, server, branch, identity, folder, problems)
    metrics = _listen(section(spec, "metrics", ("listen",), problems), problems)
    problems.raise_if_any()
    return Config(
        device=device,
        remote=server,
        branch=check_branch(branch),
        trust=trust,
        identity=identity,
        status=status,
        interval=interval,
        engine=word(spec, "engine", "unix:///var/run/docker.sock", problems),
        state=path_beside(spec, "state", folder, problems) or Path("/var/lib/reconciler"),
        allow=_allowed(spec, problems),
        keep_free=keep_free,
        metrics=metrics,
        secrets=secrets,
        updates=_updates(spec, trust.mode, problems),
        mirrors=_mirrors(remote, identity, folder, problems),
    )


def _mirrors(remote: Node, identity: Path, folder: Path, problems: Problems) -> tuple[Remote, ...]:
    """Other servers, each with keys of its own. Raises ManifestError."""
    written = remote.entries.get("mirrors", Node((), remote.place, remote.place))
    entries = listed(written, "mirrors", problems, lambda node, *_: node)
    for node in entries:
        mapping(node, "a mirror", problems)
        check_keys(node, _ADDRESS_KEYS, "a mirror", problems)
    problems.raise_if_any()
    found = tuple(_remote(node, identity, folder, problems) for node in entries)
    problems.raise_if_any()
    return found


def _interval(spec: Node, problems: Problems) -> float:
    interval = duration(spec, "interval", 60.0, problems)
    if interval < MIN_INTERVAL_SECONDS:
        problems.add(spec.place, f"`interval` is under {MIN_INTERVAL_SECONDS:g} s", "poll less often")
    return interval


def _remote(remote: Node, identity: Path, folder: Path, problems: Problems) -> Remote:
    """The address, and the files that belong to it. Over SSH, a device is known by its identity if nothing is said."""
    token, ca, key, known, through = (path_beside(remote, name, folder, problems) for name in _REMOTE_FILES)
    url, proxy = word(remote, "url", "", problems), word(remote, "proxy", "", problems)
    if is_ssh(url):
        return Remote.parse(url, token, ca, key or identity, known or folder / "known_hosts", proxy, through)
    return Remote.parse(url, token, ca, proxy=proxy, proxy_file=through)


def _status(
    status: Node, server: Remote, obeyed: str, identity: Path, folder: Path, problems: Problems
) -> StatusSettings:
    """Where reports go; to the server of the fleet, unless another one is named."""
    other = section(status, "remote", _ADDRESS_KEYS, problems)
    remote = _remote(other, identity, folder, problems) if other.entries else server
    branch = word(status, "branch", "status", problems)
    if remote.url == server.url and branch == obeyed:
        problems.add(status.place, "reports would go onto the branch that is obeyed", "give them a branch of their own")
    heartbeat = duration(status, "heartbeat", 900.0, problems)
    if heartbeat > _LONGEST_HEARTBEAT:
        problems.add(status.place, "`heartbeat` is over a week", "a silent device is found by it: write 168h or less")
    transport = word(status, "transport", "branch", problems)
    if transport not in TRANSPORTS:
        advice = f"use one of {', '.join(TRANSPORTS)}"
        problems.add(status.entries["transport"].place, f"`transport` is {transport!r}", advice)
    return StatusSettings(remote, check_branch(branch), transport, heartbeat, _log_lines(status, problems))


def _log_lines(status: Node, problems: Problems) -> int:
    written = status.entries.get("logLines")
    lines = integer(written, "logLines", problems) if written is not None else 0
    if not 0 <= lines <= _MOST_LOG_LINES:
        problems.add(status.place, f"`logLines` must be from 0 to {_MOST_LOG_LINES}", f"write {_MOST_LOG_LINES}")
    return lines


def _listen(metrics: Node, problems: Problems) -> str:
    listen = word(metrics, "listen", "", problems)
    if listen and not (_LISTEN.fullmatch(listen) and int(listen.rpartition(":")[2]) < 1 << 16):
        what = f"`listen` {listen!r} is no port on loopback: metrics are for this machine alone"
        problems.add(metrics.entries["listen"].place, what, "write 127.0.0.1:PORT")
    return listen


def _secrets(secrets: Node, folder: Path, problems: Problems) -> SecretSettings:
    key = path_beside(secrets, "keyFile", folder, problems)
    place = path_beside(secrets, "folder", folder, problems)
    return SecretSettings(place or SecretSettings().folder, (key,) if key else ())


def _updates(spec: Node, mode: str, problems: Problems) -> UpdateSettings:
    updates = section(spec, "updates", ("reconciler", "patience"), problems)
    written = updates.entries.get("reconciler")
    allowed = boolean(written, "reconciler", problems) if written is not None else False
    if allowed and mode == UNSAFE_HEAD:
        problems.add(updates.place, f"`updates.reconciler` in mode {UNSAFE_HEAD}: whoever may push would be root here")
    patience = duration(updates, "patience", UpdateSettings().patience, problems)
    if not _SHORTEST_PATIENCE <= patience <= _LONGEST_PATIENCE:
        problems.add(updates.place, "`patience` must be from 10s to 1h", "write 10m")
    return UpdateSettings(allowed, patience)


def _keep_free(images: Node, problems: Problems) -> int:
    written = images.entries.get("keepFree")
    return KEEP_FREE if written is None else size_in_bytes(written, "keepFree", problems)


def _allowed(spec: Node, problems: Problems) -> frozenset[str]:
    admission = section(spec, "admission", ("allow",), problems)
    written = admission.entries.get("allow", Node((), admission.place, admission.place))
    return frozenset(listed(written, "allow", problems, _grant))


def _grant(node: Node, name: str, problems: Problems) -> str:
    grant = text(node, name, problems)
    if grant and not is_grant(grant):
        advice = f"known are {EVERYTHING}, {', '.join(CAPABILITIES)}, each perhaps with `:VALUE`"
        problems.add(node.place, f"{grant!r} grants nothing", advice)
    return grant
