"""`reconciler logs`: what services wrote."""

import argparse
import json
import sys
import time
from collections.abc import Iterable

from reconciler.agent.docker_engine import Client, Excerpt, Line, containers_of, read_logs
from reconciler.agent.settings.config import load_config
from reconciler.errors import ReconcilerError
from reconciler.terminal import printable


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
