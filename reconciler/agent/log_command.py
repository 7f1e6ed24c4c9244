"""`reconciler logs`: what services wrote."""

import argparse
import json
import sys
import time
from collections.abc import Iterable

from reconciler.agent.config import load_config
from reconciler.agent.docker_engine import Client, Excerpt, Line, containers_of, read_logs
from reconciler.errors import ReconcilerError
from reconciler.terminal import Parser, from_one_to, printable, seconds


def logs(options: argparse.Namespace) -> int:
    """Print the lines of some services, each with who wrote it; with `--follow`, until somebody ends it."""
    config = load_config(options.config)
    app, _, service = options.service.partition("/")
    excerpt = Excerpt(app, service, options.lines, options.since, options.follow)
    client = Client(config.engine)
    if not containers_of(client, config.device, app, service):
        told = f"nothing of `{options.service}` runs here" if options.service else "no app runs here"
        raise ReconcilerError(told, advice="see `reconciler status`; write APP or APP/SERVICE")
    _tell(read_logs(client, config.device, excerpt, time.time()), options)
    return 0


def _tell(lines: Iterable[Line], options: argparse.Namespace) -> None:
    # What a service writes may steer a terminal; in a file it does no harm.
    shown = printable if sys.stdout.isatty() else str
    for line in lines:
        if options.output == "json":
            print(json.dumps({"service": line.source, "line": line.text}), flush=options.follow)
        else:
            print(f"{line.source} | {shown(line.text)}", flush=options.follow)


def add_logs(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of this command; its settings and output are as of the others."""
    text = "what services wrote, as the Engine keeps it"
    command = commands.add_parser("logs", help=text, description=text)
    command.add_argument("service", nargs="?", default="", metavar="APP[/SERVICE]", help="default: all of the device")
    command.add_argument(
        "-n", "--lines", type=from_one_to(10**6), default=100, metavar="N", help="the newest of each; default: 100"
    )
    command.add_argument(
        "--since", type=seconds, default=0.0, metavar="DURATION", help="not older than that, such as 1h"
    )
    command.add_argument("-f", "--follow", action="store_true", help="go on, until the containers or Ctrl-C end it")
    command.set_defaults(verbose=False)
