"""reconciler: its commands. What each does is elsewhere, and so are its options."""

import argparse
import importlib
import logging
from collections.abc import Callable, Sequence

from reconciler.agent.commands.parsers import new_parser
from reconciler.agent.host.log_lines import log_to_stderr
from reconciler.terminal import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = new_parser().parse_args(arguments)
    log_to_stderr(logging.INFO if options.verbose else logging.WARNING)
    return run_command("reconciler", lambda: _act(options))


# Loaded when it is called: what most commands need, an agent that sits idle does not hold.
_COMMANDS = {
    "run": "service.run:run",
    "once": "commands.once:once",
    "sync": "commands.once:sync",
    "pause": "commands.pause:pause",
    "resume": "commands.pause:resume",
    "plan": "commands.once:plan",
    "status": "commands.once:status",
    "import": "commands.once:take",
    "trust": "commands.once:trust",
    "check": "commands.once:fitness",
    "logs": "commands.log_command:logs",
    "enroll": "commands.enroll:enroll",
    "rotate-key": "commands.enroll:rotate",
    "support-bundle": "commands.once:support",
}


def _act(options: argparse.Namespace) -> int:
    module, _, function = _COMMANDS[options.command].partition(":")
    act: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(f"reconciler.agent.{module}"), function)
    return act(options)
