"""fleet: init, validate, render. One function for each word."""

import argparse
import json
from pathlib import Path

from reconciler.errors import ManifestError, ReconcilerError
from reconciler.fleet.start import start_fleet
from reconciler.fleet.text import count
from reconciler.fleet.validate import Finding
from reconciler.fleet.validate import validate as find_problems
from reconciler.manifests import FleetFiles, to_compose
from reconciler.model.names import DNS_LABEL_ADVICE, is_dns_label
from reconciler.reading import to_yaml
from reconciler.repository.desk import Desk
from reconciler.terminal import complain


def files_of(options: argparse.Namespace) -> FleetFiles:
    """The files of `--revision`, or of the folder as it lies there."""
    desk = Desk(options.folder)
    return FleetFiles(desk.revision(options.revision)[1] if options.revision else desk.worktree())


def init(options: argparse.Namespace) -> int:
    """Write a new fleet repository."""
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


def validate(options: argparse.Namespace) -> int:
    """Tell every problem of every device."""
    desk = Desk(options.folder)
    found = find_problems(desk.revision(options.revision)[1] if options.revision else desk.worktree())
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


def render(options: argparse.Namespace) -> int:
    """Print what a device shall run."""
    rendering = files_of(options).render(options.device)
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
