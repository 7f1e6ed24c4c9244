"""reconciler: its commands, and the options of most. What each does is elsewhere."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import reconciler
from reconciler.agent import trust_commands
from reconciler.agent.build import build, docker_engine
from reconciler.agent.check import IDS, check
from reconciler.agent.config import DEFAULT_PATH, load_config
from reconciler.agent.control import ask_for_pass
from reconciler.agent.enroll import add_enroll, enroll, rotate
from reconciler.agent.journal import Journal
from reconciler.agent.log_command import add_logs, logs
from reconciler.agent.pause import add_pause, pause, resume
from reconciler.agent.reconcile import Result
from reconciler.agent.service import serve
from reconciler.agent.support import write_bundle
from reconciler.errors import Relayed, StateError, StateInUse
from reconciler.model import Report
from reconciler.model.codec import to_plain
from reconciler.model.report_text import revision_lines, state_lines
from reconciler.terminal import CHANGES, EXIT_CODES, Parser, complain, from_one_to, new_parser, printable, run_command

_DESCRIPTION = """\
Keeps this device equal to what a signed fleet repository says.

  reconciler run       do it now and on every interval (what the service runs)
  reconciler once      one pass; says what it did
  reconciler sync      have the service make a pass now; says what it did
  reconciler pause     change nothing here for a while; `resume` ends it
  reconciler plan      what a pass would do now; changes nothing
  reconciler status    what the last pass found, from this device alone
  reconciler import    one pass, out of a bundle that somebody brought
  reconciler trust     whom this device obeys; lets it trust anew
  reconciler check     is this device fit to do its work?
  reconciler logs      what services wrote
  reconciler enroll    ask a fleet to take this device in
  reconciler rotate-key            ask it to know this device by another key
  reconciler support-bundle FILE   what somebody needs who helps from afar
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
        _add_config(command)
        command.set_defaults(verbose=name == "run")
        if name == "once":
            command.add_argument("-v", "--verbose", action="store_true", help="log each step to stderr")
        if name != "run":
            _add_output(command)
    add_enroll(commands)
    add_logs(commands)
    _add_sync(commands)
    _add_import(commands)
    _add_trust(commands)
    _add_check(commands)
    _add_support(commands)
    add_pause(commands)
    for name in ("pause", "resume"):
        _add_config(commands.choices[name])
    for name in ("logs", "enroll", "rotate-key", "support-bundle"):
        _add_config(commands.choices[name])
        _add_output(commands.choices[name])
    return parser


