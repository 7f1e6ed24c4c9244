"""fleet device: who asks to join the fleet, and the branches by which people take devices in and let them go."""

import argparse
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import ReconcilerError, UnknownDevice, UnknownRevision
from reconciler.fleet.device_text import with_key, with_labels, with_retirement
from reconciler.fleet.enrolled import (
    APPROVED,
    REFUSED,
    REPLACES,
    VOUCHED,
    WAITS,
    Request,
    device_file,
    judge_requests,
    labels_of,
    summary,
)
from reconciler.fleet.signing_key import signing_key
from reconciler.fleet.text import age, table
from reconciler.manifests import FleetFiles
from reconciler.model import FACTS, Enrollment
from reconciler.model.codec import to_plain
from reconciler.model.tree import Tree
from reconciler.repository import write_files
from reconciler.repository.desk import Desk
from reconciler.repository.report_refs import ENROLLMENTS
from reconciler.terminal import Parser, key_and_value, printable
from signing import sign_commit

# Anybody who may push may ask; nobody reads more than so many.
_MOST = 1000
_DESCRIPTION = """\
A device asks to join with `reconciler enroll`, by a signed request on a ref of its own.

  fleet device list        who asks, with which key, on which machine
  fleet device approve     write its file on a branch for review; compare the key with what the device says, unless
                           the key that the fleet knows vouches for it (`reconciler rotate-key`)
  fleet device deny        remove the request
  fleet device retire      the device stops all its apps; remove its file once its status says Retired
"""


def list_requests(options: argparse.Namespace) -> int:
    """Print who asks to join."""
    desk = Desk(options.folder)
    files = _fleet(desk, options)[1]
    found = _requests(_where_asked(desk, files), files)
    if options.output == "json":
        print(json.dumps([_plain(one) for one in found], indent=2))
    elif not found:
        print("nobody asks to join" + (f" at {files.fleet.status_remote}" if files.fleet.status_remote else ""))
    else:
        print(table(("DEVICE", "STATE", "ASKED", "KEY", "MACHINE"), [_row(one) for one in found]))
    return 0


def approve(options: argparse.Namespace) -> int:
    """Write the file of a device that asks, on a branch for review."""
    desk = Desk(options.folder)
    base, files, tree = _fleet(desk, options)
    request = _request(_where_asked(desk, files), files, options)
    path = files.device_paths.get(request.device, options.file or f"devices/{request.device}.yaml")
    labels = labels_of(request, options.fact, dict(options.label), proposed=options.proposed)
    if request.state == WAITS:
        content = device_file(request, labels)
    else:
        content = _changed_file(request, labels, files, tree[path].decode(), options)
        if request.state == APPROVED and content == tree[path].decode():
            has = ", and has these labels" if labels else ""
            print(f"{request.device} is in the fleet with this key already{has}")
            return 0
    # As a device would read it: a name or label that is none is told before anybody reviews it.
    FleetFiles({**tree, path: content.encode()}).device(request.device)
    branch = f"enroll-{request.device}"
    subject, what = f"Take in {request.device}", f"key {request.fingerprint}"
    if request.state == APPROVED:
        subject = f"Label {request.device}"
        what = f"labels {', '.join(f'{name}={labels[name]}' for name in sorted(labels))}"
    message = f"{subject}\n\nIts key is {request.fingerprint}."
    _offer(desk, branch, base, {path: content.encode()}, message, options)
    print(printable(f"{path}: {request.device}, {what}"))
    print(f"next: review and merge branch `{branch}` into {options.branch}")
    return 0


def _changed_file(
    request: Request, labels: Mapping[str, str], files: FleetFiles, text: str, options: argparse.Namespace
) -> str:
    """The file of a device that the fleet knows, with its key and labels. Raises ReconcilerError; ignores nothing."""
    path = files.device_paths[request.device]
    if options.file not in ("", path):
        raise ReconcilerError(f"its file is {path}", where=options.file, advice="leave out `--file`, or move it first")
    if request.state == REPLACES and not options.replace_key:
        told = f"the fleet knows {request.device} by another key"
        raise ReconcilerError(told, where=path, advice="if it is the same device, say `--replace-key`")
    if request.state != APPROVED and request.enrollment is not None:
        text = with_key(text, files.device(request.device).identity, request.enrollment.identity)
    return with_labels(text, labels, path)


def deny(options: argparse.Namespace) -> int:
    """Remove a request."""
    desk = Desk(options.folder)
    files = _fleet(desk, options)[1]
    there = _where_asked(desk, files)
    _ref_of(there, files, options.device)
    there.remove_refs([f"{ENROLLMENTS.under}/{options.device}"])
    print(f"the request of {options.device} is removed; it may ask again as long as it may push")
    return 0


def retire(options: argparse.Namespace) -> int:
    """Say on a branch for review that a device stops its apps."""
    desk = Desk(options.folder)
    base, files, tree = _fleet(desk, options)
    if options.device not in files.device_paths:
        raise UnknownDevice(f"the fleet has no device `{options.device}`", advice="see `fleet status`")
    if files.device(options.device).is_retired:
        print(f"{options.device} is retired already; once its status says Retired, remove its file")
        return 0
    path = files.device_paths[options.device]
    content = with_retirement(tree[path].decode(), path)
    if not FleetFiles({**tree, path: content.encode()}).device(options.device).is_retired:
        raise ReconcilerError("its file could not be changed", where=path, advice="write `retired: true` below `spec:`")
    branch = f"retire-{options.device}"
    _offer(desk, branch, base, {path: content.encode()}, f"Retire {options.device}", options)
    print(f"{path}: retired, so the device will remove its containers and networks, and keep its volumes")
    print(f"next: review and merge branch `{branch}` into {options.branch}; remove the file once it is Retired")
    return 0


