"""What Prometheus reads: the text of the exposition format 0.0.4. Pure.

No label holds more than names, phases, states, reasons, commits and versions: nothing that an app writes.
"""

from collections.abc import Iterator

from reconciler.agent.service.counts import MOST_SERVICES, Counts, is_up
from reconciler.model import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = list[tuple[dict[str, str], float]]


def exposition(report: Report | None, counts: Counts) -> str:
    """All that is known; before the first pass, counts alone."""
    parts = [*_of_passes(counts), *_of_git(counts)]
    if report is not None:
        parts += [*_of_device(report), *_of_services(report, counts)]
    return "".join(parts)


def _of_passes(counts: Counts) -> Iterator[str]:
    yield from _one("passes_total", "counter", "Passes since the agent started.", counts.passes)
    yield from _one("pass_seconds_total", "counter", "Time that they took.", round(counts.all_pass_seconds, 3))
    yield from _one("pass_errors_total", "counter", "Errors that passes ended with.", counts.errors)
    yield from _one("last_pass_seconds", "gauge", "How long the newest pass took.", round(counts.pass_seconds, 3))
    yield from _one("last_pass_timestamp_seconds", "gauge", "When it ended.", round(counts.passed_at, 3))
    steps: Samples = [({"verb": verb}, count) for verb, count in sorted(counts.steps.items())]
    yield from _many("steps_total", "counter", "Steps that were performed, by their verb.", steps)
    yield from _one("drifts_total", "counter", "Passes that healed drift.", counts.drifts)
    yield from _one("rollbacks_total", "counter", "Apps that went back to their last good state.", counts.rollbacks)


def _of_git(counts: Counts) -> Iterator[str]:
    asked: Samples = [({"result": "answered"}, counts.git_answers), ({"result": "failed"}, counts.git_failures)]
    yield from _many("git_asks_total", "counter", "Times that the Git server was asked.", asked)
    answered = round(counts.git_answered_at, 3)
    yield from _one("git_answer_timestamp_seconds", "gauge", "When a Git server answered last.", answered)
    refused: Samples = [({"reason": reason}, count) for reason, count in sorted(counts.refusals.items())]
    yield from _many("refusals_total", "counter", "Commits that were not trusted, by reason code.", refused)
    yield from _one("report_failures_total", "counter", "Times that a report could not be sent.", counts.send_failures)
    yield from _one("report_waits", "gauge", "1 while a report could not be sent.", int(counts.report_waits))


def _of_device(report: Report) -> Iterator[str]:
    named = {"agent": report.versions.agent, "engine": report.versions.engine, "applied": report.revisions.applied}
    yield from _many("info", "gauge", "Versions, and the commit that is applied.", [(named, 1)])
    revisions = report.revisions
    # By its word: of a release or a tag, what was seen has another id than the commit that it means.
    is_refused = any(one.type == "Trusted" and one.status == "False" for one in report.conditions)
    behind = is_refused or revisions.trusted != revisions.applied
    yield from _one("behind", "gauge", "1 while the newest commit seen is not applied.", int(behind))
    yield from _many("phase", "gauge", "1 for the phase of the device.", [({"phase": report.phase}, 1)])
    conditions: Samples = [({"type": one.type, "reason": one.reason}, _truth(one.status)) for one in report.conditions]
    yield from _many("condition", "gauge", "1 for True, 0 for False, -1 for Unknown.", conditions)
    apps: Samples = [({"app": one.name, "phase": one.phase}, 1) for one in report.apps]
    yield from _many("app_phase", "gauge", "1 for the phase of each app.", apps)
    if report.disk_free_bytes is not None:
        yield from _one("disk_free_bytes", "gauge", "Free where the state is.", report.disk_free_bytes)


def _of_services(report: Report, counts: Counts) -> Iterator[str]:
    seen = [(app.name, service) for app in report.apps for service in app.services][:MOST_SERVICES]
    up: Samples = [({"app": app, "service": one.name}, int(is_up(one))) for app, one in seen]
    yield from _many("service_up", "gauge", "1 where it runs, and is not unhealthy.", up)
    states: Samples = [
        ({"app": app, "service": one.name, "state": one.state, "health": one.health}, 1) for app, one in seen
    ]
    yield from _many("service_state", "gauge", "1 for the state and health of each service.", states)
    named = [({"app": app, "service": service}, seconds) for (app, service), seconds in counts.services.items()]
    wanted: Samples = [(labels, round(seconds.wanted, 3)) for labels, seconds in named]
    yield from _many("service_wanted_seconds_total", "counter", "How long it was wanted.", wanted)
    well: Samples = [(labels, round(seconds.well, 3)) for labels, seconds in named]
    yield from _many("service_well_seconds_total", "counter", "For how much of it all was well.", well)


def _truth(status: str) -> int:
    return {"True": 1, "False": 0}.get(status, -1)


def _one(name: str, kind: str, told: str, value: float) -> Iterator[str]:
    yield from _many(name, kind, told, [({}, value)])


def _many(name: str, kind: str, told: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP reconciler_{name} {told}\n# TYPE reconciler_{name} {kind}\n"
    for labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"reconciler_{name}{{{pairs}}} {value}\n" if pairs else f"reconciler_{name} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
