"""fleet status: what the devices report, once or again and again."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import ManifestError, ReconcilerError, UnknownRevision
from reconciler.fleet import status as reported
from reconciler.fleet.collect_command import read_refusals
from reconciler.manifests import FleetFiles
from reconciler.repository import read_carried, read_reports
from reconciler.repository.desk import Desk
from reconciler.terminal import key_and_value, printable, seconds

# Back to the corner and clear what is below (ECMA-48, CUP and ED).
_ANEW = "\x1b[H\x1b[J"

_WELL = ("Healthy", "Retired")


def run(options: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> int:
    """Print what the devices report; with `--watch`, until somebody ends it."""
    if not options.watch:
        print(_told(_look(options), options))
        return 0
    while True:
        try:
            told = _told(_look(options), options)
        except ReconcilerError as error:
            # A server that is away comes back.
            told = "\n".join(map(printable, str(error).splitlines()))
        print(f"{_ANEW if sys.stdout.isatty() else ''}{told}", flush=True)
        sleep(options.watch)


def _look(options: argparse.Namespace) -> list[reported.DeviceStatus]:
    desk = Desk(options.folder)
    files = FleetFiles(desk.worktree())
    branch = files.fleet.status_branch
    try:
        reports = desk.at(files.fleet.status_remote)
        tip = desk.resolve(reports.remote_ref(branch) if options.no_fetch else reports.fetch(branch))
        found = read_reports(desk.git_dir, tip, files.device_paths)
        refused = read_refusals(desk.git_dir, tip).refused
    except UnknownRevision:
        found, refused, tip = [], {}, ""  # no device has reported yet, and each is shown as silent
    for bundle in options.bundle:
        found = reported.newest_of(found, read_carried(bundle, branch))
    now = datetime.now(UTC)
    statuses = reported.judge(files, found, refused, now)
    # A report that was carried here is not the one on the branch.
    if not options.bundle:
        statuses = reported.with_arrivals(statuses, desk.git_dir, tip, now)
    return [one for one in statuses if _is_wanted(one, files, options)]


def _is_wanted(one: reported.DeviceStatus, files: FleetFiles, options: argparse.Namespace) -> bool:
    if options.phase and one.phase.lower() not in options.phase:
        return False
    if options.problems and one.phase in _WELL and not one.message:
        return False
    if not options.label:
        return True
    try:
        labels = files.device(one.device).labels if one.device in files.device_paths else {}
    except ManifestError:
        return False
    return all(labels.get(key) == value for key, value in options.label)


def _told(statuses: Sequence[reported.DeviceStatus], options: argparse.Namespace) -> str:
    if options.output == "json":
        return json.dumps([reported.plain(one) for one in statuses], indent=2)
    now = datetime.now(UTC)
    table = reported.as_table(statuses, now)
    if not options.watch:
        return table
    phases = Counter(one.phase for one in statuses).most_common()
    # A phase is a device's own word, here as in the table.
    counted = ", ".join(f"{number} {printable(phase)}" for phase, number in phases)
    return f"{table}\n\n{now:%H:%M:%S}  {counted or 'no device'}"


def configure(command: argparse.ArgumentParser) -> None:
    """The options of this command."""
    command.add_argument("--no-fetch", action="store_true", help="do not ask the remote; show what was fetched last")
    command.add_argument(
        "--watch",
        type=seconds,
        nargs="?",
        const=5.0,
        default=0.0,
        metavar="SECONDS",
        help="again each so often; default: 5",
    )
    command.add_argument(
        "--phase", action="append", default=[], type=str.lower, help="only devices of this phase; may be repeated"
    )
    command.add_argument("--problems", action="store_true", help="only devices about which there is something to say")
    command.add_argument(
        "--label", action="append", default=[], type=key_and_value, metavar="KEY=VALUE",
        help="only devices with this label; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--bundle", action="append", default=[], type=Path, metavar="FILE",
        help="also a report that somebody carried back (`reconciler import --report`); may be repeated",
    )  # fmt: skip
    command.add_argument("-o", "--output", choices=("table", "json"), default="table")
    command.set_defaults(run=run)
