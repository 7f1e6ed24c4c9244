"""fleet get, why, history, audit: what devices said, out of the status branch and the fleet's own history."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.documents import branch_of
from reconciler.errors import ReconcilerError, UnknownDevice, UnknownRevision
from reconciler.fleet import audit as trail
from reconciler.fleet import status as reported
from reconciler.fleet.blame import signers_of
from reconciler.fleet.collect_command import read_refusals
from reconciler.fleet.enrolled import summary
from reconciler.fleet.former_keys import Keys, read_past
from reconciler.fleet.history import Heard, heard, heard_of, news, short
from reconciler.fleet.released import policies_of
from reconciler.fleet.text import table
from reconciler.fleet.why import reasons
from reconciler.manifests import FleetFiles
from reconciler.model.report_text import revision_lines, state_lines
from reconciler.repository import Store, newest_merge, read_history, read_reports
from reconciler.repository.desk import Desk
from reconciler.terminal import Parser, from_one_to, printable
from signing import SignatureError
from signing.documents import DEFAULT_BRANCH

# What lists in a line of `fleet audit` are.
_MORE = {"formerKeys": "former key", "wrongTimes": "against the order of the branch:"}


class _Watch:
    """The clone, its fleet, and where its reports are."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.desk = Desk(options.folder)
        self.tree = self.desk.worktree()
        self.files = FleetFiles(self.tree)
        self.store = Store(self.desk.git_dir)
        self._is_offline = bool(options.no_fetch)

    def reports(self) -> str:
        """Where the status branch is; empty when there is none."""
        return self.fetched(self.files.fleet.status_branch, self.files.fleet.status_remote)

    def fetched(self, branch: str, remote: str = "") -> str:
        """Where the clone keeps a branch; empty when there is none."""
        desk = self.desk.at(remote)
        try:
            name = desk.remote_ref(branch) if self._is_offline else desk.fetch(branch)
            return self.store.resolve(name)
        except UnknownRevision:
            return ""

    def check(self, device: str) -> None:
        if device not in self.files.device_paths:
            raise UnknownDevice(f"the fleet has no device `{device}`", advice="see `fleet status`")

    def keys(self, branch: str, device: str = "") -> Keys:
        """The keys that a device ever had, or all devices. Raises UnknownDevice for one that never was."""
        tip = self.fetched(branch)
        past = read_past(self.desk.git_dir, branch, tip, self.desk.prefix(), device) if tip else None
        keys = Keys(self.files, past)
        if device and not keys.ever(device):
            advice = f"see `fleet status`, and `git log {branch} -- devices` for those that it had"
            raise UnknownDevice(f"the fleet never had a device `{device}`", advice=advice)
        return keys

    def status(self, device: str) -> reported.DeviceStatus:
        self.check(device)
        tip = self.reports()
        found = read_reports(self.desk.git_dir, tip, {device}) if tip else []
        mine = next((one for one in found if one.device == device), None)
        refused = read_refusals(self.desk.git_dir, tip).refused.get(device, "")
        judged = replace(reported.judge_one(device, self.files, mine), refused=refused)
        now = datetime.now(UTC)
        return reported.with_arrivals([reported.as_of(judged, now)], self.desk.git_dir, tip, now)[0]

    def heard(self, device: str, keys: Keys) -> list[Heard]:
        tip = self.reports()
        if not tip:
            return []
        keys = self._sound(keys, tip)
        # How far the fleet was when a former key signed, others tell.
        whose = "" if keys.have_former() else device
        return list(heard(keys, read_history(self.desk.git_dir, tip, whose), device))

    def heard_of(self, commit: str, keys: Keys) -> list[Heard]:
        tip = self.reports()
        return list(heard_of(commit, self._sound(keys, tip), read_history(self.desk.git_dir, tip))) if tip else []

    def _sound(self, keys: Keys, tip: str) -> Keys:
        """Without former keys, where the order of the status branch proves nothing.

        Reports and collections never merge. Who does can put a branch of their own before all that was there, with
        what a former key says in it, and need no force to push it.
        """
        merge = newest_merge(self.desk.git_dir, tip)
        if not merge or not keys.have_former():
            return keys
        told = f"the status branch has a merge, {merge[:12]}, which no device makes: former keys do not count"
        print(f"fleet: warning: {told}", file=sys.stderr)
        return Keys(self.files)


