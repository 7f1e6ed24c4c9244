"""fleet: init, validate, render, plan, status. One function for each word."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import reconciler
from reconciler.errors import ManifestError, ReconcilerError, UnknownRevision
from reconciler.fleet import preview, status
from reconciler.fleet.imports.command import configure
from reconciler.fleet.start import start_fleet
from reconciler.fleet.text import count
from reconciler.fleet.validate import Finding, validate
from reconciler.manifests import FleetFiles, Setting, to_compose, to_yaml
from reconciler.model.codec import to_plain
from reconciler.model.names import DNS_LABEL_ADVICE, is_dns_label
from reconciler.repository import read_reports
from reconciler.repository.desk import Desk
from reconciler.terminal import CHANGES, EXIT_CODES, complain, new_parser, printable, run_command

_DESCRIPTION = """\
Works on a fleet repository, from a desk or in CI.

  fleet init DIR             make a new one
  fleet validate             does every device render?
  fleet render DEVICE        what a device shall run, as Compose files
  fleet explain DEVICE APP   who set each value: file, line, layer, variable
  fleet plan BASE..HEAD      what a change would do, on every device
  fleet status               what the devices report
  fleet import compose FILE  take over Compose files, or `iotedge` deployments
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    return run_command("fleet", lambda: int(options.run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("fleet", _DESCRIPTION, EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"fleet {reconciler.__version__}")
    parser.add_argument(
        "-C", dest="folder", type=Path, default=Path(), metavar="DIR", help="the fleet repository; default: ."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _init_parser(commands.add_parser("init", help="make a new fleet repository that validates as it stands"))
    _validate_parser(
        commands.add_parser("validate", help="render every device, and tell every problem with file and line")
    )
    _render_parser(commands.add_parser("render", help="what a device shall run, as Compose files"))
    _explain_parser(commands.add_parser("explain", help="who set each value of a device: file, line, layer, variable"))
    _plan_parser(commands.add_parser("plan", help="what a change would do, on every device"))
    configure(commands.add_parser("import", help="apps and layers out of Compose files and Azure IoT Edge deployments"))
    _status_parser(commands.add_parser("status", help="what the devices report, each checked by its signature"))
    return parser


def _init_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="DIR", help="a folder without a fleet, or one to be made")
    command.add_argument("--name", help="the fleet's name; default: the folder's")
    command.add_argument(
        "--signer", action="append", default=[], metavar="WHO=KEY.pub", help="who may change the fleet; may be repeated"
    )
    command.set_defaults(run=_init)


def _validate_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("revision", nargs="?", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")
    command.set_defaults(run=_validate)


def _render_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("device")
    command.add_argument("app", nargs="?", help="only this app, as a Compose file: pipe it to `docker compose -f -`")
    command.add_argument("--revision", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
    command.set_defaults(run=_render)


def _explain_parser(command: argparse.ArgumentParser) -> None:
    command.description = "For every value of a rendered app, the places that wrote it, in order; the last one wins."
    command.add_argument("device")
    command.add_argument("app")
    command.add_argument("service", nargs="?", help="only this service")
    command.add_argument("pointer", nargs="?", default="", help="only below this JSON pointer, such as /environment")
    command.add_argument("--revision", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")
    command.set_defaults(run=_explain)


def _plan_parser(command: argparse.ArgumentParser) -> None:
    command.description = "Exit codes of this command: 0 nothing to do, 1 any error, 2 there are changes."
    command.add_argument("revisions", metavar="BASE..HEAD", help="two commits; BASE alone compares with the folder")
    command.add_argument("--device", help="only this device")
    command.add_argument("-o", "--output", choices=("text", "markdown", "json"), default="text")
    command.set_defaults(run=_plan)


def _status_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("--no-fetch", action="store_true", help="do not ask the remote; show what was fetched last")
    command.add_argument("-o", "--output", choices=("table", "json"), default="table")
    command.set_defaults(run=_status)


def _init(options: argparse.Namespace) -> int:
    name = options.name or options.path.resolve().name
    if not is_dns_label(name):
        raise ReconcilerError(f"{name!r} is no name for a fleet", advice=f"use --name; {DNS_LABEL_ADVICE}")
    signers = [tuple(given.split("=", 1)) for given in options.signer]
    if any(len(pair) != 2 for pair in signers):
        raise ReconcilerError("`--signer` without a name or a key", advice="write --signer alice@acme.example=KEY.pub")
    written = start_fleet(options.path, name, [(who, Path(path)) for who, path in signers])
    for path in written:
        print(f"wrote {options.path / path}")
    print(f"next: cd {options.path} && fleet validate && git add . && git commit -S -m 'The fleet'")
    return 0


def _files(options: argparse.Namespace, revision: str | None) -> FleetFiles:
    desk = Desk(options.folder)
    return FleetFiles(desk.revision(revision)[1] if revision else desk.worktree())


def _validate(options: argparse.Namespace) -> int:
    desk = Desk(options.folder)
    found = validate(desk.revision(options.revision)[1] if options.revision else desk.worktree())
    if options.output == "json":
        print(json.dumps([{"problem": str(f.problem), "devices": f.devices} for f in found.findings], indent=2))
    elif not found.findings:
        print(f"{count(found.devices, 'device')} and {count(found.apps, 'app')} are valid")
    for finding in found.findings:
        if options.output == "text":
            print(f"{finding.problem}{_concerned(finding, found.devices)}")
    return ManifestError([finding.problem for finding in found.findings]).exit_code if found.findings else 0


def _concerned(finding: Finding, total: int) -> str:
    if not finding.devices or len(finding.devices) == total:
        return ""
    return f" ({finding.devices[0]}{f' and {len(finding.devices) - 1} more' if len(finding.devices) > 1 else ''})"


def _render(options: argparse.Namespace) -> int:
    rendering = _files(options, options.revision).render(options.device)
    apps = {app.name: to_compose(app) for app in rendering.desired.apps}
    if options.app and options.app not in apps and not rendering.problems:
        raise ReconcilerError(
            f"no app `{options.app}`",
            where=f"device {options.device}",
            advice=f"it runs {', '.join(apps) or 'nothing'}",
        )
    shown: object = apps.get(options.app, {}) if options.app else {"device": options.device, "apps": apps}
    print(json.dumps(shown, indent=2) if options.output == "json" else to_yaml(shown).rstrip())
    return complain("fleet", [ManifestError(rendering.problems)]) if rendering.problems else 0


def _explain(options: argparse.Namespace) -> int:
    prefix = (f"/services/{options.service}" if options.service else "") + options.pointer
    found = _files(options, options.revision).explain(options.device, options.app, prefix.rstrip("/"))
    if not found:
        raise ReconcilerError(
            f"nothing at {prefix}", where=f"{options.device}/{options.app}", advice="see `fleet render`"
        )
    if options.output == "json":
        print(json.dumps([{**asdict(one), "settings": [_setting(s) for s in one.settings]} for one in found], indent=2))
    for one in found if options.output == "text" else ():
        print(f"{one.pointer}: {printable(one.value)}")
        for setting in one.settings:
            print(f"    {setting.place!s:<44} {setting.by:<32} {printable(setting.value)}".rstrip())
    return 0


def _setting(setting: Setting) -> dict[str, str]:
    return {"place": str(setting.place), "by": setting.by, "value": setting.value}


def _plan(options: argparse.Namespace) -> int:
    try:
        return _preview(options)
    except ReconcilerError as error:
        complain("fleet", [error])
        return 1


def _preview(options: argparse.Namespace) -> int:
    desk = Desk(options.folder)
    base, dots, head = options.revisions.partition("..")
    if not base or head.startswith("."):
        raise UnknownRevision(f"{options.revisions!r} names no two revisions", advice="write BASE..HEAD, or BASE alone")
    before = desk.revision(base)[1]
    after = desk.revision(head or "HEAD")[1] if dots else desk.worktree()
    previews = preview.preview(before, after)
    if options.device:
        FleetFiles(after).device(options.device)
        previews = tuple(one for one in previews if one.device == options.device)
    if options.output == "json":
        print(json.dumps(preview.as_plain(previews), indent=2))
    elif options.output == "markdown":
        print(preview.as_markdown(previews, options.revisions))
    else:
        print(preview.as_text(previews))
    if problems := preview.problems_of(previews):
        complain("fleet", [ManifestError(problems)])
        return 1
    return CHANGES if preview.has_changes(previews) else 0


def _status(options: argparse.Namespace) -> int:
    desk = Desk(options.folder)
    files = FleetFiles(desk.worktree())
    branch = files.fleet.status_branch
    try:
        name = desk.reports_ref(branch) if options.no_fetch else desk.fetch_reports(branch)
        found = read_reports(desk.git_dir, name)
    except UnknownRevision:
        found = []  # no device has reported yet, and each is shown as silent
    statuses = status.judge(files, found)
    if options.output == "json":
        print(json.dumps([{**_plain(one), "device": one.device} for one in statuses], indent=2))
    else:
        print(status.as_table(statuses, datetime.now(UTC)))
    return 0


def _plain(one: status.DeviceStatus) -> dict[str, object]:
    seen_at = one.seen_at.isoformat() if one.seen_at else None
    return {"phase": one.phase, "flag": one.flag, "seenAt": seen_at, "report": to_plain(one.report)}
