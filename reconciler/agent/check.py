"""`reconciler check`: is this device fit to do its work? Looks only; each check has an id that stays.

A check gives what it found, in words; it raises an error of ours for what is wrong, Warned for what is not good, and
Skipped for what cannot be told because of something that another check tells.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from reconciler.agent.build import make_keyring, make_source
from reconciler.agent.checked import Checked, Skipped, Warned
from reconciler.agent.config import load_config
from reconciler.agent.disk import complaint, free_bytes, free_inodes, is_volatile
from reconciler.agent.files import write_atomically
from reconciler.agent.identity import load_key
from reconciler.agent.source import known_signers
from reconciler.agent.trust_settings import RELEASE, TAG
from reconciler.errors import ConfigError, EngineError, ManifestError, ReconcilerError, StateError, StateInUse
from reconciler.model.image import listed_name
from reconciler.repository import REPORT_REFS, may_write, newest, version
from signing import PublicKey, SignatureError, split_commit

OLDEST_ENGINE, OLDEST_GIT = (20, 10), (2, 38)
SOON = timedelta(days=30)
STATE_BYTES, STATE_INODES = 64 * 1024 * 1024, 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `verdict` is ok, warning, failed or skipped."""

    id: str
    verdict: str
    told: str
    advice: str = ""


def settings(at: Checked) -> str:
    load_config(at.path)
    return str(at.path)


def identity(at: Checked) -> str:
    return load_key(at.config.identity).public.fingerprint


def allowed_signers(at: Checked) -> str:
    known = known_signers(at.config, at.journal)
    path = known.source
    signers = [one for one in known.by_blob.values() if one.key.fingerprint not in known.revoked]
    now = datetime.fromtimestamp(at.now(), UTC)
    ends = [(one.principal, one.valid_before) for one in signers if one.valid_before is not None]
    over = [name for name, end in ends if end < now]
    if len(over) == len(signers):
        raise ConfigError("no key counts any more", where=str(path), advice="add one that does")
    soon = [f"{name} on {end:%Y-%m-%d}" for name, end in ends if now <= end < now + SOON]
    if soon:
        raise Warned(f"keys end soon: {', '.join(soon)}", where=str(path), advice="add their successors")
    return f"{len(signers)} keys, {len(over)} of them ended"


def state_folder(at: Checked) -> str:
    folder = at.config.state
    write_atomically(folder / "check", b"")
    (folder / "check").unlink()
    if is_volatile(folder):
        raise Warned(f"{folder} is lost at each boot", advice="put `state` on a disk")
    return str(folder)


def state_room(at: Checked) -> str:
    folder = at.config.state
    if why := complaint(folder, STATE_BYTES):
        raise StateError(why, where=str(folder), advice="make room")
    inodes = free_inodes(folder)
    if inodes is not None and inodes < STATE_INODES:
        raise StateError(f"{inodes} files more, and the disk has no inodes left", where=str(folder), advice="make room")
    return f"{(free_bytes(folder) or 0) / 1e6:.0f} MB free"


def trust(at: Checked) -> str:
    trusted = at.journal.trusted
    if trusted is None:
        raise Warned("nothing is trusted yet", advice="run `reconciler once`; see what it refuses")
    return f"{trusted.tag or trusted.commit[:12]} by {trusted.principal}"


def clock(at: Checked) -> str:
    now = datetime.fromtimestamp(at.now(), UTC)
    told = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    signed = split_commit(at.mirror.commit(at.trusted.commit)).committed_at
    if now < signed - timedelta(hours=1):
        late = f"it is {told} here, and what is trusted was written {signed:%Y-%m-%dT%H:%M:%SZ}"
        raise Warned(late, advice="set the clock: newer commits are refused as FUTURE")
    return told


def git(at: Checked) -> str:
    found = version()
    if _numbers(found) < OLDEST_GIT:
        raise Warned(f"git {found} cannot make merges again", advice="install 2.38 or newer, or sign every merge")
    return found


def remote(at: Checked) -> str:
    """One ref is asked for, over the same way as a fetch."""
    trust = at.config.trust
    branch = trust.releases if trust.mode == RELEASE else at.config.branch
    ref = f"refs/tags/{trust.tag_prefix}*" if trust.mode == TAG else f"refs/heads/{branch}"
    return f"{at.config.remote.url} {ref} {newest(at.config.remote, ref)[:12]}"


def status_branch(at: Checked) -> str:
    """A push that ends before anything is sent (git push --dry-run)."""
    status = at.config.status
    ref = f"{REPORT_REFS}/{at.config.device}" if status.transport == "ref" else f"refs/heads/{status.branch}"
    may_write(at.config.state / "repository.git", status.remote, ref, at.trusted.commit)
    return f"may push {ref}"


