"""Changes of a device's file that leave all else as people wrote it, comments as well. Pure."""

import re

from reconciler.errors import ReconcilerError

_NOT_RETIRED = re.compile(r"^( +retired: *)false(?= *(?:#.*)?$)", re.MULTILINE)


def with_key(text: str, old: str, new: str) -> str:
    """A device's file with another key, and every other byte as it was. Raises ReconcilerError."""
    if not old or text.count(old) != 1:
        told = "its file does not hold its key in one piece"
        raise ReconcilerError(told, advice="put the new one in by hand; `fleet device list -o json` shows it")
    return text.replace(old, new)


def with_retirement(text: str, path: str) -> str:
    """The file of a device that goes: one line more, and every other byte as it was. Raises ReconcilerError."""
    if _NOT_RETIRED.search(text):
        return _NOT_RETIRED.sub(r"\1true", text)
    lines = text.splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if line.rstrip() == "spec:"]
    below = lines[at[0] + 1] if len(at) == 1 and at[0] + 1 < len(lines) else ""
    indent = below[: len(below) - len(below.lstrip(" "))]
    if not indent:
        raise ReconcilerError("its file has no block `spec:`", where=path, advice="write `retired: true` there by hand")
    return "".join([*lines[: at[0] + 1], f"{indent}retired: true\n", *lines[at[0] + 1 :]])
