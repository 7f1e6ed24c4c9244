"""fleet import: compose, iotedge. Computes every file, judges them, and only then writes."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import ManifestError, Problem, ReconcilerError
from reconciler.fleet.imports.account import Account, as_plain, as_text
from reconciler.fleet.imports.compose_files import import_compose
from reconciler.fleet.imports.iotedge_files import import_iotedge
from reconciler.fleet.imports.judge import check_devices, findings, first_tier
from reconciler.fleet.imports.made import Made
from reconciler.fleet.imports.new_files import check_absent, write_all
from reconciler.model.tree import Tree
from reconciler.repository.desk import Desk
from reconciler.terminal import CHANGES, printable

_DESCRIPTION = """\
Turns what others describe into apps, layers and devices of this fleet repository, and tells what of it was carried.

Exit codes: 0 everything was carried, 2 something was not (each part with its reason and its place), others an error;
after an error nothing was written.
"""
_COMPOSE = """\
Each Compose file becomes the app apps/<app>/compose.yaml, byte by byte, and a layer of the first tier that gives it to
every device. The variables of `.env` become variables of that layer.
"""
_IOTEDGE = """\
Each deployment becomes an app, with a service for each module, and a layer whose selector is the target condition.
Takes plain manifests, `az iot edge deployment show` and `list`, and layered deployments.
"""
_Maker = Callable[[argparse.Namespace, Tree, Account], Made]


def configure(command: argparse.ArgumentParser) -> None:
    """Add the subcommands of `fleet import`."""
    command.description = _DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    kinds = command.add_subparsers(dest="kind", required=True, metavar="KIND")
    compose = _subcommand(kinds.add_parser("compose", help="Compose files, each as an app"), _COMPOSE, _compose)
    compose.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a Compose file")
    compose.add_argument("--env-file", type=Path, metavar="FILE", help="default: `.env` beside each Compose file")
    iotedge = _subcommand(kinds.add_parser("iotedge", help="deployments of Azure IoT Edge"), _IOTEDGE, _iotedge)
    iotedge.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a deployment, as JSON")
    iotedge.add_argument("--config", type=Path, metavar="config.toml", help="the settings of a device, for its file")


def _subcommand(parser: argparse.ArgumentParser, description: str, maker: _Maker) -> argparse.ArgumentParser:
    parser.description = description
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--app", metavar="NAME", help="the app's name; default: what the file is called, or its folder")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written, and write nothing")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    parser.set_defaults(run=lambda options: _run(options, maker))
    return parser


def _compose(options: argparse.Namespace, tree: Tree, account: Account) -> Made:
    if options.app is not None and len(options.files) > 1:
        raise ReconcilerError("`--app` names one app, and there are several files", advice="leave it out")
    return import_compose(options.files, options.app, options.env_file, first_tier(tree), account)


def _iotedge(options: argparse.Namespace, tree: Tree, account: Account) -> Made:
    return import_iotedge(options.files, options.app, options.config, first_tier(tree), account)


def _run(options: argparse.Namespace, maker: _Maker) -> int:
    account = Account()
    try:
        made = _made(options, maker, account)
        if not options.dry_run:
            write_all(options.folder, made.files)
    except ManifestError as error:
        hide = account.secrets.hide
        raise ManifestError(
            [Problem(hide(p.where), hide(p.what), hide(p.advice), p.kind) for p in error.problems]
        ) from None
    print(_as_json(options, made, account) if options.output == "json" else _as_text(options, made, account))
    return 0 if account.is_complete else CHANGES


def _made(options: argparse.Namespace, maker: _Maker, account: Account) -> Made:
    """Every file, judged; nothing is written yet."""
    tree = Desk(options.folder.resolve()).worktree()
    made = maker(options, tree, account)
    check_absent(options.folder, made.files)
    check_devices(tree, made.devices)
    for problem in findings(tree, made.files, made.apps):
        account.refused(problem)
    return made


def _as_text(options: argparse.Namespace, made: Made, account: Account) -> str:
    lines = [as_text(account), ""]
    if options.dry_run:
        for path, content in made.files.items():
            copied = f" (a copy of {made.copies[path]})" if path in made.copies else ""
            lines += [f"--- {path}{printable(copied)}"]
            lines += [] if copied else [*map(printable, content.decode().splitlines()), ""]
        return "\n".join([*lines, "nothing was written"])
    lines += [f"wrote {path}" for path in made.files]
    return "\n".join([*lines, "next: fleet validate" if made.files else "nothing was written"])


def _as_json(options: argparse.Namespace, made: Made, account: Account) -> str:
    written: dict[str, object] = {"wrote": list(made.files)}
    if options.dry_run:
        # A copy is what its source is; the source may hold secrets, what we write ourselves does not.
        generated = {path: body.decode() for path, body in made.files.items() if path not in made.copies}
        written = {"wouldWrite": generated, "wouldCopy": dict(made.copies)}
    return json.dumps({"complete": account.is_complete, "parts": as_plain(account), **written}, indent=2)
