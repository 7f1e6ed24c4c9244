"""Reads which drift of a service is left alone (`x-ignore-drift`): never without an owner, and never for ever."""

import re
from datetime import UTC, datetime

from reconciler.model import DRIFTS, Ignored
from reconciler.reading import Node, Problems, check_keys, listed, mapping, text, texts

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


def read_ignored(node: Node, problems: Problems) -> tuple[Ignored, ...]:
    """A list of `{what: [stopped], owner: WHO, until: TIME, reason: WHY}`."""
    return listed(node, "x-ignore-drift", problems, _one)


def _one(node: Node, name: str, problems: Problems) -> Ignored:
    check_keys(node, ("what", "owner", "until", "reason"), f"`{name}`", problems)
    fields = mapping(node, name, problems)
    for key in ("what", "owner", "until"):
        if key not in fields or fields[key].value in (None, "", ()):
            problems.add(node.place, f"`{name}` has no `{key}`", "say what is left alone, by whom, and until when")
            return Ignored((), "", "")
    what = texts(fields["what"], "what", problems)
    for word in what:
        if word not in DRIFTS:
            problems.add(fields["what"].place, f"`what` holds {word!r}", f"known are {', '.join(DRIFTS)}")
    reason = text(fields["reason"], "reason", problems) if "reason" in fields else ""
    return Ignored(what, text(fields["owner"], "owner", problems), _moment(fields["until"], problems), reason)


def _moment(node: Node, problems: Problems) -> str:
    written = text(node, "until", problems)
    try:
        if _TIME.fullmatch(written):
            return datetime.fromisoformat(written).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        pass
    problems.add(node.place, f"`until` {written!r} is no time", "write one such as 2026-12-01T06:00:00Z (RFC 3339)")
    return ""
