"""`fleet status`: what the devices report, each believed only by its own signature, and shown without harm."""

import json
import re
import shutil
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fleet_desk import SMALL, FleetDesk, device
from written_branch import NOW, WrittenBranch, path_of, report

from lab.operator import Operator
from reconciler.fleet import status_command
from reconciler.fleet.cli import _parser
from reconciler.repository.patience import Patience
from signing import Signer

KEYS = {name: Signer.generate() for name in ("d1", "d2", "d3", "d9")}
REVISION = "main@sha1:" + "0123456789abcdef" * 2 + "01234567"


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str], branch: WrittenBranch) -> FleetDesk:
    """d1 and d2 have an identity; d3 has none; d9 is no device of the fleet."""
    desk = FleetDesk(ann, capsys)
    identities = {n: f"identity: {KEYS[n].public.line}" for n in ("d1", "d2")}
    desk.lay({**SMALL, **{f"devices/{n}.yaml": device(n, spec) for n, spec in identities.items()}})
    desk.git("remote", "add", "origin", str(branch.bare))
    return desk


@pytest.fixture
def branch(tmp_path: Path) -> WrittenBranch:
    return WrittenBranch(tmp_path / "remote.git")


def line_of(desk: FleetDesk, name: str, *arguments: str) -> str:
    answer = desk.fleet("status", *arguments)
    assert (answer.code, answer.err) == (0, "")
    (line,) = (line for line in answer.lines if line.split()[0] == name)
    return line


