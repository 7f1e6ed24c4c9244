"""`fleet get`, `why`, `history`, `audit`: what devices said and ran, out of Git alone, believed by their signatures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fleet_desk import SMALL, FleetDesk, device
from written_branch import NOW, WrittenBranch, path_of, report

from lab.operator import Operator
from signing import Signer

KEY, OTHER = Signer.generate(), Signer.generate()
HOUR = 3600


@pytest.fixture
def branch(tmp_path: Path) -> WrittenBranch:
    return WrittenBranch(tmp_path / "remote.git")


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str], branch: WrittenBranch) -> FleetDesk:
    """d1 has an identity, and Ann signs what she commits."""
    desk = FleetDesk(ann, capsys)
    desk.lay({**SMALL, "devices/d1.yaml": device("d1", f"identity: {KEY.public.line}"),
              "trust/allowed_signers": f"{ann.allowed_signers_line}\n"})  # fmt: skip
    desk.git("config", "user.email", ann.email)
    desk.git("remote", "add", "origin", str(branch.bare))
    return desk


def commit(desk: FleetDesk, message: str) -> str:
    made = desk.owner.commit(message)
    desk.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    return made


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "since": "2026-06-01T00:00:00Z"}


def at(revision: str) -> dict[str, str]:
    whole = f"main@sha1:{revision}"
    return {"seen": whole, "trusted": whole, "attempted": whole, "applied": whole, "healthy": whole}


def told(phase: str = "Healthy", revision: str = "1" * 40, **more: Any) -> bytes:
    apps = [{"name": "web", "phase": phase, "services": [{"name": "web", "image": "busybox:1.36", "state": "running"}]}]
    return report("d1", **{"phase": phase, "revisions": at(revision), "apps": apps, "heartbeat_seconds": 900, **more})


def say(branch: WrittenBranch, content: bytes, hours_ago: float = 0, key: Signer = KEY) -> None:
    branch.write({path_of("d1"): content}, key, at=NOW - int(hours_ago * HOUR))


def moment(hours_ago: float) -> str:
    return f"{datetime.fromtimestamp(NOW - int(hours_ago * HOUR), UTC):%Y-%m-%dT%H:%M:%SZ}"


# get and why


def test_get_tells_all_that_the_newest_report_says(desk: FleetDesk, branch: WrittenBranch) -> None:
    say(branch, told(conditions=[condition("Trusted", "True", "Verified", "obeying x by ann")]))
    lines = desk.fleet("get", "d1").lines
    assert {"device     d1", "phase      Healthy", f"applied    main@sha1:{'1' * 40}"} <= set(lines)
    assert any(line.startswith("Trusted      True     Verified") for line in lines)
    assert "  web              running                 busybox:1.36" in lines
    assert desk.fleet("get", "d1", "-o", "json").json["report"]["device"] == "d1"


def test_get_tells_how_services_run(desk: FleetDesk, branch: WrittenBranch) -> None:
    runs = {"started_at": "2026-06-01T00:00:00Z", "restarts": 1, "exit_code": 137, "out_of_memory": True}
    service = {"name": "web", "image": "busybox:1.36", "state": "exited", **runs}
    say(branch, told(apps=[{"name": "web", "phase": "Degraded", "services": [service]}]))
    lines = desk.fleet("get", "d1").lines
    assert f"{'':<18} started 2026-06-01T00:00:00Z, started again once, exited with 137, out of memory" in lines


def test_a_device_that_is_none_is_an_error(desk: FleetDesk, branch: WrittenBranch) -> None:
    say(branch, told())
    for command in ("get", "why", "history", "audit"):
        assert desk.fleet(command, "d7").code == 13


def test_nothing_holds_a_device_that_runs_the_tip(desk: FleetDesk, branch: WrittenBranch) -> None:
    tip = commit(desk, "The first")
    say(branch, told(revision=tip))
    answer = desk.fleet("why", "d1")
    assert (answer.code, answer.out) == (0, f"nothing holds it: Healthy at main@{tip[:12]}\n")


ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\x9b31m\ud800"


def test_what_a_device_says_steers_no_terminal(desk: FleetDesk, branch: WrittenBranch) -> None:
    tip = commit(desk, "The first")
    app = {"name": ESCAPES, "phase": "Healthy", "message": ESCAPES}
    conditions = [condition("Trusted", "True", ESCAPES, ESCAPES)]
    say(branch, told(ESCAPES, revision=tip, apps=[app], conditions=conditions))
    assert desk.fleet("why", "d1").out.startswith("nothing holds it: \\x1b[2J")
    for words in (("get", "d1"), ("why", "d1"), ("history", "d1"), ("audit", "d1"), ("audit", "--commit", tip)):
        answer = desk.fleet(*words)
        assert all(c.isprintable() for c in answer.out.replace("\n", "")), words
        assert "\\x1b[2J" in answer.out, words


HELD = {
    "signature": (
        told(conditions=[condition("Trusted", "False", "UNSIGNED", "a word")]),
        "Trusted      UNSIGNED since",
    ),
    "files": (told(conditions=[condition("Rendered", "False", "Invalid", "x.yaml:1:1: no")]), "Rendered     Invalid"),
    "network": (told(conditions=[condition("Fresh", "False", "RemoteUnavailable")]), "Fresh        RemoteUnavailable"),
    "lock": (told(conditions=[condition("Reconciling", "True", "Locked", "held")]), "Reconciling  Locked since"),
    "engine": (told(conditions=[condition("Stalled", "True", "EngineError")]), "Stalled      EngineError"),
    "health": (told("CrashLooping"), "web          CrashLooping"),
    "version": (
        told(conditions=[condition("Updated", "False", "RolledBack", "0.3.0 was tried once")]),
        "Updated      RolledBack since",
    ),
    "version not allowed": (
        told(conditions=[condition("Updated", "False", "NotAllowed", "denied")]),
        "Updated      NotAllowed since",
    ),
    "wheel": (
        told(conditions=[condition("Updated", "False", "UpdateRefused", "it is no wheel")]),
        "Updated      UpdateRefused since",
    ),
    "state": (told(conditions=[condition("Trusted", "Unknown", "StateError", "torn")]), "Trusted      StateError"),
    "retry": (
        told(apps=[{"name": "web", "phase": "RolledBack", "message": "no; tried again at 2026-11-29T12:00:00Z"}]),
        "web          RolledBack: no; tried again at 2026-11-29T12:00:00Z",
    ),
    "behind": (told(revision="2" * 40), "Behind       it saw main@222222222222, and the branch is at"),
}


@pytest.mark.parametrize("name", HELD)
def test_what_holds_a_device_is_told(desk: FleetDesk, branch: WrittenBranch, name: str) -> None:
    commit(desk, "The first")
    content, line = HELD[name]
    say(branch, content)
    answer = desk.fleet("why", "d1")
    assert answer.code == 2
    assert any(one.startswith(line) for one in answer.lines), answer.out
    assert all({"what", "why"} == set(one) for one in desk.fleet("why", "d1", "-o", "json").json)


def test_silence_and_forgery_are_reasons(desk: FleetDesk, branch: WrittenBranch) -> None:
    assert desk.fleet("why", "d1").lines == ["Silent       it has never reported"]
    say(branch, told(), hours_ago=5)
    assert desk.fleet("why", "d1").lines[0].startswith("Silent       last Healthy, 5h ago")
    say(branch, told("Degraded"), key=OTHER)
    assert desk.fleet("why", "d1").lines[0].startswith("Refused      SIGNER_UNKNOWN")


def test_a_clock_that_is_ahead_is_a_reason(desk: FleetDesk, branch: WrittenBranch) -> None:
    say(branch, told(), hours_ago=-48)
    answer = desk.fleet("why", "d1")
    assert (answer.code, answer.lines[0].split("ahead")[0]) == (
        2, f"Clock        its newest report says {moment(-48)}, 1d ",
    )  # fmt: skip
    assert "Silent" not in answer.out
    assert any(line.startswith("signed     ahead") for line in desk.fleet("get", "d1").lines)
    branch.write({path_of("d2"): report("d2")}, OTHER, at=NOW - 5 * HOUR)
    lines = desk.fleet("why", "d1").lines
    assert [line.split()[0] for line in lines[:2]] == ["Silent", "Clock"]
    assert lines[0].startswith("Silent       last Healthy, 5h ago")


def test_a_device_that_fell_silent_is_shown_as_that_with_its_last_phase(desk: FleetDesk, branch: WrittenBranch) -> None:
    say(branch, told(), hours_ago=40 * 24)
    assert {"phase      Silent: last Healthy, 40d ago", "signed     40d ago"} <= set(desk.fleet("get", "d1").lines)
    got = desk.fleet("get", "d1", "-o", "json").json
    assert (got["phase"], got["lastPhase"], got["silent"]) == ("Silent", "Healthy", True)
    assert (got["message"], got["report"]["phase"]) == ("last Healthy, 40d ago", "Healthy")
    why = desk.fleet("why", "d1")
    assert (why.code, why.lines[0]) == (
        2, "Silent       last Healthy, 40d ago, and a report is due every 15m: what follows is old",
    )  # fmt: skip


# history


def test_history_tells_what_was_news_and_leaves_heartbeats_and_forgeries_out(
    desk: FleetDesk, branch: WrittenBranch
) -> None:
    say(branch, told(), 5)
    say(branch, told(time="2026-01-01T01:00:00Z"), 4)
    say(branch, told("Degraded"), 3, key=OTHER)
    say(branch, told("Pulling", "2" * 40), 2)
    say(branch, told("Healthy", "2" * 40, conditions=[condition("Drifted", "True", "Healed")]), 1)
    lines = desk.fleet("history", "d1").lines
    assert [line.split("  ", 2)[2].strip() for line in lines[1:]] == [
        "the first report",
        "Healthy -> Pulling, now at main@222222222222, web Pulling",
        "Pulling -> Healthy, Drifted Healed, web Healthy",
    ]
    assert len(desk.fleet("history", "d1", "-n", "1").lines) == 2
    assert [one["phase"] for one in desk.fleet("history", "d1", "-o", "json").json] == ["Healthy", "Pulling", "Healthy"]
    assert desk.fleet("history", "d2").out.startswith("d2 has never reported")


# audit


def test_audit_says_what_ran_at_a_time_since_when_and_by_whom(desk: FleetDesk, branch: WrittenBranch) -> None:
    first, second = commit(desk, "Begin"), commit(desk, "Go on")
    for hours, revision in ((9, first), (8, first), (4, second), (2, second)):
        say(branch, told(revision=revision), hours)
    now = desk.fleet("audit", "d1")
    assert now.code == 0, now.err
    assert f"since      {moment(4)}" in now.lines
    assert f"commit     {second}" in now.lines
    assert any(f"by Ann <{desk.owner.email}>, signed by {desk.owner.email}" in line for line in now.lines)
    assert any(line.startswith("ran        web/web busybox:1.36 running") for line in now.lines)
    then = desk.fleet("audit", "d1", "--at", moment(6)).lines
    assert f"since      {moment(9)}" in then
    assert f"commit     {first}" in then
    assert "ran        nothing that it reported" in desk.fleet("audit", "d1", "--at", moment(12)).lines


def test_audit_says_where_a_commit_ran_and_how_it_went(desk: FleetDesk, branch: WrittenBranch) -> None:
    first, second = commit(desk, "Begin"), commit(desk, "Go on")
    for hours, phase, revision in ((9, "Pulling", first), (8, "Healthy", first), (4, "Healthy", second)):
        say(branch, told(phase, revision), hours)
    ran = [line for line in desk.fleet("audit", "--commit", first).lines if line.startswith("ran")]
    assert ran == [f"ran        {'d1':<20} {moment(9)} until {moment(4)} Pulling -> Healthy"]
    told_of = desk.fleet("audit", "--commit", second, "-o", "json").json
    assert (told_of["subject"], told_of["ran"][0]["until"]) == ("Go on", "still")
    third = commit(desk, "Nobody runs it")
    assert "ran        nowhere that was reported" in desk.fleet("audit", "--commit", third).lines


def test_audit_goes_by_the_order_of_the_branch_and_marks_a_time_against_it(
    desk: FleetDesk, branch: WrittenBranch
) -> None:
    first, second = commit(desk, "Begin"), commit(desk, "Go on")
    clock = ((9, first), (-90_000, first), (8, first), (5, second), (4e5, second), (3, second))
    for number, (hours, revision) in enumerate(clock):
        say(branch, told(revision=revision, sequence=number), hours)
    ran = [line for line in desk.fleet("audit", "--commit", first).lines if line.startswith("ran")]
    wrong = f"(against the order of the branch: {moment(-90_000)})"
    assert ran == [f"ran        {'d1':<20} {moment(9)} until {moment(5)} Healthy {wrong}"]
    (told_of,) = desk.fleet("audit", "--commit", second, "-o", "json").json["ran"]
    assert (told_of["from"], told_of["until"], told_of["wrongTimes"]) == (moment(5), "still", [moment(4e5)])
    then = desk.fleet("audit", "d1", "--at", moment(6)).lines
    assert {f"commit     {first}", f"since      {moment(9)}", f"wrongTimes {moment(-90_000)}"} <= set(then)
    now = desk.fleet("audit", "d1").lines
    assert {f"commit     {second}", f"since      {moment(5)}", f"wrongTimes {moment(4e5)}"} <= set(now)


@pytest.mark.parametrize("arguments", [(), ("d1", "--commit", "HEAD"), ("d1", "--at", "yesterday")])
def test_a_question_that_is_none_is_told(desk: FleetDesk, branch: WrittenBranch, arguments: tuple[str, ...]) -> None:
    say(branch, told())
    assert desk.fleet("audit", *arguments).code == 1
