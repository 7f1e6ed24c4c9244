"""`reconciler support-bundle`: what somebody needs who helps from afar, and no secret, in one file."""

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import reconciler
from reconciler.agent.checks import IDS, check
from reconciler.agent.checks.checked import within
from reconciler.agent.commands import support_engine, support_journal
from reconciler.agent.host.device_root import root_of
from reconciler.agent.host.machine import look_at_machine
from reconciler.agent.settings.config import Config, load_config
from reconciler.agent.state.journal import Journal
from reconciler.errors import PermissionDenied, ReconcilerError, StateError
from reconciler.model.codec import to_plain
from reconciler.repository import Store

_MOST = 4 * 1024 * 1024
_PATIENCE_SECONDS = 30.0


def write_bundle(path: Path, settings: Path, *, with_logs: bool = False) -> list[str]:
    """Write a compressed tar archive (mode 0600), and say what is in it. Raises ReconcilerError; nothing is half there.

    What cannot be found out says why. Values of environments, contents of configs and files of keys and tokens are not
    in it: they are never asked for, but to blot them out of the logs of containers where somebody wants these.
    """
    beside = path.with_name(f".{path.name}.new")
    names: list[str] = []
    try:
        with beside.open("xb") as file:
            beside.chmod(0o600)
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, content in _parts(settings, with_logs=with_logs):
                    names.append(name)
                    _add(archive, f"support/{name}", content[:_MOST])
        beside.rename(path)
    except FileExistsError as error:
        raise StateError("somebody writes it already", where=str(beside), advice="wait, or remove it") from error
    except PermissionError as error:
        raise PermissionDenied("may not be written", where=str(path), advice="name another place") from error
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StateError(f"cannot be written: {error.strerror}", where=str(path), advice="check the disk") from error
    return names


def _parts(settings: Path, *, with_logs: bool) -> Iterator[tuple[str, bytes]]:
    yield "versions.json", _told(_versions)
    yield "check.json", _json([to_plain(finding) for finding in check(settings, IDS)])
    # Settings with a password in an address are refused, and may be what somebody asks for help with.
    yield "settings.yaml", _told(lambda: support_journal.without_credentials(settings.read_bytes()))
    yield "service.log", _told(support_journal.service_log)
    yield "engine.log", _told(support_journal.engine_log)
    try:
        config = load_config(settings)
    except ReconcilerError as error:
        yield "settings-are-wrong.txt", f"{error}\n".encode()
        return
    yield "report.json", _told(lambda: _report(config))
    yield "trusted.json", _told(lambda: _json(to_plain(Journal(config.state).trusted)))
    yield "refs.txt", _told(lambda: "\n".join(Store(config.state / "repository.git").refs()).encode())
    yield "state.txt", _told(lambda: "\n".join(_files(config.state)).encode())
    yield "commits.txt", _told(lambda: support_journal.commits(config))
    yield "plan.txt", _told(lambda: support_engine.plan(config))
    yield "containers.json", _told(lambda: support_engine.containers(config))
    yield "networks.txt", _told(lambda: support_engine.names(config, "networks"))
    yield "volumes.txt", _told(lambda: support_engine.names(config, "volumes"))
    if with_logs:
        yield "containers.log", _told(lambda: support_engine.logs(config))


def _versions() -> bytes:
    machine = look_at_machine(root_of(os.environ))
    return _json({"reconciler": reconciler.__version__, "machine": to_plain(machine)})


def _told(find_out: Callable[[], bytes]) -> bytes:
    """What was found out, or why not; nothing is waited for without end."""
    try:
        return within(_PATIENCE_SECONDS, find_out)
    except (ReconcilerError, OSError, ValueError) as error:
        return f"not found out: {error}\n".encode()


def _report(config: Config) -> bytes:
    reported = Journal(config.state).reported
    return _json(to_plain(reported.report) if reported else None)


def _files(state: Path) -> Iterator[str]:
    """Modes, owners, sizes, times and names in the state folder, and nothing of what is in them."""
    for path in sorted(state.glob("*")):
        status = path.lstat()
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(status.st_mtime))
        yield f"{oct(status.st_mode)[-4:]} {status.st_uid} {status.st_size:>12} {when} {path.name}"


def _json(plain: object) -> bytes:
    return json.dumps(plain, indent=2).encode() + b"\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(content))
