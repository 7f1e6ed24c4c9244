"""`fleet init`: a new fleet repository that validates as it stands."""

from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import PermissionDenied, ReconcilerError
from reconciler.fleet.policy_file import new_policy_file
from reconciler.manifests import POLICY_FILE
from reconciler.repository.desk import new_repository
from signing import AllowedSigners, PublicKey, SignatureError

_FLEET = """\
# The fleet: its name, and the order in which layers apply. Later tiers override earlier ones; the device comes last.
apiVersion: fleet/v1
kind: Fleet
metadata: {{name: {name}}}
spec:
  tiers: [base, model, site, ring]
  status: {{branch: status}}
"""
_COMPOSE = """\
# An ordinary Compose file. ${FLEET_DEVICE} is the device's name; other variables come from layers and devices.
services:
  web:
    image: docker.io/library/busybox:1.36
    command:
      - sh
      - -c
      - mkdir -p /www && echo hello from ${FLEET_DEVICE} > /www/index.html && exec httpd -f -p 8080 -h /www
    ports: ["127.0.0.1:${PORT:-8080}:8080"]
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"]
      interval: 5s
    init: true
    restart: unless-stopped
"""
_LAYER = """\
# Every device: a layer without `selector:` is for all.
apiVersion: fleet/v1
kind: Layer
metadata: {name: all}
spec:
  apps: [hello]
"""
_DEVICE = """\
apiVersion: fleet/v1
kind: Device
metadata:
  name: device-1
  labels: {model: generic, site: desk}
spec:
  # identity: ssh-ed25519 AAAA...   # the public half of the key that signs its reports
  variables: {PORT: "8080"}
"""
# Commits and approvals of them; in mode `release`, policies and releases.
_NAMESPACES = "git,approve.v1@fleet,policy.v1@fleet,release.v1@fleet"
_SIGNERS = """\
# Who may change this fleet, in OpenSSH's format: WHO namespaces="..." KEY
#   git config gpg.ssh.allowedSignersFile trust/allowed_signers
# Put a copy onto each device (`trust.allowedSigners` of its settings): a device never believes this file.
"""


def start_fleet(folder: Path, name: str, signers: Sequence[tuple[str, Path]]) -> list[str]:
    """Write the files and `git init`; the paths that were written. Raises ReconcilerError when one is in the way.

    With signers, there is a policy of which they are the people.
    """
    policy = {POLICY_FILE: new_policy_file(name, [who for who, _ in signers])} if signers else {}
    files = {
        "fleet.yaml": _FLEET.format(name=name),
        "apps/hello/compose.yaml": _COMPOSE,
        "layers/base/all.yaml": _LAYER,
        "devices/device-1.yaml": _DEVICE,
        "trust/allowed_signers": _SIGNERS + "".join(_signer(who, path) for who, path in signers),
        **policy,
    }
    taken = [path for path in files if (folder / path).exists()]
    if taken:
        raise ReconcilerError(
            "the file is there already", where=str(folder / taken[0]), advice="choose an empty folder"
        )
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    except PermissionError as error:
        raise PermissionDenied("may not write", where=str(folder), advice="choose a folder of your own") from error
    except OSError as error:
        raise ReconcilerError(f"cannot write: {error.strerror}", where=str(folder), advice="choose a folder") from error
    if not (folder / ".git").exists():
        new_repository(folder)
    return list(files)


def _signer(who: str, path: Path) -> str:
    try:
        line = f'{who} namespaces="{_NAMESPACES}" {PublicKey.parse(path.read_text().strip()).line}\n'
        AllowedSigners.parse(line.encode(), "--signer")
    except (OSError, UnicodeDecodeError, SignatureError) as error:
        advice = "write WHO as an e-mail address, and give the .pub file of an SSH key"
        raise ReconcilerError(f"no signer: {error}", where=f"{who}={path}", advice=advice) from error
    return line
