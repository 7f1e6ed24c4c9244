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
# As in `pass     Healthy, 0 steps, ...`.
_EVENT = re.compile(r"([a-z]+) +(?=\S)")


def log_to_stderr(level: int, environ: Mapping[str, str] = os.environ) -> None:
    """From this level on; as lines of JSON (RFC 8259), if the variable says `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if environ.get(VARIABLE) == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler])


class JsonLines(logging.Formatter):
    """An object a line: when, how bad, which event, and its words; with the traceback of a defect."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        padded = _EVENT.match(message) if len(message) > 9 and message[8] == " " else None
        told = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": padded[1] if padded else "",
            "message": message[padded.end() :] if padded else message,
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)
