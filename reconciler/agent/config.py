"""The agent's own settings: one file on the device, put there by whoever sets it up, never from Git."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import ConfigError, ManifestError, PermissionDenied
from reconciler.manifests import (
    CAPABILITIES,
    EVERYTHING,
    Node,
    Problems,
    check_keys,
    is_grant,
    listed,
    mapping,
    parse,
    seconds,
    size_in_bytes,
    text,
)
from reconciler.model.names import DNS_LABEL_ADVICE, is_dns_label
from reconciler.repository import Remote, check_branch, is_ssh
from signing.documents import DEFAULT_BRANCH, NAME, SHA256

DEFAULT_PATH = Path("/etc/reconciler/config.yaml")
# Below this, a fleet polls its Git server to death for nothing: a nudge (SIGHUP) is faster than any poll.
MIN_INTERVAL_SECONDS = 1.0
TAG, RELEASE, UNSAFE_HEAD = "tag", "release", "unsafe-head"
TRUST_MODES = ("commits", RELEASE, TAG, UNSAFE_HEAD)
TRANSPORTS = ("branch", "ref")
_REMOTE_FILES = ("tokenFile", "caFile", "keyFile", "knownHostsFile", "proxyCredentialsFile")
_REMOTE_KEYS = ("url", "branch", "proxy", *_REMOTE_FILES)
_STATUS_KEYS = ("branch", "heartbeat", "transport", "remote")
_TRUST_KEYS = ("mode", "allowedSigners", "anchor", "merges", "tags", "channel", "releases")
_TAG_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,98}|")
# Logs, databases and the next report need room as well.
KEEP_FREE = 512 * 1024 * 1024
_LISTEN = re.compile(r"(127\.0\.0\.1|localhost):[1-9][0-9]{0,4}")
_COMMIT_ID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_LONGEST_HEARTBEAT = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Whom the device obeys: by which mode, by whose keys, from which commit or policy on."""

    mode: str
    allowed_signers: Path
    anchor: str = ""
    # In mode `commits`: make merges again that nobody allowed signed, instead of refusing them.
    recomputes_merges: bool = True
    # In mode `tag`: what tags begin with; a version follows.
    tag_prefix: str = "v"
    # In mode `release`: whose releases, and the branch on which they lie. The anchor is the digest of a policy.
    channel: str = "main"
    releases: str = DEFAULT_BRANCH


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """How the device reports: where, by which transport, and how often at least, in seconds."""

    remote: Remote
    branch: str = "status"
    # `branch`: onto the branch that all share. `ref`: to a ref of its own, and a collector puts it onto the branch.
    transport: str = "branch"
    heartbeat: float = 900.0


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
    # What apps may ask of the device, as texts of manifests/admission.py.
    allow: frozenset[str] = frozenset()
    # Bytes of the disk of the images that pulls leave free.
    keep_free: int = KEEP_FREE
    # Where metrics are told, on loopback; empty for nowhere.
    metrics: str = ""


def is_commit_id(text: str) -> bool:
    return _COMMIT_ID.fullmatch(text) is not None


def load_config(path: Path) -> Config:
    """Read the settings. Raises ConfigError, naming the line, or PermissionDenied."""
    advice = "see docs/reference/settings.md"
    try:
        content = path.read_bytes()
    except PermissionError as error:
        raise PermissionDenied("the settings may not be read", where=str(path), advice="run as root") from error
    except OSError as error:
        raise ConfigError(f"the settings cannot be read: {error.strerror}", where=str(path), advice=advice) from error
    problems = Problems()
    try:
        config = _config(parse(content, str(path)), path.parent, problems)
        problems.raise_if_any()
    except ManifestError as error:
        raise ConfigError("\n".join(map(str, error.problems)), advice=advice) from error
    return config


