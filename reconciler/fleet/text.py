"""Tables and times, one place."""

from collections.abc import Sequence

from reconciler.terminal import printable

# One long message must not push every other line of a table off the screen.
_WIDEST = 160


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell. Cells come from anywhere, so they are made safe for a terminal."""
    lines = [tuple(head), *(tuple(map(_cell, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(text: str) -> str:
    return printable(text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}...")


def age(seconds: float) -> str:
    """A duration as a person says it: `12s`, `5m`, `3h`, `8d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def count(number: int, noun: str) -> str:
    """`1 device`, `3 devices`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
