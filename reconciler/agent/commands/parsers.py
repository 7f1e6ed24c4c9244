"""The options of the commands of `reconciler`."""

import argparse
from pathlib import Path

import reconciler
from reconciler.agent.settings.config import DEFAULT_PATH, TRANSPORTS
from reconciler.terminal import EXIT_CODES, Parser, from_one_to, key_and_value, seconds
from reconciler.terminal import new_parser as parser_of

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
_PAUSE = """\
Change nothing on this device for a while: no container is made, started, stopped or healed. What is new in Git is
still fetched and verified, and reports say that the device is paused, until when, and why.
"""


def new_parser() -> Parser:
    """The parser of `reconciler`; `verbose` says whether it logs what it does."""
    parser = parser_of("reconciler", _DESCRIPTION, EXIT_CODES)
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
    _add_enroll(commands)
    _add_logs(commands)
    _add_sync(commands)
    _add_import(commands)
    _add_trust(commands)
    _add_check(commands)
    _add_support(commands)
    _add_pause(commands)
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
    command.add_argument("--only", action="append", default=[], metavar="ID", help="may be repeated")
    command.add_argument("--warnings-as-errors", action="store_true", help="exit code 1 for a warning, too")
    command.set_defaults(usage=command.error)
    _add_config(command)
    _add_output(command)
    command.set_defaults(verbose=False)


def _add_support(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "what somebody needs who helps from afar, and no secret, in one compressed tar archive"
    command = commands.add_parser("support-bundle", help=text, description=text)
    command.add_argument("file", type=Path, metavar="FILE", help="such as press-0041.tar.gz; an older one is replaced")
    command.add_argument(
        "--logs",
        action="store_true",
        help="also the newest lines of containers, without what they were given",
    )
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


def _add_enroll(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of this command."""
    text = "ask a fleet to take this device in: makes settings and key where there are none, and tells the key"
    command = commands.add_parser("enroll", help=text, description=text)
    command.add_argument("--name", default="", help="of the device; default: that of the host")
    command.add_argument("--remote", default="", metavar="URL", help="the fleet repository, https:// or ssh://")
    command.add_argument(
        "--status-remote",
        default="",
        metavar="URL",
        help="where requests and reports go; default: the fleet repository",
    )
    files = {
        "--signers": "the people whom the device obeys, in OpenSSH's format; mode `commits`",
        "--token-file": "the password for HTTPS",
        "--status-token-file": "the password for HTTPS at `--status-remote`",
        "--ca-file": "the certificate authority of the servers",
        "--key-file": "the private key for SSH; default: the device's own",
        "--known-hosts-file": "the keys of hosts, for SSH",
        "--state": "where the device keeps what it knows; default: /var/lib/reconciler",
    }
    for option, told in files.items():
        command.add_argument(option, type=Path, metavar="FILE" if option != "--state" else "DIR", help=told)
    command.add_argument("--anchor", default="", metavar="DIGEST", help="of the fleet's first policy; mode `release`")
    command.add_argument("--transport", choices=TRANSPORTS, help="how reports are sent; default: branch")
    command.add_argument(
        "--label",
        action="append",
        default=[],
        type=key_and_value,
        metavar="KEY=VALUE",
        help="proposed to whoever approves; may be repeated",
    )
    command.set_defaults(verbose=False)
    text = "make the next key of this device, and ask the fleet to know it by that; it changes over by itself"
    commands.add_parser("rotate-key", help=text, description=text).set_defaults(verbose=False)


def _add_logs(commands: "argparse._SubParsersAction[Parser]") -> None:
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


def _add_pause(commands: "argparse._SubParsersAction[Parser]") -> None:
    """The options of both commands, but those that all have."""
    parser = commands.add_parser("pause", help="change nothing here for a while", description=_PAUSE)
    parser.add_argument("--for", dest="seconds", type=seconds, default=3600.0, metavar="TIME",
                        help="such as 30m or 8h, at most 168h; default: 1h")  # fmt: skip
    parser.add_argument("--why", default="", metavar="TEXT", help="for those who read the report")
    text = "end the pause"
    commands.add_parser("resume", help=text, description=text)
    for name in ("pause", "resume"):
        commands.choices[name].set_defaults(verbose=False)
