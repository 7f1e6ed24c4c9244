"""reconciler: run, once, plan, status. The only module of the agent that reads arguments and handles signals."""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import reconciler
from reconciler.agent.config import DEFAULT_PATH, Config, load_config
from reconciler.agent.docker_engine import DockerEngine
from reconciler.agent.journal import Journal
from reconciler.agent.loop import Bell, Loop, Passes
from reconciler.agent.publish import Publisher
from reconciler.agent.reconcile import Reconciler, Result
from reconciler.agent.source import Source
from reconciler.agent.watch import watch
from reconciler.errors import ConfigError, PermissionDenied, StateError, StateInUse
from reconciler.model import Report
from reconciler.model.codec import to_plain
from reconciler.repository import Mirror, StatusBranch
from reconciler.terminal import CHANGES, EXIT_CODES, complain, new_parser, printable, run_command
from signing import SignatureError, Signer, load_signer

log = logging.getLogger("reconciler")

_DESCRIPTION = """\
Keeps this device equal to what a signed fleet repository says.

  reconciler run       do it now and on every interval (what the service runs)
  reconciler once      one pass; says what it did
  reconciler plan      what a pass would do now; changes nothing
  reconciler status    what the last pass found, from this device alone
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    return run_command("reconciler", lambda: _COMMANDS[options.command](options))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("reconciler", _DESCRIPTION, EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"reconciler {reconciler.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    told = {
        "run": "do it now and on every interval; SIGHUP asks for a pass at once; ending it touches no container",
        "once": "one pass: fetch, verify, render, apply, report",
        "plan": "what a pass would do now; exit code 2 when there are changes",
        "status": "what the last pass found",
    }
    for name, text in told.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help=f"default: {DEFAULT_PATH}"
        )
        command.set_defaults(verbose=name == "run")
        if name == "once":
            command.add_argument("-v", "--verbose", action="store_true", help="log each step to stderr")
        if name != "run":
            command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")
    return parser


def _run(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    bell = Bell()
    with journal.locked():
        device = build(config, journal, bell.sleep)
        passes = Passes(lambda: _log(device.reconcile()), lambda: _log_healing(device.heal()))
        loop = Loop(passes, config.interval, config.device, bell)
        watch(_engine(config).changes, bell.ring_for_change)
        signal.signal(signal.SIGHUP, lambda *_: bell.ring())
        signal.signal(signal.SIGTERM, lambda *_: bell.stop())
        signal.signal(signal.SIGINT, lambda *_: bell.stop())
        log.info("start    %s obeys %s every %g s", config.device, config.remote.url, config.interval)
        loop.run()
        log.info("stop     containers go on running")
    return 0


def _once(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        result = build(config, journal).reconcile()
    if options.output == "json":
        print(json.dumps(to_plain(result.report), indent=2))
    else:
        print("\n".join(result.steps) if result.steps else "nothing to do")
    return complain("reconciler", result.errors)


def _plan(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    device = build(config, journal)
    try:
        with journal.locked():
            plan = device.plan(fetch=True)
    except StateInUse:
        # The service is at work, and fetches by itself; two must not write one store.
        plan = device.plan(fetch=False)
    if options.output == "json":
        steps = [{"step": step.verb, "subject": step.subject, "cause": step.cause} for step in plan]
        print(json.dumps({"device": config.device, "steps": steps}, indent=2))
    else:
        print(plan)
    return CHANGES if plan else 0


def _status(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    reported = Journal(config.state).reported
    if reported is None:
        raise StateError("no pass has ended yet", where=str(config.state), advice="run `reconciler once`")
    if options.output == "json":
        print(json.dumps(to_plain(reported.report), indent=2))
    else:
        print(_text(reported.report, reported.is_sent))
    return 0


_COMMANDS = {"run": _run, "once": _once, "plan": _plan, "status": _status}


def build(config: Config, journal: Journal, sleep: Callable[[float], None] = time.sleep) -> Reconciler:
    """Put the parts of a device together."""
    mirror = Mirror(config.state / "repository.git", config.remote, config.branch)
    branch = StatusBranch(config.state / "repository.git", config.remote, config.status_branch)
    return Reconciler(
        config,
        Source(mirror, journal, config.allowed_signers, config.anchor),
        mirror,
        _engine(config, sleep),
        journal,
        Publisher(branch, journal, _identity(config.identity), config.heartbeat),
    )


def _engine(config: Config, sleep: Callable[[float], None] = time.sleep) -> DockerEngine:
    return DockerEngine(config.engine, config.device, config.state / "configs", sleep=sleep)


def _identity(path: Path) -> Signer:
    if path.exists() and not os.access(path, os.R_OK):
        raise PermissionDenied("this device's key may not be read", where=str(path), advice="run as root")
    try:
        return load_signer(path)
    except SignatureError as error:
        advice = "make one with `python -m signing new`, and put its public half into the device's file"
        raise ConfigError(f"this device's key cannot be used: {error}", where=str(path), advice=advice) from error


def _log(result: Result) -> None:
    for error in result.errors:
        log.error("%s", error)
    log.info("pass     %s, %d steps, at %s", result.report.phase, len(result.steps), result.report.revisions.trusted)


def _log_healing(result: Result) -> Sequence[str]:
    """The steps. What nobody has to know of is not told: events come in crowds."""
    if result.steps or result.errors:
        _log(result)
    return result.steps


def _text(report: Report, is_sent: bool) -> str:
    lines = [
        f"device     {report.device}",
        f"phase      {report.phase}",
        f"time       {report.time}{'' if is_sent else ' (not reported yet)'}",
        *(f"{name:<10} {value}" for name, value in to_pairs(report)),
        "",
        *(f"{c.type:<12} {c.status:<8} {c.reason:<18} {printable(c.message)}".rstrip() for c in report.conditions),
    ]
    for app in report.apps:
        lines += ["", f"{app.name}: {app.phase} {printable(app.message)}".rstrip()]
        lines += [f"  {s.name:<16} {s.state:<12} {s.health:<10} {s.image}".rstrip() for s in app.services]
    return "\n".join(lines)


def to_pairs(report: Report) -> list[tuple[str, str]]:
    """The revisions that are known, by name."""
    revisions = report.revisions
    named = ("seen", "trusted", "attempted", "applied", "healthy")
    return [(name, getattr(revisions, name)) for name in named if getattr(revisions, name)]
