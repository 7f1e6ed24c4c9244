"""Log lines for programs: one object each, whatever is in it."""

import json
import logging
import sys

import pytest

from reconciler.agent.log_lines import JsonLines


def line(message: str, *args: object, level: int = logging.INFO, exc_info: object = None) -> dict[str, str]:
    record = logging.LogRecord("reconciler", level, "x.py", 1, message, args, exc_info)  # type: ignore[arg-type]
    record.created, record.msecs = 1_780_000_000.25, 250.0
    told = JsonLines().format(record)
    assert "\n" not in told
    return json.loads(told)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("message", "event", "rest"),
    [
        ("pass     Healthy, 0 steps, at main@sha1:1", "pass", "Healthy, 0 steps, at main@sha1:1"),
        ("version  0.2.0-a is to prove itself", "version", "0.2.0-a is to prove itself"),
        ("failed   web/serve: no", "failed", "web/serve: no"),
        ("https://git.example: cannot fetch", "", "https://git.example: cannot fetch"),
        ("two\nlines", "", "two\nlines"),
        ("", "", ""),
    ],
)
def test_the_first_word_of_what_happened_is_the_event(message: str, event: str, rest: str) -> None:
    told = line("%s", message)
    assert told == {"time": "2026-05-28T20:26:40.250Z", "level": "info", "event": event, "message": rest}


def test_a_defect_brings_its_traceback() -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        told = line("a defect of the reconciler", level=logging.ERROR, exc_info=sys.exc_info())
    assert told["level"] == "error"
    assert "ZeroDivisionError" in told["traceback"]
