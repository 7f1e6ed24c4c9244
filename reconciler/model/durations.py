"""Durations as people write them: Go's words, which Compose took over."""

import re

_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|ms|s|m|h)")  # Go accepts the micro sign
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(written: str) -> float | None:
    """Seconds of a text such as `1m30s`; None, when it is no duration."""
    parts = _PART.findall(written)
    if not parts or "".join(count + unit for count, unit in parts) != written:
        return None
    return float(sum(float(count) * _SECONDS[unit] for count, unit in parts))
