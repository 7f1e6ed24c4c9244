"""Log lines for programs: one object each, whatever is in it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.agent.host.log_lines import JournalLines, JsonLines


def line(message: str, *args: object, level: int = logging.INFO, exc_info: object = None) -> dict[str, str]:
    record = logging.LogRecord("reconciler", level, "x.py", 1, message, args, exc_info)  # type: ignore[arg-type]
    record.created, record.msecs = 1_780_000_000.25, 250.0
    told = JsonLines().format(record)
    assert "\n" not in told
    return json.loads(told)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("words", "arguments", "event", "rest"),
    [
        ("pass     %s, %d steps, at %s", ("Healthy", 0, "main@sha1:1"), "pass", "Healthy, 0 steps, at main@sha1:1"),
        ("version  %s is to prove itself", ("0.2.0-a",), "version", "0.2.0-a is to prove itself"),
        ("pulling  %s", ("web:1",), "pulling", "web:1"),
        ("%s", ("pass     no, somebody else says so",), "", "pass     no, somebody else says so"),
        ("%s", ("https://git.example: cannot fetch",), "", "https://git.example: cannot fetch"),
        ("%s", ("the name web is taken",), "", "the name web is taken"),
        ("the next key of this device: %s", ("x",), "", "the next key of this device: x"),
        ("a defect of the reconciler", (), "", "a defect of the reconciler"),
        ("%s", ("two\nlines",), "", "two\nlines"),
        ("%s", ("",), "", ""),
    ],
)
def test_the_first_word_of_what_happened_is_the_event(
    words: str, arguments: tuple[object, ...], event: str, rest: str
) -> None:
    told = line(words, *arguments)
    assert told == {"time": "2026-05-28T20:26:40.250Z", "level": "info", "event": event, "message": rest}


def test_a_defect_brings_its_traceback() -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        told = line("a defect of the reconciler", level=logging.ERROR, exc_info=sys.exc_info())
    assert told["level"] == "error"
    assert "ZeroDivisionError" in told["traceback"]


PROGRAM = """
import logging
from reconciler.agent.host.log_lines import log_to_stderr
log_to_stderr(logging.INFO)
logging.getLogger("reconciler").error("web: no\\nmore")
"""


@pytest.mark.parametrize(
    ("is_there", "environment", "told"),
    [
        (True, {}, "<3>web: no\n<3>more\n"),
        (True, {"RECONCILER_LOG": "json"}, '<3>{"time":'),
        (False, {}, " ERROR   web: no\nmore\n"),
        (False, {"RECONCILER_LOG": "json"}, '{"time":'),
    ],
)
def test_the_journal_has_a_clock_of_its_own(
    is_there: bool, environment: dict[str, str], told: str, tmp_path: Path
) -> None:
    """Which stream is the journal's, systemd says; a redirected one is not."""
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        name = f"{status.st_dev}:{status.st_ino + (not is_there)}"
        command = [sys.executable, "-c", PROGRAM]
        everything = {**os.environ, **environment, "JOURNAL_STREAM": name}
        subprocess.run(command, stderr=journal, env=everything, check=True)
        journal.seek(0)
        written = journal.read()
    assert told in written
    assert written.startswith("<3>") == is_there


@pytest.mark.parametrize(("level", "number"), [(50, 2), (40, 3), (30, 4), (20, 6), (10, 7)])
def test_how_bad_a_line_is(level: int, number: int) -> None:
    record = logging.LogRecord("reconciler", level, "x.py", 1, "words", (), None)
    assert JournalLines(logging.Formatter("%(message)s")).format(record) == f"<{number}>words"
