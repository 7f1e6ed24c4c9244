"""Patterns over paths: `*` is anything within one name, `**` anything, names and slashes."""

import re
from functools import cache

PATTERN = re.compile(r"[A-Za-z0-9_.@+=,*/-]{1,300}")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for `fullmatch`. `a/**` is all below `a`; `**` alone is everything."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts), re.DOTALL)


def matches(pattern: str, path: str) -> bool:
    return compiled(pattern).fullmatch(path) is not None
