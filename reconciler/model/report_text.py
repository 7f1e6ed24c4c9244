"""A report for people, line by line, as its device and a desk show it. Its texts are not made safe for a terminal."""

from collections.abc import Iterator

from reconciler.model.report import Report

_NAMED = ("seen", "trusted", "attempted", "applied", "healthy")


def revision_lines(report: Report) -> Iterator[str]:
    """The revisions that are known, by name."""
    yield from (f"{name:<10} {getattr(report.revisions, name)}" for name in _NAMED if getattr(report.revisions, name))


def state_lines(report: Report) -> Iterator[str]:
    """The conditions; behind an empty line each, the apps with their services."""
    for one in report.conditions:
        yield f"{one.type:<12} {one.status:<8} {one.reason:<18} {one.message}".rstrip()
    for app in report.apps:
        yield ""
        yield f"{app.name}: {app.phase} {app.message}".rstrip()
        yield from (f"  {s.name:<16} {s.state:<12} {s.health:<10} {s.image}".rstrip() for s in app.services)