def _config(node: Node, folder: Path, problems: Problems) -> Config:
    fields = mapping(node, "the settings", problems)
    check_keys(node, ("apiVersion", "kind", "metadata", "spec"), "the settings", problems)
    for key, wanted in (("apiVersion", "fleet/v1"), ("kind", "Agent")):
        if key not in fields or fields[key].value != wanted:
            problems.add(node.place, f"`{key}` must be {wanted}", f"write `{key}: {wanted}`")
    device = _text(_section(node, "metadata", ("name",), problems), "name", "", problems)
    if not is_dns_label(device):
        problems.add(node.place, f"`metadata.name` {device!r} is no name of a device", DNS_LABEL_ADVICE)
    keys = ("remote", "interval", "trust", "identity", "status", "engine", "state", "admission", "images", "metrics")
    spec = _section(node, "spec", keys, problems)
    remote = _section(spec, "remote", _REMOTE_KEYS, problems)
    interval = _seconds(spec, "interval", 60.0, problems)
    if interval < MIN_INTERVAL_SECONDS:
        problems.add(spec.place, f"`interval` is under {MIN_INTERVAL_SECONDS:g} s", "poll less often")
    allow = _allowed(_section(spec, "admission", ("allow",), problems), problems)
    trust = _trust(_section(spec, "trust", _TRUST_KEYS, problems), folder, problems)
    keep_free = _keep_free(_section(spec, "images", ("keepFree",), problems), problems)
    identity = _path(spec, "identity", folder, problems) or folder / "identity"
    branch = _text(remote, "branch", "main", problems)
    reporting = _section(spec, "status", _STATUS_KEYS, problems)
    problems.raise_if_any()
    server = _remote(remote, identity, folder, problems)
    status = _status(reporting, server, branch, identity, folder, problems)
    metrics = _listen(_section(spec, "metrics", ("listen",), problems), problems)
    problems.raise_if_any()
    return Config(
        device=device,
        remote=server,
        branch=check_branch(branch),
        trust=trust,
        identity=identity,
        status=status,
        interval=interval,
        engine=_text(spec, "engine", "unix:///var/run/docker.sock", problems),
        state=_path(spec, "state", folder, problems) or Path("/var/lib/reconciler"),
        allow=allow,
        keep_free=keep_free,
        metrics=metrics,
    )


def _remote(remote: Node, identity: Path, folder: Path, problems: Problems) -> Remote:
    """The address, and the files that belong to it. Over SSH, a device is known by its identity if nothing is said."""
    token, ca, key, known, through = (_path(remote, name, folder, problems) for name in _REMOTE_FILES)
    url, proxy = _text(remote, "url", "", problems), _text(remote, "proxy", "", problems)
    if is_ssh(url):
        return Remote.parse(url, token, ca, key or identity, known or folder / "known_hosts", proxy, through)
    return Remote.parse(url, token, ca, proxy=proxy, proxy_file=through)


def _status(
    status: Node, server: Remote, obeyed: str, identity: Path, folder: Path, problems: Problems
) -> StatusSettings:
    """Where reports go; to the server of the fleet, unless another one is named."""
    other = _section(status, "remote", tuple(key for key in _REMOTE_KEYS if key != "branch"), problems)
    remote = _remote(other, identity, folder, problems) if other.entries else server
    branch = _text(status, "branch", "status", problems)
    if remote.url == server.url and branch == obeyed:
        problems.add(status.place, "reports would go onto the branch that is obeyed", "give them a branch of their own")
    heartbeat = _seconds(status, "heartbeat", 900.0, problems)
    if heartbeat > _LONGEST_HEARTBEAT:
        problems.add(status.place, "`heartbeat` is over a week", "a silent device is found by it: write 168h or less")
    transport = _text(status, "transport", "branch", problems)
    if transport not in TRANSPORTS:
        advice = f"use one of {', '.join(TRANSPORTS)}"
        problems.add(status.entries["transport"].place, f"`transport` is {transport!r}", advice)
    return StatusSettings(remote, check_branch(branch), transport, heartbeat)