def test_a_good_report_is_believed(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1", revisions={"applied": REVISION})}, KEYS["d1"])
    assert line_of(desk, "d1").split()[:3] == ["d1", "Synced", "main@0123456789ab"]
    assert desk.fleet("status").lines[0].split() == ["DEVICE", "PHASE", "REVISION", "SEEN", "MESSAGE"]


def test_a_device_that_never_reported_is_silent(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    assert line_of(desk, "d2").split() == ["d2", "Silent", "never", "has", "never", "reported"]


def test_without_a_status_branch_every_device_is_silent(desk: FleetDesk) -> None:
    for name in ("d1", "d2", "d3"):
        assert line_of(desk, name).endswith("has never reported")


# Who writes what with which key, and why d1 is not believed. None as signer: nobody signs.
REFUSED = {
    "nobody signed it": ({path_of("d1"): report("d1")}, None, "UNSIGNED"),
    "another device signed it": ({path_of("d1"): report("d1")}, "d2", "UNKNOWN"),
    "a stranger signed it": ({path_of("d1"): report("d1")}, "d9", "UNKNOWN"),
    "it is another device's report": ({path_of("d1"): report("d2")}, "d1", "it is a report of 'd2'"),
    "its commit writes another's too": (
        {path_of("d1"): report("d1"), path_of("d2"): report("d2")},
        "d1",
        "more than its own report",
    ),
    "its commit writes a file elsewhere": ({path_of("d1"): report("d1"), "x": b""}, "d1", "more than its own report"),
    "it is oversized": ({path_of("d1"): report("d1", phase="x" * 65536)}, "d1", "too big"),
    "it is empty": ({path_of("d1"): b""}, "d1", "too big, or none"),
    "it has an unknown field": ({path_of("d1"): report("d1", colour="red")}, "d1", "colour"),
    "it has a field of another type": ({path_of("d1"): report("d1", phase=5)}, "d1", "phase"),
    "it lacks a field": ({path_of("d1"): b'{"device": "d1"}'}, "d1", "STATUS_REJECTED"),
    "it is no JSON": ({path_of("d1"): b"phase: Synced"}, "d1", "STATUS_REJECTED"),
    "it is a list": ({path_of("d1"): b"[]"}, "d1", "STATUS_REJECTED"),
    "it has a number without an end": (
        {path_of("d1"): report("d1").replace(b"{", b'{"heartbeat_seconds": 1e999, ', 1)},
        "d1",
        "heartbeat_seconds",
    ),
    "it is nested deeply": ({path_of("d1"): b"[" * 60000}, "d1", "STATUS_REJECTED"),
    "it is not UTF-8": ({path_of("d1"): b'{"device": "\xff"}'}, "d1", "STATUS_REJECTED"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_report_is_refused_when(case: str, desk: FleetDesk, branch: WrittenBranch) -> None:
    files, signer, told = REFUSED[case]
    branch.write(files, KEYS[signer] if signer else None)
    line = line_of(desk, "d1")
    assert line.split()[:3] == ["d1", "Refused", "never"]
    assert told in line
    assert desk.fleet("status", "-o", "json").json[0]["report"] is None


def test_a_forged_signature_is_refused(desk: FleetDesk, branch: WrittenBranch) -> None:
    first = branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    raw = branch._git("cat-file", "commit", first).encode() + b"\n"
    forged = branch._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.replace(b"report\n", b"other\n"))
    assert "Synced" in line_of(desk, "d1")
    branch._git("update-ref", "refs/heads/status", forged)
    assert line_of(desk, "d1").split()[:2] == ["d1", "Refused"]


def test_an_unknown_device_is_shown_and_not_believed(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d9"): report("d9")}, KEYS["d9"])
    assert "UNKNOWN_DEVICE" in line_of(desk, "d9")


def test_a_device_without_an_identity_cannot_be_believed(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d3"): report("d3")}, KEYS["d3"])
    assert "NO_IDENTITY" in line_of(desk, "d3")


def test_a_device_whose_file_is_broken_cannot_be_believed(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    desk.lay({"devices/d1.yaml": "kind: [\n"})
    assert "INVALID: its file is broken: devices/d1.yaml:" in line_of(desk, "d1")


def test_one_forger_takes_no_other_report_away(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    branch.write({path_of("d2"): report("d2")}, KEYS["d2"])
    branch.write({path_of("d1"): report("d1", phase="Fine")}, KEYS["d2"])
    assert line_of(desk, "d1").split()[1] == "Refused"
    assert line_of(desk, "d2").split()[1] == "Synced"


def test_the_newest_report_of_a_device_counts(desk: FleetDesk, branch: WrittenBranch) -> None:
    for phase in ("Pending", "Synced", "Failed"):
        branch.write({path_of("d1"): report("d1", phase=phase)}, KEYS["d1"])
    branch.write({path_of("d2"): report("d2")}, KEYS["d2"])
    assert line_of(desk, "d1").split()[1] == "Failed"


# What a device that may write to the branch can lay there, to take the table away from everybody.
BEHIND = path_of("d9") + "/behind"
POISON = {
    "a folder in the place of a report": ({BEHIND: b"x"}, "report", path_of("d9")),
    "a commit that is too big to be read": ({path_of("d9"): b"[]"}, "x" * (1024 * 1024), ""),
}


@pytest.mark.parametrize("case", POISON)
def test_one_device_cannot_take_the_table_away(case: str, desk: FleetDesk, branch: WrittenBranch) -> None:
    files, message, without = POISON[case]
    branch.write({path_of("d1"): report("d1"), path_of("d9"): b"{}"}, KEYS["d9"])
    branch.write({path_of("d1"): report("d1", phase="Healthy")}, KEYS["d1"])
    branch.write(files, None, message=message, without=without)
    assert line_of(desk, "d1").split()[1] == "Healthy"


ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\n\u202e\x9b31m\ud800"


def test_what_could_steer_a_terminal_is_made_harmless(desk: FleetDesk, branch: WrittenBranch) -> None:
    wrong = {"type": "Synced", "status": "False", "reason": "Bad", "message": ESCAPES, "since": "now"}
    fields = {"phase": ESCAPES, "conditions": [wrong], "revisions": {"applied": f"{ESCAPES}@sha1:{ESCAPES}"}}
    branch.write({path_of("d1"): report("d1", **fields)}, KEYS["d1"])
    table = desk.fleet("status").out
    assert all(c.isprintable() for c in table.replace("\n", ""))
    assert len(table.splitlines()) == 4
    assert "\\x1b[2J" in table
    assert desk.fleet("status", "-o", "json").out.isascii()


def test_a_phase_that_could_steer_a_terminal_is_harmless_below_the_table_too(
    desk: FleetDesk, branch: WrittenBranch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.write({path_of("d1"): report("d1", phase=ESCAPES)}, KEYS["d1"])

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        status_command.run(_parser().parse_args(["-C", str(desk.folder), "status", "--watch"]), stop)
    said = capsys.readouterr().out
    assert all(c.isprintable() for c in said.replace("\n", ""))
    assert "2 Silent, 1 \\x1b[2J" in said.splitlines()[-1]


def test_a_long_message_leaves_the_table_readable(desk: FleetDesk, branch: WrittenBranch) -> None:
    wrong = {"type": "Synced", "status": "False", "reason": "Bad", "message": "long " * 1000, "since": "now"}
    branch.write({path_of("d1"): report("d1", conditions=[wrong])}, KEYS["d1"])
    assert max(map(len, desk.fleet("status").lines)) < 250


# The age of a report, its heartbeat, and phase, time and message; each far from where something else would be told.
SEEN = {
    "just now": (0, 60, r"Synced +\d+s ago"),
    "within two heartbeats": (90, 60, r"Synced +1m ago"),
    "after two missed heartbeats": (150, 60, r"Silent +2m ago +last Synced, 2m ago"),
    "days ago": (8 * 86400, 3600, r"Silent +8d ago +last Synced, 8d ago"),
    "long ago, and it promised no heartbeat": (8 * 86400, 0, r"Synced +8d ago"),
    "in the future": (-3600, 60, r"Synced +ahead +its report is of the future: its clock is wrong"),
}


@pytest.mark.parametrize("case", SEEN)
def test_how_long_a_device_has_been_silent(case: str, desk: FleetDesk, branch: WrittenBranch) -> None:
    ago, heartbeat, told = SEEN[case]
    written = int(datetime.now(UTC).timestamp()) - ago
    branch.write({path_of("d1"): report("d1", heartbeat_seconds=float(heartbeat))}, KEYS["d1"], at=written)
    assert re.fullmatch(f"d1 +{told}", line_of(desk, "d1"))


YEARS = 10 * 365 * 86400
# Who writes after d1, whose clock is years ahead, and how long ago by their clocks; and the phase and message of d1.
FOLLOWED = {
    "by nobody": ([], r"Synced +ahead +its report"),
    "just now": ([0], r"Synced +ahead +its report"),
    "long ago": ([9 * 3600, 0], r"Silent +ahead +last Synced, 9h ago; its report"),
    "by a clock that was set back": ([YEARS], r"Synced +ahead +its report"),
    "by a clock that was set back, and by others": ([YEARS, 8 * 3600], r"Silent +ahead +last Synced, 8h ago; its"),
    "by a clock that is ahead as well": ([-YEARS, 7 * 3600], r"Silent +ahead +last Synced, 7h ago; its report"),
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_a_device_whose_clock_is_ahead_is_silent_by_what_others_wrote_after_it(
    case: str, desk: FleetDesk, branch: WrittenBranch
) -> None:
    after, told = FOLLOWED[case]
    branch.write({path_of("d2"): report("d2")}, KEYS["d2"], at=NOW - 10 * 3600)
    branch.write({path_of("d1"): report("d1", heartbeat_seconds=900)}, KEYS["d1"], at=NOW + YEARS)
    for number, ago in enumerate(after):
        branch.write({path_of("d2"): report("d2", phase=f"P{number}")}, KEYS["d2"], at=NOW - ago)
    assert re.match(f"d1 +{told}", line_of(desk, "d1"))


@pytest.mark.parametrize("newest", [1, 2, 9])
def test_of_a_long_branch_only_the_newest_commits_are_read(
    newest: int, desk: FleetDesk, branch: WrittenBranch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that has not written any of them had written before."""
    monkeypatch.setattr("reconciler.repository.found_reports._NEWEST", newest)
    branch.write({path_of("d1"): report("d1", heartbeat_seconds=900)}, KEYS["d1"], at=NOW + YEARS)
    branch.write({path_of("d2"): report("d2")}, KEYS["d2"], at=NOW - 9 * 3600)
    assert re.match("d1 +Silent +ahead +last Synced, 9h ago", line_of(desk, "d1"))


def test_json_holds_the_whole_report(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1", revisions={"applied": REVISION})}, KEYS["d1"])
    branch.write({path_of("d2"): b"{}"}, KEYS["d2"])
    good, bad, silent = desk.fleet("status", "-o", "json").json
    assert (good["device"], good["phase"], good["flag"]) == ("d1", "Synced", "")
    assert good["report"] == json.loads(report("d1", revisions={"applied": REVISION}))
    assert good["seenAt"].endswith("+00:00")
    assert (bad["phase"], bad["report"], bad["seenAt"]) == ("Refused", None, None)
    assert silent == {
        "device": "d3", "phase": "Silent", "lastPhase": "", "silent": True, "message": "has never reported",
        "flag": "", "refused": "", "seenAt": None, "report": None,
    }  # fmt: skip
    assert (good["silent"], good["lastPhase"], good["message"]) == (False, "Synced", "")
    assert (bad["silent"], bad["lastPhase"], bad["message"]) == (False, "", bad["flag"])


def test_no_fetch_shows_what_was_fetched_last(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    assert line_of(desk, "d1", "--no-fetch").split()[1] == "Silent"
    assert line_of(desk, "d1").split()[1] == "Synced"
    branch.write({path_of("d1"): report("d1", phase="Failed")}, KEYS["d1"])
    assert line_of(desk, "d1", "--no-fetch").split()[1] == "Synced"
    shutil.rmtree(branch.bare)
    assert line_of(desk, "d1", "--no-fetch").split()[1] == "Synced"


def test_a_remote_that_does_not_answer_is_an_error_and_no_silence(desk: FleetDesk, branch: WrittenBranch) -> None:
    shutil.rmtree(branch.bare)
    answer = desk.fleet("status")
    assert (answer.code, answer.out) == (31, "")


def test_without_a_remote_the_clones_own_branch_counts(desk: FleetDesk) -> None:
    desk.git("remote", "remove", "origin")
    assert line_of(desk, "d1").split()[1] == "Silent"
    own = WrittenBranch(desk.folder / ".git")
    own.write({path_of("d1"): report("d1")}, KEYS["d1"])
    assert line_of(desk, "d1").split()[1] == "Synced"


def test_the_fleet_names_the_branch(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1")}, KEYS["d1"])
    desk.edit("fleet.yaml", "spec: {", "spec: {status: {branch: reports}, ")
    assert line_of(desk, "d1").split()[1] == "Silent"
    branch._git("update-ref", "refs/heads/reports", branch.tip)
    assert line_of(desk, "d1").split()[1] == "Synced"


def names(desk: FleetDesk, *arguments: str) -> list[str]:
    return [one["device"] for one in desk.fleet("status", "-o", "json", *arguments).json]


def test_filters_choose_devices(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1", phase="Healthy")}, KEYS["d1"])
    branch.write({path_of("d2"): report("d2", phase="Failed")}, KEYS["d2"])
    assert names(desk) == ["d1", "d2", "d3"]
    assert names(desk, "--phase", "failed", "--phase", "Silent") == ["d2", "d3"]
    assert names(desk, "--problems") == ["d2", "d3"]
    assert names(desk, "--label", "site=south") == ["d3"]
    assert names(desk, "--label", "site=north", "--phase", "healthy") == ["d1"]
    assert names(desk, "--label", "site=west") == []


def test_a_device_that_fell_silent_is_a_problem(desk: FleetDesk, branch: WrittenBranch) -> None:
    branch.write({path_of("d1"): report("d1", phase="Healthy", heartbeat_seconds=3600)}, KEYS["d1"], at=NOW - 10**6)
    branch.write({path_of("d2"): report("d2", phase="Healthy", heartbeat_seconds=3600)}, KEYS["d2"])
    assert names(desk, "--problems") == ["d1", "d3"]
    assert names(desk, "--phase", "silent") == ["d1", "d3"]
    assert names(desk, "--phase", "healthy") == ["d2"]
    (told, _) = desk.fleet("status", "--problems", "-o", "json").json
    assert (told["phase"], told["lastPhase"], told["silent"]) == ("Silent", "Healthy", True)
    assert told["message"] == "last Healthy, 11d ago"


def test_what_was_wrong_before_the_silence_is_told_behind_it(desk: FleetDesk, branch: WrittenBranch) -> None:
    wrong = {"type": "Stalled", "status": "False", "reason": "Bad", "message": "a disk", "since": "now"}
    content = report("d1", phase="Failed", heartbeat_seconds=3600, conditions=[wrong])
    branch.write({path_of("d1"): content}, KEYS["d1"], at=NOW - 10**6)
    assert line_of(desk, "d1").endswith("last Failed, 11d ago; Bad: a disk")


def test_the_count_below_the_table_knows_who_is_silent(
    desk: FleetDesk, branch: WrittenBranch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.write({path_of("d1"): report("d1", phase="Healthy", heartbeat_seconds=3600)}, KEYS["d1"], at=NOW - 10**6)

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        status_command.run(_parser().parse_args(["-C", str(desk.folder), "status", "--watch"]), stop)
    assert capsys.readouterr().out.endswith("  3 Silent\n")


def test_watching_goes_on_until_somebody_ends_it(
    desk: FleetDesk, branch: WrittenBranch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.write({path_of("d1"): report("d1", phase="Healthy")}, KEYS["d1"])
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            branch.write({path_of("d1"): report("d1", phase="Failed")}, KEYS["d1"])
        elif len(slept) == 2:
            branch.bare.rename(branch.bare.with_name("away.git"))
        elif len(slept) == 3:
            branch.bare.with_name("away.git").rename(branch.bare)
        else:
            raise KeyboardInterrupt

    options = _parser().parse_args(["-C", str(desk.folder), "status", "--watch", "2"])
    with pytest.raises(KeyboardInterrupt):
        status_command.run(options, sleep)
    said = capsys.readouterr().out
    assert slept == [2.0] * 4
    assert said.count("DEVICE  ") == 3 and "cannot fetch `status`" in said
    assert re.findall(r"\d\d:\d\d:\d\d  (.*)", said) == ["2 Silent, 1 Healthy", *["2 Silent, 1 Failed"] * 2]
    assert "\x1b" not in said, "not a terminal"


def test_watching_goes_on_at_a_server_that_accepts_and_never_answers(
    desk: FleetDesk, branch: WrittenBranch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.write({path_of("d1"): report("d1", phase="Healthy")}, KEYS["d1"])
    monkeypatch.setattr("reconciler.repository.desk.PATIENCE", Patience(silence_seconds=1))
    rounds: list[float] = []

    with socket.create_server(("127.0.0.1", 0)) as listening:
        desk.git("remote", "set-url", "origin", f"http://127.0.0.1:{listening.getsockname()[1]}/fleet.git")

        def sleep(seconds: float) -> None:
            rounds.append(seconds)
            if len(rounds) == 2:
                raise KeyboardInterrupt
            desk.git("remote", "set-url", "origin", str(branch.bare))
            monkeypatch.setattr("reconciler.repository.desk.PATIENCE", Patience())

        with pytest.raises(KeyboardInterrupt):
            status_command.run(_parser().parse_args(["-C", str(desk.folder), "status", "--watch"]), sleep)
    first, *rest = capsys.readouterr().out.splitlines()
    assert "cannot fetch `status`: " in first
    assert "Operation too slow" in first
    assert first.endswith("; see whether the server answers and lets you in, and try again")
    assert rest[-1].endswith("2 Silent, 1 Healthy")


@pytest.mark.parametrize("written", ["0", "0s", "500ms", "8d", "1x", "-5", "169h", ""])
def test_what_is_no_duration_is_wrong_usage(desk: FleetDesk, written: str) -> None:
    assert desk.fleet("status", f"--watch={written}").code == 64


@pytest.mark.parametrize(("written", "wanted"), [("30", 30.0), ("30s", 30.0), ("1m30s", 90.0), ("168h", 604800.0)])
def test_durations_are_written_as_in_the_settings(desk: FleetDesk, written: str, wanted: float) -> None:
    assert _parser().parse_args(["status", f"--watch={written}"]).watch == wanted