def _fleet(desk: Desk, options: argparse.Namespace) -> tuple[str, FleetFiles, Tree]:
    """The branch that devices obey, as the remote has it."""
    commit, tree = desk.revision(desk.fetch(options.branch))
    return commit, FleetFiles(tree), tree


def _where_asked(desk: Desk, files: FleetFiles) -> Desk:
    """Where devices ask: the repository of their reports."""
    return desk.at(files.fleet.status_remote)


def _requests(there: Desk, files: FleetFiles) -> list[Request]:
    refs = dict(sorted(ENROLLMENTS.named(there).items())[:_MOST])
    return judge_requests(files, ENROLLMENTS.fetch(there, refs))


def _ref_of(there: Desk, files: FleetFiles, device: str) -> dict[str, str]:
    """The ref on which this device asks. Raises UnknownDevice when it does not."""
    refs = ENROLLMENTS.named(there)
    if device not in refs:
        told = f"`{device}` does not ask to join"
        raise UnknownDevice(told, where=files.fleet.status_remote, advice="see `fleet device list`")
    return {device: refs[device]}


def _request(there: Desk, files: FleetFiles, options: argparse.Namespace) -> Request:
    """The request of one device, if its key is the one that somebody read on the device."""
    wanted = _ref_of(there, files, options.device)
    (request,) = judge_requests(files, ENROLLMENTS.fetch(there, wanted))
    if request.state == REFUSED:
        raise ReconcilerError(f"its request is refused: {request.why}", where=f"device {request.device}")
    if options.fingerprint != request.fingerprint and (options.fingerprint or request.state != VOUCHED):
        told = f"its key is {request.fingerprint}"
        advice = "compare it with what `reconciler enroll` said on the device, and name it with `--fingerprint`"
        if options.fingerprint:
            told, advice = f"{told}, and not {options.fingerprint}", "somebody else asks in its name, or it asked again"
        raise ReconcilerError(told, where=f"device {request.device}", advice=advice)
    return request


def _offer(desk: Desk, branch: str, base: str, files: Tree, message: str, options: argparse.Namespace) -> None:
    """A commit on a branch of its own at the remote. Raises ReconcilerError when there is such a branch."""
    try:
        desk.resolve(desk.fetch(branch))
    except UnknownRevision:
        prefixed = {f"{desk.prefix()}{path}": content for path, content in files.items()}
        commit = write_files(desk.git_dir, base, prefixed, message, desk.author(), (), _signs(desk, options))
        desk.push(branch, commit)
        return
    advice = "merge it, or delete it and say it again"
    raise ReconcilerError(f"there is a branch `{branch}` already", advice=advice)


def _signs(desk: Desk, options: argparse.Namespace) -> Callable[[bytes], bytes] | None:
    """As `git commit` would: with the key that was named, or where git is told to sign."""
    if options.key is None and not (desk.setting("commit.gpgSign") == "true" and desk.setting("gpg.format") == "ssh"):
        return None
    key = signing_key(desk, options.key)
    return lambda raw: sign_commit(raw, key)


def _plain(one: Request) -> dict[str, object]:
    asked_at = one.asked_at.isoformat() if one.asked_at else None
    told = {"device": one.device, "state": one.state, "why": one.why, "fingerprint": one.fingerprint}
    return {**told, "askedAt": asked_at, "request": to_plain(one.enrollment)}


def _row(one: Request) -> tuple[str, ...]:
    asked = f"{age((datetime.now(UTC) - one.asked_at).total_seconds())} ago" if one.asked_at else ""
    told = _told(one.enrollment) if one.enrollment else one.why
    return (one.device, one.state, asked, one.fingerprint, printable(told))


def _told(asked: Enrollment) -> str:
    engine = f"Engine {asked.engine}" if asked.engine else ""
    return ", ".join(filter(None, (summary(asked.machine), engine)))


def configure(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of these commands."""
    parser = commands.add_parser("device", help="take devices in, and let them go: list, approve, deny, retire")
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    told = {
        "list": (list_requests, "who asks to join, with which key, on which machine"),
        "approve": (approve, "write the file of a device that asks, on a branch for review"),
        "deny": (deny, "remove a request"),
        "retire": (retire, "say on a branch for review that a device stops all its apps, and goes"),
    }
    for name, (run, text) in told.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--branch", default="main", help="what devices obey; default: main")
        action.set_defaults(run=run)
        if name == "list":
            action.add_argument("-o", "--output", choices=("text", "json"), default="text")
        else:
            action.add_argument("device")
        if name in ("approve", "retire"):
            action.add_argument("--key", type=Path, metavar="FILE", help="sign the commit; default: as git would")
        if name == "approve":
            _approve_arguments(action)


def _approve_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("--fingerprint", default="", metavar="SHA256:...", help="what `reconciler enroll` said there")
    action.add_argument(
        "--label",
        action="append",
        default=[],
        type=key_and_value,
        metavar="KEY=VALUE",
        help="of the device; may be repeated",
    )
    action.add_argument(
        "--fact", action="append", default=[], choices=FACTS, help="make a label of what it tells of itself"
    )
    action.add_argument("--proposed", action="store_true", help="also the labels that the device proposes")
    action.add_argument("--file", default="", metavar="PATH", help="default: devices/NAME.yaml")
    action.add_argument("--replace-key", action="store_true", help="of a device that is in the fleet already")