def get(options: argparse.Namespace) -> int:
    """Print all that the newest report of a device says."""
    status = _Watch(options).status(options.device)
    if status.report is None or options.output == "json":
        told = json.dumps(reported.plain(status), indent=2)
        print(told if options.output == "json" else printable(f"{status.phase}: {status.message}"))
        return 0
    report = status.report
    free = f"{report.disk_free_bytes / 1e9:.1f} GB" if report.disk_free_bytes is not None else "not told"
    versions = f"reconciler {report.versions.agent}, Engine {report.versions.engine or 'unknown'}"
    lines = [
        f"device     {report.device}",
        f"phase      {status.phase}{f': {status.silence}' if status.is_silent else ''}",
        f"signed     {_signed(status)}",
        *([f"refused    a newer report: {status.refused}"] if status.refused else []),
        *revision_lines(report),
        f"versions   {versions}",
        *([f"machine    {machine}"] if (machine := summary(report.machine)) else []),
        f"disk free  {free}",
        "",
        *state_lines(report),
    ]
    print("\n".join(map(printable, lines)))
    return 0


def _signed(status: reported.DeviceStatus) -> str:
    told = reported.seen(status, datetime.now(UTC))
    return f"{told}, at {status.seen_at:%Y-%m-%dT%H:%M:%SZ}" if status.is_ahead else told


def why(options: argparse.Namespace) -> int:
    """Print what holds a device, a line each; exit code 2 when something does."""
    watch = _Watch(options)
    status = watch.status(options.device)
    tip = watch.fetched(options.branch)
    found = reasons(status, tip, options.branch)
    if options.output == "json":
        print(json.dumps([{"what": what, "why": told} for what, told in found], indent=2))
    elif not found and status.report is not None:
        told = f"nothing holds it: {status.report.phase} at {short(status.report.revisions.applied)}"
        print(printable(told))
    for what, told in found if options.output == "text" else ():
        print(printable(f"{what:<12} {told}"))
    return 2 if found else 0


def history(options: argparse.Namespace) -> int:
    """Print what was news in the reports of a device, the newest last."""
    watch = _Watch(options)
    keys = watch.keys(options.branch, options.device)
    found = list(news(watch.heard(options.device, keys)))[-options.lines :]
    if options.output == "json":
        told = [{"time": f"{one.signed_at:%Y-%m-%dT%H:%M:%SZ}", "phase": one.report.phase, "news": what,
                 "applied": one.report.revisions.applied, "commit": one.commit, "formerKey": one.former_key}
                for one, what in found]  # fmt: skip
        print(json.dumps(told, indent=2))
    elif found:
        rows = [(f"{one.signed_at:%Y-%m-%d %H:%M:%S}", one.report.phase, f"{_mark(one)}{what}") for one, what in found]
        print(table(("TIME", "PHASE", "NEWS"), rows))
    else:
        print(f"{options.device} has never reported, or not with a key that its file names or ever named")
    return 0


def _mark(one: Heard) -> str:
    return f"[former key {one.former_key[:17]}...] " if one.former_key else ""


def audit(options: argparse.Namespace) -> int:
    """Print what a device ran at a time, or where a commit ran; with who wrote, signed and approved it."""
    watch = _Watch(options)
    if bool(options.device) == bool(options.commit):
        raise ReconcilerError("what shall be audited?", advice="name a device, or say `--commit COMMIT`")
    told = _of_commit(watch, options) if options.commit else _of_device(watch, options)
    if options.output == "json":
        print(json.dumps(told, indent=2))
        return 0
    for key, value in told.items():
        for line in value if isinstance(value, list) else [value]:
            words = " ".join(filter(None, map(_words, line, line.values()))) if isinstance(line, dict) else line
            print(printable(f"{key:<10} {words}").rstrip())
    return 0


def _words(key: str, value: object) -> str:
    """A value of a line; a list says more of what stands before it."""
    if not isinstance(value, list):
        return str(value)
    return f"({_MORE[key]} {', '.join(value)})" if value else ""


def _times(times: Iterable[datetime]) -> list[str]:
    return [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times]