def _add_sync(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "have the service that runs here ask Git now, and wait for its pass"
    command = commands.add_parser("sync", help=text, description=text)
    command.add_argument(
        "--timeout", type=from_one_to(3600), default=300, metavar="SECONDS", help="how long to wait; default: 300"
    )
    _add_config(command)
    _add_output(command)
    command.set_defaults(verbose=False)


def _add_import(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "one pass with a bundle for a server, by the same rules; stop the service first"
    command = commands.add_parser("import", help=text, description=text)
    command.add_argument("bundle", type=Path, metavar="BUNDLE", help="a file that `fleet bundle create` made")
    command.add_argument(
        "--report", type=Path, metavar="FILE", help="write this device's signed report to a bundle, to carry it back"
    )
    command.add_argument("-v", "--verbose", action="store_true", help="log each step to stderr")
    _add_config(command)
    _add_output(command)


def _add_check(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "is this device fit to do its work? Exit code 1 when a check fails"
    command = commands.add_parser("check", help=text, description=text)
    command.add_argument("--list", action="store_true", help="only the ids of the checks, which stay")
    command.add_argument("--only", action="append", default=[], choices=IDS, metavar="ID", help="may be repeated")
    command.add_argument("--warnings-as-errors", action="store_true", help="exit code 1 for a warning, too")
    _add_config(command)
    _add_output(command)
    command.set_defaults(verbose=False)


def _add_support(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "what somebody needs who helps from afar, and no secret, in one compressed tar archive"
    command = commands.add_parser("support-bundle", help=text, description=text)
    command.add_argument("file", type=Path, metavar="FILE", help="such as press-0041.tar.gz; an older one is replaced")
    command.set_defaults(verbose=False)


def _add_trust(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "whom this device obeys, and the word by which it trusts anew"
    actions = commands.add_parser("trust", help=text, description=text).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    show = actions.add_parser("show", help="the mode, what is trusted and by whom, and the keys")
    _add_output(show)
    reset = actions.add_parser("reset", help="forget what is trusted, after the branch was rewritten; see --to")
    reset.add_argument(
        "--to", default="", metavar="COMMIT", help="trust this one from now on; else start at the anchor"
    )
    reset.add_argument("--yes", action="store_true", help="do it; without it, only say what would be done")
    for command in (show, reset):
        _add_config(command)
        command.set_defaults(verbose=False)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help=f"default: {DEFAULT_PATH}")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")


def _run(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        serve(config, journal)
    return 0


def _once(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        result = build(config, journal, docker_engine(config)).reconcile()
    return _told(result, options)


def _sync(options: argparse.Namespace) -> int:
    told = ask_for_pass(load_config(options.config).state, options.timeout)
    if options.output == "json":
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(map(str, told["steps"])) or _nothing(str(told.get("phase", ""))))
    return complain("reconciler", [Relayed(str(one["told"]), int(one["code"])) for one in told["errors"]])


def _import(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        device = build(config, journal, docker_engine(config))
        result = device.take(options.bundle)
        if options.report is not None:
            device.write_report(options.report)
    return _told(result, options)


def _told(result: Result, options: argparse.Namespace) -> int:
    if options.output == "json":
        print(json.dumps(to_plain(result.report), indent=2))
    else:
        print("\n".join(result.steps) or _nothing(result.report.phase))
    return complain("reconciler", result.errors)


def _nothing(phase: str) -> str:
    return "paused: nothing is changed; see `reconciler status`" if phase == "Paused" else "nothing to do"


def _plan(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    journal = Journal(config.state)
    device = build(config, journal, docker_engine(config))
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


def _trust(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    act = {"show": trust_commands.show, "reset": trust_commands.reset}[options.action]
    return act(config, Journal(config.state), options)


def _check(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(IDS))
        return 0
    found = []
    for finding in check(options.config, options.only or IDS):
        found.append(finding)
        if options.output == "text":
            # As they come: some wait for a server.
            told = f"{finding.verdict:<8} {finding.id:<16} {printable(finding.told)}"
            print(f"{told}; {printable(finding.advice)}" if finding.advice else told, flush=True)
    if options.output == "json":
        print(json.dumps([to_plain(finding) for finding in found], indent=2))
    bad = ("failed", "warning") if options.warnings_as_errors else ("failed",)
    return 1 if any(finding.verdict in bad for finding in found) else 0


def _support(options: argparse.Namespace) -> int:
    names = write_bundle(options.file, options.config)
    print(json.dumps(names) if options.output == "json" else f"wrote {options.file}: {', '.join(names)}")
    return 0


_COMMANDS = {
    "enroll": enroll,
    "rotate-key": rotate,
    "run": _run,
    "once": _once,
    "sync": _sync,
    "pause": pause,
    "resume": resume,
    "plan": _plan,
    "status": _status,
    "import": _import,
    "trust": _trust,
    "check": _check,
    "logs": logs,
    "support-bundle": _support,
}


def _text(report: Report, is_sent: bool) -> str:
    lines = [
        f"device     {report.device}",
        f"phase      {report.phase}",
        f"time       {report.time}{'' if is_sent else ' (not reported yet)'}",
        *revision_lines(report),
        "",
        *state_lines(report),
    ]
    return "\n".join(map(printable, lines))
