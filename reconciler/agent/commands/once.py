"""The commands of `reconciler` that look at this device, or work on it once."""

import argparse
import json
from datetime import UTC, datetime

from reconciler.agent.checks import IDS, check
from reconciler.agent.commands import trust_commands
from reconciler.agent.commands.support import write_bundle
from reconciler.agent.errands.delivery import make_delivery
from reconciler.agent.orders.build_orders import make_orders
from reconciler.agent.passes.build import build, make_engine
from reconciler.agent.passes.preview import make_preview
from reconciler.agent.passes.reconcile import Result
from reconciler.agent.service.control import ask_for_pass
from reconciler.agent.settings.config import load_config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.errors import Relayed, StateError, StateInUse
from reconciler.model import Report
from reconciler.model.codec import to_plain
from reconciler.model.report_text import revision_lines, state_lines
from reconciler.terminal import CHANGES, complain, printable


def once(options: argparse.Namespace) -> int:
    """One pass."""
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        result = build(config, journal, make_engine(config)).reconcile()
    return _told(result, options)


def sync(options: argparse.Namespace) -> int:
    """Have the service make one."""
    told = ask_for_pass(load_config(options.config).state, options.timeout)
    if options.output == "json":
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(map(str, told["steps"])) or _nothing(str(told.get("phase", ""))))
    return complain("reconciler", [Relayed(str(one["told"]), int(one["code"])) for one in told["errors"]])


def take(options: argparse.Namespace) -> int:
    """One pass, out of a bundle."""
    config = load_config(options.config)
    journal = Journal(config.state)
    with journal.locked():
        known = make_orders(config, journal, Identity(config.identity)).obtain(options.bundle)
        result = build(config, journal, make_engine(config)).converge(known, is_full=True)
        if options.report is not None and (recorded := journal.reported) is not None:
            # It counts as not sent, until a server has it.
            delivery = make_delivery(config, Identity(config.identity))
            delivery.write_bundle(options.report, recorded.report, datetime.now(UTC).timestamp())
    return _told(result, options)


def _told(result: Result, options: argparse.Namespace) -> int:
    if options.output == "json":
        print(json.dumps(to_plain(result.report), indent=2))
    else:
        print("\n".join(result.steps) or _nothing(result.report.phase))
    return complain("reconciler", result.errors)


def _nothing(phase: str) -> str:
    return "paused: nothing is changed; see `reconciler status`" if phase == "Paused" else "nothing to do"


def plan(options: argparse.Namespace) -> int:
    """What one would do."""
    config = load_config(options.config)
    journal = Journal(config.state)
    orders = make_orders(config, journal, Identity(config.identity))
    try:
        with journal.locked():
            known = orders.look(fetch=True)
    except StateInUse:
        # The service is at work, and fetches by itself; two must not write one store.
        known = orders.look(fetch=False)
    plan = make_preview(config, known, make_engine(config), journal, datetime.now(UTC))
    if options.output == "json":
        steps = [{"step": step.verb, "subject": step.subject, "cause": step.cause} for step in plan]
        print(json.dumps({"device": config.device, "steps": steps}, indent=2))
    else:
        print(plan)
    return CHANGES if plan else 0


def status(options: argparse.Namespace) -> int:
    """What the last one found."""
    config = load_config(options.config)
    reported = Journal(config.state).reported
    if reported is None:
        raise StateError("no pass has ended yet", where=str(config.state), advice="run `reconciler once`")
    if options.output == "json":
        print(json.dumps(to_plain(reported.report), indent=2))
    else:
        print(_text(reported.report, reported.is_sent))
    return 0


def trust(options: argparse.Namespace) -> int:
    """Show whom the device obeys, or let it trust anew."""
    config = load_config(options.config)
    act = {"show": trust_commands.show, "reset": trust_commands.reset}[options.action]
    return act(config, Journal(config.state), options)


def fitness(options: argparse.Namespace) -> int:
    """Is the device fit to do its work?"""
    if unknown := [name for name in options.only if name not in IDS]:
        options.usage(f"argument --only: no check is called {unknown[0]!r}; see `reconciler check --list`")
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


def support(options: argparse.Namespace) -> int:
    """Write what somebody needs who helps from afar."""
    names = write_bundle(options.file, options.config, with_logs=options.logs)
    print(json.dumps(names) if options.output == "json" else f"wrote {options.file}: {', '.join(names)}")
    return 0


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
