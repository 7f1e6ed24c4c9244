"""fleet: the commands and their options. What each does is in commands.py, plan_command.py and explain_commands.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import reconciler
from reconciler.fleet import collect_command, device_commands, secret_commands, status_command, watch_commands
from reconciler.fleet import commands as run
from reconciler.fleet.explain_commands import blame, explain
from reconciler.fleet.imports.command import configure
from reconciler.fleet.plan_command import plan
from reconciler.fleet.trust_parsers import add_approve, add_bundle, add_policy, add_release
from reconciler.fleet.verify import verify
from reconciler.terminal import EXIT_CODES, new_parser, run_command
from signing.documents import DEFAULT_BRANCH

_DESCRIPTION = """\
Works on a fleet repository, from a desk or in CI.

  fleet init DIR             make a new one
  fleet validate             does every device render?
  fleet render DEVICE        what a device shall run, as Compose files
  fleet explain DEVICE       who set each value: file, line, layer, variable
  fleet blame DEVICE         the same, and the commit: author, date, signer
  fleet plan BASE..HEAD      what a change would do, on every device, and why
  fleet device approve NAME  take in a device that asks to join
  fleet secret set NAME      seal a value for the devices that use it
  fleet status               what the devices report
  fleet collect              put reports from the devices' own refs onto the status branch
  fleet get DEVICE           all that a device says
  fleet why DEVICE           what holds it
  fleet history DEVICE       what was news, and when
  fleet audit DEVICE         what ran there, since which commit, by whom
  fleet verify BASE..HEAD    would a device follow these commits?
  fleet approve BRANCH       say that it may be merged, where devices ask for roles
  fleet release sign         say that devices shall have a commit, in mode `release`
  fleet policy sign          say who may say what, in mode `release`
  fleet bundle create FILE   what devices fetch, in one file, for those without a network
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
    _blame_parser(commands.add_parser("blame", help="who set each value of a device, with commit, author and signer"))
    _plan_parser(commands.add_parser("plan", help="what a change would do, on every device, and why"))
    configure(commands.add_parser("import", help="apps and layers out of Compose files and Azure IoT Edge deployments"))
    status_command.configure(
        commands.add_parser("status", help="what the devices report, each checked by its signature")
    )
    _verify_parser(commands.add_parser("verify", help="would a device follow these commits, or obey this tag?"))
    add_approve(commands)
    add_release(commands)
    add_policy(commands)
    add_bundle(commands)
    watch_commands.configure(commands)
    collect_command.configure(commands)
    device_commands.configure(commands)
    secret_commands.configure(commands)
    return parser


def _init_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="DIR", help="a folder without a fleet, or one to be made")
    command.add_argument("--name", help="the fleet's name; default: the folder's")
    command.add_argument(
        "--signer", action="append", default=[], metavar="WHO=KEY.pub", help="who may change the fleet; may be repeated"
    )
    command.set_defaults(run=run.init)


def _validate_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("revision", nargs="?", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")
    command.set_defaults(run=run.validate)


def _render_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("device")
    command.add_argument("app", nargs="?", help="only this app, as a Compose file: pipe it to `docker compose -f -`")
    command.add_argument("--revision", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
    command.set_defaults(run=run.render)


def _explain_parser(command: argparse.ArgumentParser) -> None:
    command.description = "For every value of a rendered app, the places that wrote it, in order; the last one wins."
    _pointer_arguments(command)
    command.set_defaults(run=explain)


def _blame_parser(command: argparse.ArgumentParser) -> None:
    command.description = "As `fleet explain`, and for every place the commit that wrote the line, and who signed it."
    _pointer_arguments(command)
    command.set_defaults(run=blame)


def _pointer_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("device")
    command.add_argument("app", nargs="?", help="only this app")
    command.add_argument("service", nargs="?", help="only this service")
    command.add_argument("pointer", nargs="?", default="", help="only below this JSON pointer, such as /environment")
    command.add_argument("--revision", help="a commit; default: the folder as it lies there")
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")


def _plan_parser(command: argparse.ArgumentParser) -> None:
    command.description = "Exit codes of this command: 0 nothing to do, 1 any error, 2 there are changes."
    command.add_argument("revisions", metavar="BASE..HEAD", help="two commits; BASE alone compares with the folder")
    command.add_argument("--device", help="only this device, with everything that there is to tell")
    command.add_argument("-o", "--output", choices=("text", "markdown", "json"), default="text")
    command.set_defaults(run=plan)


def _verify_parser(command: argparse.ArgumentParser) -> None:
    command.description = "Judges by the very rules of a device. Exit code 40: it would not follow to the end."
    command.add_argument(
        "revisions", nargs="?", default="HEAD", metavar="BASE..HEAD", help="what is trusted, and what is new; HEAD: all"
    )
    command.add_argument("--tag", default="", metavar="NAME", help="this tag instead, as mode `tag` judges it")
    command.add_argument(
        "--signers", type=Path, metavar="FILE", help="the keys; default: trust/allowed_signers of the revision"
    )
    command.add_argument(
        "--policy", choices=("device", "repository"), default="device", help="as `trust.policy` of devices"
    )
    command.add_argument("--onto", default="main", metavar="NAME", help="the branch of approvals; default: main")
    command.add_argument("--releases", default=DEFAULT_BRANCH, help=f"where they lie; default: {DEFAULT_BRANCH}")
    command.add_argument("--forge-keys", type=Path, metavar="FILE", help="as `trust.forgeKeys` of devices")
    command.add_argument("--merges", choices=("recompute", "signed"), default="recompute", help="default: recompute")
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")
    command.set_defaults(run=verify)