def _of_device(watch: _Watch, options: argparse.Namespace) -> dict[str, object]:
    now = datetime.now(UTC)
    moment = _moment(options.at) if options.at else now
    reports = watch.heard(options.device, watch.keys(options.branch, options.device))
    found = trail.at(reports, moment, now)
    if found is None:
        return {"device": options.device, "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "ran": "nothing that it reported"}
    known = found.newest
    services = [
        {"service": f"{app.name}/{one.name}", "image": one.image, "state": one.state, "id": one.image_id}
        for app in known.report.apps
        for one in app.services
    ]
    return {
        "device": options.device,
        "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "reported": f"{known.signed_at:%Y-%m-%dT%H:%M:%SZ} {known.report.phase}, commit {known.commit[:12]}",
        **({"formerKey": known.former_key} if known.former_key else {}),
        "since": f"{found.since.signed_at:%Y-%m-%dT%H:%M:%SZ}",
        **({"wrongTimes": _times(found.wrong_times)} if found.wrong_times else {}),
        **(_origin(watch, known.applied, options) if known.applied else {"commit": "none"}),
        "ran": services,
    }


def _of_commit(watch: _Watch, options: argparse.Namespace) -> dict[str, object]:
    commit = watch.desk.resolve(options.commit)
    ran: list[Mapping[str, object]] = []
    for stay in trail.stays(watch.heard_of(commit, watch.keys(options.branch)), commit, datetime.now(UTC)):
        until = f"until {stay.until:%Y-%m-%dT%H:%M:%SZ}" if stay.until else "still"
        went = f"{' -> '.join(stay.phases)}"
        began = f"{stay.first.signed_at:%Y-%m-%dT%H:%M:%SZ}"
        ran.append({"device": f"{stay.device:<20}", "from": began, "until": until, "went": went,
                    "formerKeys": list(stay.former_keys), "wrongTimes": _times(stay.wrong_times)})  # fmt: skip
    return {**_origin(watch, commit, options), "ran": ran or "nowhere that was reported"}


def _origin(watch: _Watch, commit: str, options: argparse.Namespace) -> dict[str, object]:
    approvals: dict[str, tuple[str, tuple[str, ...]]] = {}
    people: tuple[str, ...] = ()
    if tip := watch.fetched(options.releases):
        # Without documents nobody approves; the commit's own signature is all there is.
        with suppress(ReconcilerError, SignatureError):
            people = trail.approvers(commit, watch.store, branch_of(watch.store, tip))
            approvals = trail.approvals_of(*policies_of(watch.store, tip))
    found = trail.origin(commit, watch.store, signers_of(watch.tree), approvals)
    signed = f"signed by {found.writer.signer}" if found.writer.signer else found.writer.refused
    by_release = f"{', '.join(found.approved_by)} by release {found.release}" if found.approved_by else ""
    approved = by_release or ", ".join(people)
    return {
        "commit": found.commit,
        "subject": found.subject,
        "written": f"{found.writer.date} by {found.writer.author}, {signed}",
        **({"approved": approved} if approved else {}),
    }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ReconcilerError(f"`--at` {text!r} is no time", advice="write 2026-06-01T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def configure(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of these commands."""
    for name, run, text in (
        ("get", get, "all that the newest report of a device says"),
        (
            "why",
            why,
            "what holds a device: signature, files, image, lock, health, silence; exit code 2 when something does",
        ),
        ("history", history, "what was news in the reports of a device"),
        ("audit", audit, "what ran, where and when, and who wrote, signed and approved it"),
    ):
        parser = commands.add_parser(name, help=text, description=text)
        parser.add_argument("device", nargs="?" if name == "audit" else None, help="its name in the fleet")
        parser.add_argument("--no-fetch", action="store_true", help="do not ask the remote")
        parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
        parser.set_defaults(run=run)
        if name != "get":
            parser.add_argument("--branch", default="main", help="what devices obey; default: main")
        if name == "history":
            parser.add_argument(
                "-n", "--lines", type=from_one_to(10**6), default=30, metavar="N", help="the newest; default: 30"
            )
        if name == "audit":
            parser.add_argument("--at", default="", metavar="TIME", help="such as 2026-06-01T12:00:00Z; default: now")
            parser.add_argument("--commit", default="", help="where did this commit run?")
            parser.add_argument("--releases", default=DEFAULT_BRANCH, help=f"default: {DEFAULT_BRANCH}")
