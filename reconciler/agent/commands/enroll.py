"""`reconciler enroll`: makes the settings and the key of a device, and asks a fleet to take it in."""

import argparse
import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

from reconciler.agent.docker_engine.probing import Probe
from reconciler.agent.host.machine import look_at_machine
from reconciler.agent.settings.config import Config, load_config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.settings.key_files import next_key
from reconciler.agent.state.files import failing_clearly, write_atomically
from reconciler.agent.state.owners import check_folder
from reconciler.errors import ConfigError, ReconcilerError
from reconciler.model import VOUCHER_NAMESPACE, Enrollment, vouched_for
from reconciler.model.codec import to_plain
from reconciler.reading import to_yaml
from reconciler.repository import ENROLL_REFS, Author, OwnRef, enrollment_path
from signing import SignatureError, sign_commit, write_new_key

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9-]+")


def enroll(options: argparse.Namespace) -> int:
    """Write settings and key where there are none, and push a request that the key signs. Raises ReconcilerError."""
    if not options.config.exists():
        with failing_clearly(options.config):
            _write_settings(options)
    config = load_config(options.config)
    _check_settings(config, options)
    with failing_clearly(config.state):
        config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_folder(config.state)
    if not config.identity.exists():
        _make_key(config.identity, config.device)
    signer = Identity(config.identity)
    _ask(config, signer, dict(options.label))
    _tell(config.device, signer.public.fingerprint, options)
    return 0


def rotate(options: argparse.Namespace) -> int:
    """Make the next key, and ask for it in the name of the one that the fleet knows. Raises ReconcilerError."""
    config = load_config(options.config)
    known, path = Identity(config.identity), next_key(config.identity)
    if not path.exists():
        _make_key(path, config.device)
    following = Identity(path)
    message = vouched_for(config.device, following.public.line)
    _ask(config, following, {}, known.sign(message, VOUCHER_NAMESPACE).decode())
    told = {"device": config.device, "fingerprint": following.public.fingerprint, "identity": following.public.line}
    if options.output == "json":
        print(json.dumps(told))
        return 0
    print(f"{config.device} asks to be known by {told['fingerprint']}")
    print(following.public.line)
    print(
        f"next: let this key in at the server, if it is reached over SSH; then `fleet device approve {config.device}`"
    )
    return 0


def _ask(config: Config, signer: Identity, labels: dict[str, str], voucher: str = "") -> None:
    """Push a request that this key signs to where reports go: a device need not be able to write the fleet's."""
    now = datetime.now(UTC)
    line = signer.public.line
    asked = Enrollment(
        config.device,
        line,
        f"{now:%Y-%m-%dT%H:%M:%SZ}",
        look_at_machine(config.root),
        labels,
        voucher,
        engine=_engine_version(config.engine),
    )
    content = json.dumps(to_plain(asked), indent=2, sort_keys=True).encode() + b"\n"
    author = Author(config.device, f"{config.device}@devices.invalid", int(now.timestamp()))
    own = OwnRef(config.state / "enroll.git", config.status.remote)
    files = {enrollment_path(config.device): content}
    message = f"{config.device} asks to join"
    try:
        own.put(f"{ENROLL_REFS}/{config.device}", files, message, author, lambda raw: sign_commit(raw, signer))
    finally:
        own.clear()


def _engine_version(url: str) -> str:
    """A device may join before it has one that answers."""
    try:
        return Probe(url).facts().version
    except ReconcilerError:
        return ""


def _tell(device: str, fingerprint: str, options: argparse.Namespace) -> None:
    if options.output == "json":
        print(json.dumps({"device": device, "fingerprint": fingerprint}))
        return
    print(f"{device} asks to join; its key is {fingerprint}")
    print(f"next: at a desk, `fleet device approve {device} --fingerprint {fingerprint}`; then start the service here")


def _make_key(path: Path, device: str) -> None:
    try:
        write_new_key(path, device)
    except SignatureError as error:
        raise ConfigError(f"the key cannot be made: {error}", where=str(path)) from error


def _check_settings(config: Config, options: argparse.Namespace) -> None:
    """What somebody says must be what stands there. Raises ConfigError."""
    remote, trust, status = config.remote, config.trust, config.status
    said = {
        "--name": (options.name, config.device),
        "--remote": (options.remote, remote.url),
        "--signers": (options.signers, trust.allowed_signers),
        "--anchor": (options.anchor, trust.anchor),
        "--token-file": (options.token_file, remote.token_file),
        "--ca-file": (options.ca_file, remote.ca_file),
        "--key-file": (options.key_file, remote.key_file or status.remote.key_file),
        "--known-hosts-file": (options.known_hosts_file, remote.known_hosts or status.remote.known_hosts),
        "--state": (options.state, config.state),
        "--transport": (options.transport, status.transport),
        "--status-remote": (options.status_remote, status.remote.url),
        "--status-token-file": (options.status_token_file, status.remote.token_file),
    }
    for option, (given, there) in said.items():
        wanted = given.resolve() if isinstance(given, Path) else given
        stands = there.resolve() if isinstance(there, Path) else there
        if wanted and wanted != stands:
            what = f"there are settings already, and they say {stands or 'nothing'} for `{option}`"
            raise ConfigError(what, where=str(options.config), advice="change them there, or leave the option out")


def _write_settings(options: argparse.Namespace) -> None:
    """What somebody would write by hand; kept only when it can be read."""
    if not options.remote or not (options.anchor or options.signers):
        told = "there are no settings yet, and too little is known to write them"
        advice = "name `--remote URL`, and `--signers FILE` (mode commits) or `--anchor DIGEST` (mode release)"
        raise ConfigError(told, where=str(options.config), advice=advice)
    if options.status_token_file and not options.status_remote:
        told = "`--status-token-file` is for the server of `--status-remote`"
        raise ConfigError(told, where=str(options.config), advice="name `--status-remote URL` as well")
    folder = options.config.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    beside = options.config.with_name(f".{options.config.name}.enroll")
    write_atomically(beside, _settings(options).encode(), 0o644)
    try:
        load_config(beside)
        beside.rename(options.config)
    except ReconcilerError:
        beside.unlink(missing_ok=True)
        raise


def _settings(options: argparse.Namespace) -> str:
    trust = {"mode": "release", "anchor": options.anchor} if options.anchor else {"mode": "commits"}
    if options.signers:
        trust["allowedSigners"] = str(options.signers.resolve())
    spec: dict[str, object] = {"remote": _server(options.remote, options.token_file, options), "trust": trust}
    status: dict[str, object] = {"transport": options.transport} if options.transport else {}
    if options.status_remote:
        status["remote"] = _server(options.status_remote, options.status_token_file, options)
    if status:
        spec["status"] = status
    if options.state:
        spec["state"] = str(options.state.resolve())
    name = options.name or _NOT_OF_A_NAME.sub("-", socket.gethostname().partition(".")[0].lower()).strip("-")
    return to_yaml({"apiVersion": "fleet/v1", "kind": "Agent", "metadata": {"name": name}, "spec": spec})


def _server(url: str, token: Path | None, options: argparse.Namespace) -> dict[str, str]:
    """A server, with the files by which it is believed; a password is for the one server that it was named for."""
    files = {"tokenFile": token, "caFile": options.ca_file, "keyFile": options.key_file,
             "knownHostsFile": options.known_hosts_file}  # fmt: skip
    return {"url": url, **{key: str(path.resolve()) for key, path in files.items() if path}}
