"""How the agent logs: to stderr, a line each, for people or for programs."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping

# Of all processes of an agent: they have it from the one that started them.
VARIABLE = "RECONCILER_LOG"
_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
# Of syslog(3).
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
# As in `pass     %s, %d steps`: of the words that are ours, never of what is put into them.
_EVENT = re.compile(r"([a-z]{1,7}) {2,}(?=\S)")
_WIDTH = 9


def log_to_stderr(level: int, environ: Mapping[str, str] = os.environ) -> None:
    """From this level on; as lines of JSON (RFC 8259), if the variable says `json`."""
    is_journal = _is_journal(2, environ.get("JOURNAL_STREAM", ""))
    text = "%(message)s" if is_journal else _TEXT
    lines = JsonLines() if environ.get(VARIABLE) == "json" else logging.Formatter(text)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JournalLines(lines) if is_journal else lines)
    logging.basicConfig(level=level, handlers=[handler])


def _is_journal(stream: int, named: str) -> bool:
    """Does it go to systemd's journal, which tells the time by itself ($JOURNAL_STREAM, systemd.exec(5))?"""
    try:
        status = os.fstat(stream)
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


class JournalLines(logging.Formatter):
    """The same lines, each told how bad it is (sd-daemon(3)): `journalctl -p err` finds what went wrong."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        bad = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{bad}>{line}" for line in self._lines.format(record).split("\n"))


class JsonLines(logging.Formatter):
    """An object a line: when, how bad, which event, and its words; with the traceback of a defect."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        event = _EVENT.match(str(record.msg))
        padded = event if event and event.end() == _WIDTH else None
        told = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": padded[1] if padded else "",
            "message": message[_WIDTH:] if padded else message,
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)
