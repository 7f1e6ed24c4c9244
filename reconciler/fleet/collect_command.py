"""fleet collect: takes the reports from the devices' own refs, and puts them onto the one branch that people read."""

import argparse
import json
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import PushRejected, ReconcilerError, RemoteUnavailable, UnknownRevision
from reconciler.fleet.collect import REFUSED_PATH, Collected, Refusals, collect, to_fetch
from reconciler.fleet.text import count
from reconciler.manifests import FleetFiles
from reconciler.repository import read_reports, read_small, write_files
from reconciler.repository.desk import Desk
from reconciler.repository.report_refs import REPORTS
from reconciler.terminal import Parser, printable, seconds
from signing import split_commit

log = logging.getLogger("fleet")

_ATTEMPTS = 5
_DESCRIPTION = """\
Takes the newest report of each device from its own ref, refs/reports/DEVICE, and puts all that are news onto the
status branch by one commit, each beside the commit that its device signed. Run it from cron, in CI, or with `--every`.
A report counts only with its device's signature; what is forged, too big, replayed or misplaced is refused and told.
"""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did: whose reports it put onto the branch, and what it refused, by device."""

    taken: tuple[str, ...]
    refused: Mapping[str, str]


class Collector:
    """One clone of the fleet, and the branch onto which its reports go."""

    def __init__(self, folder: Path, branch: str) -> None:
        self._desk, self._branch = Desk(folder), branch

    def collect(self, *, prune: bool = False) -> Pass:
        """One pass, beside devices and other collectors that write the branch. Raises RemoteUnavailable, GitError."""
        for _ in range(_ATTEMPTS):
            try:
                return self._pass(prune=prune)
            except PushRejected as error:
                log.info("again: %s", error)
        raise RemoteUnavailable(f"lost the race for the branch {_ATTEMPTS} times", advice="say it again")

    def _pass(self, *, prune: bool) -> Pass:
        files = FleetFiles(self._desk.revision(self._desk.fetch(self._branch))[1])
        # Devices push their own refs to where the branch is.
        there, status = self._desk.at(files.fleet.status_remote), files.fleet.status_branch
        refs = REPORTS.named(there)
        tip = _tip(there, status)
        known = read_reports(self._desk.git_dir, tip, files.device_paths) if tip else []
        collected = collect(refs, files, known, REPORTS.fetch(there, to_fetch(refs, files, known)))
        gone: set[str] = set()
        if prune:
            gone = {one.device for one in known} - files.device_paths.keys()
            REPORTS.remove(there, files.device_paths)
        before = read_refusals(self._desk.git_dir, tip)
        if collected.taken or gone or collected.refusals != before:
            self._write(there, status, tip, collected, gone)
        return Pass(tuple(sorted(collected.taken)), collected.refusals.refused)

    def _write(self, there: Desk, status: str, tip: str, collected: Collected, gone: Collection[str]) -> None:
        """One commit for all. Raises PushRejected when somebody else wrote the branch meanwhile."""
        files = {**collected.files(), REFUSED_PATH: collected.refusals.encode()}
        told = [split_commit(one.raw_commit).subject for _, one in sorted(collected.taken.items())]
        told += [f"{name}: no device of the fleet any more" for name in sorted(gone)]
        message = "\n".join([f"Collect {count(len(collected.taken), 'report')}", "", *map(printable, told)]).rstrip()
        without = [f"devices/{name}" for name in gone]
        commit = write_files(self._desk.git_dir, tip or None, files, message, self._desk.author(), without)
        there.push(status, commit)


def read_refusals(git_dir: Path, tip: str) -> Refusals:
    """Those that stand on the branch at this commit; none, where it has none."""
    return Refusals.parse(read_small(git_dir, tip, REFUSED_PATH)) if tip else Refusals()


def _tip(there: Desk, status: str) -> str:
    """Where the status branch is at the remote; empty before there is one."""
    try:
        return there.resolve(there.fetch(status))
    except UnknownRevision:
        return ""


def run(options: argparse.Namespace) -> int:
    """Collect once, or again and again until somebody ends it."""
    collector = Collector(options.folder, options.branch)
    if not options.every:
        _tell(collector.collect(prune=options.prune), options)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    while True:
        began = time.monotonic()
        try:
            _tell(collector.collect(prune=options.prune), options)
        except ReconcilerError as error:
            # A server that is away comes back; whoever watches sees it.
            for line in str(error).splitlines():
                log.error("%s", printable(line))
        time.sleep(max(0.0, options.every - (time.monotonic() - began)))


def _tell(done: Pass, options: argparse.Namespace) -> None:
    if options.output == "json":
        print(json.dumps({"taken": done.taken, "refused": done.refused}), flush=True)
        return
    print(f"{count(len(done.taken), 'report')} collected, {len(done.refused)} refused", flush=True)
    for device, why in sorted(done.refused.items()):
        print(printable(f"  {device}: {why}"), flush=True)


def configure(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of this command."""
    text = "put the reports of devices with `status.transport: ref` onto the status branch"
    parser = commands.add_parser("collect", help=text, description=_DESCRIPTION)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--branch", default="main", help="which branch says who the devices are; default: main")
    parser.add_argument("--every", type=seconds, default=0.0, metavar="SECONDS", help="go on, a pass each so often")
    parser.add_argument(
        "--prune", action="store_true", help="remove what is there of devices that the fleet has not any more"
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)