def _anchor(trust: Node, mode: str, problems: Problems) -> str:
    anchor = _text(trust, "anchor", "", problems)
    place = trust.entries.get("anchor", trust).place
    if mode == RELEASE and not SHA256.fullmatch(anchor):
        told = "`anchor` is not the digest of a policy" if anchor else "mode release needs an `anchor`"
        problems.add(place, told, "write the 64 digits that `fleet policy show` prints")
    elif mode != RELEASE and anchor and not is_commit_id(anchor):
        problems.add(place, f"`anchor` {anchor!r} is no commit id", "write all of its digits")
    return anchor


def _channel(trust: Node, problems: Problems) -> str:
    channel = _text(trust, "channel", "main", problems)
    if not NAME.fullmatch(channel):
        problems.add(trust.entries["channel"].place, f"`channel` {channel!r} is no name", "use letters and digits")
    return channel


def _listen(metrics: Node, problems: Problems) -> str:
    listen = _text(metrics, "listen", "", problems)
    if listen and not _LISTEN.fullmatch(listen):
        what = f"`listen` {listen!r} is no port on loopback: metrics are for this machine alone"
        problems.add(metrics.entries["listen"].place, what, "write 127.0.0.1:PORT")
    return listen


def _keep_free(images: Node, problems: Problems) -> int:
    written = images.entries.get("keepFree")
    return KEEP_FREE if written is None else size_in_bytes(written, "keepFree", problems)


def _trust(trust: Node, folder: Path, problems: Problems) -> TrustSettings:
    mode = _mode(trust, problems)
    return TrustSettings(
        mode=mode,
        allowed_signers=_path(trust, "allowedSigners", folder, problems) or folder / "allowed_signers",
        anchor=_anchor(trust, mode, problems),
        recomputes_merges=_recomputes(trust, problems),
        tag_prefix=_tag_prefix(trust, problems),
        channel=_channel(trust, problems),
        releases=check_branch(_text(trust, "releases", DEFAULT_BRANCH, problems)),
    )


def _mode(trust: Node, problems: Problems) -> str:
    mode = _text(trust, "mode", "commits", problems)
    if mode not in TRUST_MODES:
        problems.add(trust.entries["mode"].place, f"`mode` is {mode!r}", f"use one of {', '.join(TRUST_MODES)}")
    return mode


def _tag_prefix(trust: Node, problems: Problems) -> str:
    prefix = _text(trust, "tags", "v", problems)
    if not _TAG_PREFIX.fullmatch(prefix) or ".." in prefix or "//" in prefix:
        problems.add(trust.entries["tags"].place, f"`tags` {prefix!r} begins no tag", "write a prefix such as `v`")
    return prefix


def _recomputes(trust: Node, problems: Problems) -> bool:
    merges = _text(trust, "merges", "recompute", problems)
    if merges not in ("recompute", "signed"):
        problems.add(trust.entries["merges"].place, f"`merges` is {merges!r}", "use recompute or signed")
    return merges == "recompute"


def _allowed(admission: Node, problems: Problems) -> frozenset[str]:
    written = admission.entries.get("allow", Node((), admission.place, admission.place))
    return frozenset(listed(written, "allow", problems, _grant))


def _grant(node: Node, name: str, problems: Problems) -> str:
    grant = text(node, name, problems)
    if grant and not is_grant(grant):
        advice = f"known are {EVERYTHING}, {', '.join(CAPABILITIES)}, each perhaps with `:VALUE`"
        problems.add(node.place, f"{grant!r} grants nothing", advice)
    return grant


def _section(node: Node, key: str, allowed: tuple[str, ...], problems: Problems) -> Node:
    section = node.entries.get(key, Node({}, node.place, node.place))
    mapping(section, key, problems)
    check_keys(section, allowed, f"`{key}`", problems)
    return section


def _text(section: Node, key: str, default: str, problems: Problems) -> str:
    entries: Mapping[str, Node] = section.entries
    return text(entries[key], key, problems) if key in entries else default


def _seconds(section: Node, key: str, default: float, problems: Problems) -> float:
    return seconds(section.entries[key], key, problems) if key in section.entries else default


def _path(section: Node, key: str, folder: Path, problems: Problems) -> Path | None:
    """A path; a relative one is beside the settings file."""
    return folder / text(section.entries[key], key, problems) if key in section.entries else None
