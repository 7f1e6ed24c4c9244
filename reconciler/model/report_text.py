"""A report for people, line by line, as its device and a desk show it. Its texts are not made safe for a terminal."""

from collections.abc import Iterator

from reconciler.model.report import Report, ServiceReport

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
        for service in app.services:
            yield f"  {service.name:<16} {service.state:<12} {service.health:<10} {service.image}".rstrip()
            if told := ", ".join(_runs(service)):
                yield f"{'':<18} {told}"
        yield from (f"  | {line}" for line in app.log)


def _runs(service: ServiceReport) -> Iterator[str]:
    """How its runs began and ended."""
    if service.started_at:
        yield f"started {service.started_at}"
    if service.restarts:
        yield f"started again {service.restarts} times" if service.restarts > 1 else "started again once"
    if service.exit_code is not None:
        yield f"exited with {service.exit_code}"
    if service.out_of_memory:
        yield "out of memory"