def device_file(at: Checked) -> str:
    mine = load_key(at.config.identity).public
    device = at.fleet.device(at.config.device)
    if not device.identity:
        raise Warned(f"the device's file has no identity: nobody believes its reports; put in: {mine.line}")
    try:
        theirs = PublicKey.parse(device.identity)
    except SignatureError as error:
        raise ConfigError(f"its identity cannot be read: {error}", where=str(device.identity_place)) from error
    if theirs.fingerprint != mine.fingerprint:
        told = f"the fleet knows {theirs.fingerprint}, this device has {mine.fingerprint}"
        raise ConfigError(told, where=str(device.identity_place), advice=f"put in: {mine.line}")
    return str(device.place).partition(":")[0]


def rendering(at: Checked) -> str:
    source = make_source(at.config, at.mirror, at.journal)
    admission = source.admission(at.config.device, at.config.allow)
    rendered = at.fleet.admit(at.rendering, admission, os.path.realpath)
    if rendered.problems:
        raise ManifestError(rendered.problems[:1])
    return f"{len(rendered.desired.apps)} apps"


def secrets(at: Checked) -> str:
    keyring = make_keyring(at.config)
    sealed = [file for app in at.rendering.desired.apps for file in app.configs if file.secret]
    for file in sealed:
        keyring.unseal(file)
    return f"{len(sealed)} can be unsealed"


def engine(at: Checked) -> str:
    found = at.engine.version()
    if _numbers(found) < OLDEST_ENGINE:
        raise EngineError(f"Engine {found} is too old", where=at.config.engine, advice="install 20.10 or newer")
    return f"{found} at {at.config.engine}"


def engine_room(at: Checked) -> str:
    if why := at.lack_of_room:
        raise EngineError(why, where=at.config.engine, advice="remove what fills the disk, or lower `images.keepFree`")
    return f"over {at.config.keep_free / 1e6:.0f} MB free"


def engine_limits(at: Checked) -> str:
    if missing := sorted(at.observed.unlimited):
        raise Warned(f"the kernel cannot limit: {', '.join(missing)}", advice="see its command line (cgroup_enable)")
    return "the kernel keeps every limit"


def images(at: Checked) -> str:
    wanted = {service.image for app in at.rendering.desired.apps for service in app.services}
    if missing := sorted(image for image in wanted if listed_name(image) not in at.observed.images):
        raise Warned(f"not on the device: {', '.join(missing[:5])}", advice="they are pulled when they are needed")
    return f"{len(wanted)} on the device"


def names(at: Checked) -> str:
    wanted = {service.container_name for app in at.rendering.desired.apps if not app.adopt for service in app.services}
    if taken := sorted(wanted & {one.name for one in at.observed.foreign}):
        told = f"taken by containers of somebody else: {', '.join(taken)}"
        raise EngineError(told, advice="rename or remove them, or say `x-adopt: true`")
    return f"{len(wanted)} names are ours or free"


def service(at: Checked) -> str:
    try:
        with at.journal.locked():
            raise Warned("no reconciler is at work here", advice="start the service")
    except StateInUse:
        return "a reconciler is at work"


# In an order in which what others need comes first.
CHECKS: dict[str, Callable[[Checked], str]] = {
    "settings": settings,
    "identity": identity,
    "allowed-signers": allowed_signers,
    "state-folder": state_folder,
    "state-room": state_room,
    "git": git,
    "remote": remote,
    "trust": trust,
    "clock": clock,
    "status-branch": status_branch,
    "device-file": device_file,
    "rendering": rendering,
    "secrets": secrets,
    "engine": engine,
    "engine-room": engine_room,
    "engine-limits": engine_limits,
    "images": images,
    "names": names,
    "service": service,
}
IDS = tuple(CHECKS)


def check(path: Path, only: Collection[str] = IDS, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """These checks, each as soon as it is done: some wait for a server."""
    at = Checked(path, now)
    for name, one in CHECKS.items():
        if name in only:
            yield _found(name, partial(one, at))


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor. What has none is built by somebody who knows better than a check."""
    found = re.search(r"([0-9]+)\.([0-9]+)", version)
    return (int(found[1]), int(found[2])) if found else (sys.maxsize,)


def _found(name: str, act: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", act())
    except Skipped as error:
        return Finding(name, "skipped", error.what)
    except ReconcilerError as error:
        told = f"{error.where}: {error.what}" if error.where else error.what
        return Finding(name, "warning" if isinstance(error, Warned) else "failed", told, error.advice)
    except SignatureError as error:
        return Finding(name, "failed", str(error))
