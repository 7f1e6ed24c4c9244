"""How our commands speak: one parser, one way to print an error, the exit codes of `errors`."""

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from reconciler.errors import ReconcilerError
from reconciler.model.durations import seconds_of

USAGE, CHANGES, INTERRUPTED = 64, 2, 130

EXIT_CODES = """\
exit codes:
  0 done, or nothing to do      2 there are changes (plan)     64 wrong usage
  10 not YAML                   11 a rule is broken            12 a patch does not apply
  13 unknown device             20 the Engine failed a call    21 no Engine
  22 a service is not healthy   23 an update lock is held      30 git failed
  31 no Git server              32 unknown revision            40 an untrusted commit
  41 a secret stays sealed      42 no usable version           50 no permission
  51 wrong settings             52 the state on disk           130 interrupted
  1 anything else
"""


class Parser(argparse.ArgumentParser):
    """argparse, with an exit code for wrong usage that no command uses for an answer."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.exit(_complain(f"{self.prog}: {message}; see `{self.prog} --help`", USAGE))


def from_one_to(most: int) -> Callable[[str], int]:
    """A whole number of the command line, from 1 to this one."""

    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {most}")
        return int(text)

    return number


def seconds(text: str) -> float:
    """A duration of the command line, from a second to a week: `1m30s`, or a number of seconds."""
    found = seconds_of(f"{text}s" if text.isdecimal() else text)
    if found is None or not 1 <= found <= 7 * 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 30s, 5m or 1h, up to a week")
    return found


def key_and_value(text: str) -> tuple[str, str]:
    """A label of the command line, `KEY=VALUE`."""
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is no label; write KEY=VALUE")
    return key, value


def new_parser(prog: str, description: str, epilog: str = "") -> Parser:
    """A parser whose texts keep their lines."""
    return Parser(
        prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def run_command(prog: str, command: Callable[[], int]) -> int:
    """Run a command; an error of ours becomes its lines on stderr and its exit code, never a traceback."""
    # Python looks through all that was ever loaded before it ends, a tenth of a second for what ends anyway.
    atexit.register(gc.freeze)
    try:
        code = command()
        sys.stdout.flush()
    except ReconcilerError as error:
        return complain(prog, [error])
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away (`fleet status | head`): nothing is wrong, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def complain(prog: str, errors: Sequence[ReconcilerError]) -> int:
    """Print each error, a line each, and return the exit code of the first."""
    for error in errors:
        for line in str(error).splitlines():
            _complain(f"{prog}: error: {printable(line)}", 0)
    return errors[0].exit_code if errors else 0


def printable(text: str) -> str:
    """Text from elsewhere, without what could steer a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _complain(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code
