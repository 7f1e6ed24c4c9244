"""What a device reported stays its history when its key changes or its file goes; and a former key says nothing new."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fleet_desk import SMALL, FleetDesk, device
from written_branch import NOW, WrittenBranch, path_of, report

from lab.operator import Operator
from signing import Signer, sign_commit

OLD, NEW, THIRD, D2 = (Signer.generate() for _ in range(4))
HOUR = 3600
FILE = "devices/d1.yaml"


@dataclass
class Fleet:
    """d1, whose key changes, and d2, whose key stays; one remote for the fleet and the reports."""

    desk: FleetDesk
    branch: WrittenBranch

    def push(self, message: str, to: str = "main") -> str:
        made = self.desk.owner.commit(message)
        self.desk.git("push", "--quiet", "origin", f"HEAD:refs/heads/{to}")
        return made

    def key(self, signer: Signer, path: str = FILE, to: str = "main") -> str:
        self.desk.lay({path: device("d1", f"identity: {signer.public.line}")})
        return self.push("Another key", to)

    def remove(self) -> str:
        self.desk.remove(FILE)
        return self.push("Let it go")

    def say(self, revision: str, hours_ago: float, key: Signer = OLD, *, name: str = "d1", of: str = "main") -> str:
        return self.branch.write({path_of(name): told(name, revision, of)}, key, at=NOW - int(hours_ago * HOUR))

    def history(self, *more: str) -> list[tuple[str, str]]:
        """When d1 signed what is news, in hours ago, and by which former key."""
        found: list[dict[str, Any]] = self.desk.fleet("history", "d1", "-o", "json", *more).json
        return [(one["time"], one["formerKey"]) for one in found]

    def first_key_holds(self) -> bool:
        return bool(self.history()) and self.history()[0] == (moment(9), OLD.public.fingerprint)


def told(name: str, revision: str, of: str = "main") -> bytes:
    whole = f"{of}@sha1:{revision}"
    services = [{"name": "web", "image": "busybox:1.36", "state": "running"}]
    return report(name, phase="Healthy", revisions={"seen": whole, "trusted": whole, "applied": whole},
                  apps=[{"name": "web", "phase": "Healthy", "services": services}])  # fmt: skip


def moment(hours_ago: float) -> str:
    return f"{datetime.fromtimestamp(NOW - int(hours_ago * HOUR), UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def fleet(ann: Operator, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Fleet:
    desk, branch = FleetDesk(ann, capsys), WrittenBranch(tmp_path / "remote.git")
    keys = {"d1": OLD, "d2": D2}
    desk.lay({**SMALL, **{f"devices/{n}.yaml": device(n, f"identity: {k.public.line}") for n, k in keys.items()}})
    desk.git("remote", "add", "origin", str(branch.bare))
    return Fleet(desk, branch)


def replaced(fleet: Fleet) -> tuple[str, str]:
    """d1 ran the first commit, and runs the second one, which names its next key."""
    first = fleet.push("The fleet")
    fleet.say(first, 9)
    second = fleet.key(NEW)
    fleet.say(second, 7, NEW)
    return first, second


# What stays


def test_a_change_of_key_leaves_the_history_as_it_was(fleet: Fleet) -> None:
    replaced(fleet)
    assert fleet.history() == [(moment(9), OLD.public.fingerprint), (moment(7), "")]
    first, second = fleet.desk.fleet("history", "d1").lines[1:]
    assert f"[former key {OLD.public.fingerprint[:17]}...] the first report" in first
    assert "former" not in second


def test_an_auditor_is_told_what_ran_before_the_change_of_key(fleet: Fleet) -> None:
    first, second = replaced(fleet)
    then = fleet.desk.fleet("audit", "d1", "--at", moment(8)).lines
    assert {f"commit     {first}", f"formerKey  {OLD.public.fingerprint}"} <= set(then)
    assert not any("former" in line.lower() for line in fleet.desk.fleet("audit", "d1").lines)
    (ran,) = fleet.desk.fleet("audit", "--commit", first, "-o", "json").json["ran"]
    assert (ran["until"], ran["formerKeys"]) == (f"until {moment(7)}", [OLD.public.fingerprint])
    (line,) = (one for one in fleet.desk.fleet("audit", "--commit", first).lines if one.startswith("ran"))
    assert line.endswith(f"until {moment(7)} Healthy (former key {OLD.public.fingerprint})")
    (ran,) = fleet.desk.fleet("audit", "--commit", second, "-o", "json").json["ran"]
    assert ran["formerKeys"] == []


def test_a_device_that_was_let_go_stays_in_the_history(fleet: Fleet) -> None:
    first = fleet.push("The fleet")
    fleet.say(first, 9)
    fleet.remove()
    assert fleet.first_key_holds()
    assert f"commit     {first}" in fleet.desk.fleet("audit", "d1").lines
    (ran,) = fleet.desk.fleet("audit", "--commit", first, "-o", "json").json["ran"]
    assert (ran["device"].strip(), ran["from"]) == ("d1", moment(9))


def test_a_device_that_was_let_go_is_none_for_what_is_told_of_today(fleet: Fleet) -> None:
    fleet.say(fleet.push("The fleet"), 9)
    fleet.remove()
    assert [fleet.desk.fleet(command, "d1").code for command in ("get", "why")] == [13, 13]
    (shown,) = (one for one in fleet.desk.fleet("status", "-o", "json").json if one["device"] == "d1")
    assert (shown["phase"], shown["flag"][:14]) == ("Refused", "UNKNOWN_DEVICE")


def test_who_never_was_a_device_is_an_error(fleet: Fleet) -> None:
    fleet.push("The fleet")
    for command in ("history", "audit"):
        answer = fleet.desk.fleet(command, "d7")
        assert (answer.code, answer.err.split(";")[0]) == (13, "fleet: error: the fleet never had a device `d7`")


def test_each_of_three_keys_counts_in_its_time(fleet: Fleet) -> None:
    replaced(fleet)
    fleet.say(fleet.key(THIRD), 5, THIRD)
    assert fleet.history() == [
        (moment(9), OLD.public.fingerprint), (moment(7), NEW.public.fingerprint), (moment(5), ""),
    ]  # fmt: skip


def test_a_file_that_moves_takes_no_key_away(fleet: Fleet) -> None:
    first = fleet.push("The fleet")
    fleet.desk.remove(FILE)
    moved = fleet.key(OLD, "devices/hall/d1.yaml")
    fleet.say(moved, 8, D2, name="d2")
    fleet.say(first, 7)
    assert fleet.history() == [(moment(7), "")]


def test_what_stood_in_a_file_that_nobody_can_read_is_no_key(fleet: Fleet) -> None:
    replaced(fleet)
    fleet.desk.lay({FILE: "kind: [\n"})
    fleet.push("A slip")
    assert fleet.history() == [(moment(9), OLD.public.fingerprint), (moment(7), NEW.public.fingerprint)]


def test_a_key_that_comes_back_is_the_device_s_own(fleet: Fleet) -> None:
    replaced(fleet)
    fleet.say(fleet.key(OLD), 5)
    assert fleet.history() == [(moment(9), ""), (moment(7), NEW.public.fingerprint), (moment(5), "")]


def test_without_the_branch_only_the_folder_says_which_key_counts(fleet: Fleet) -> None:
    replaced(fleet)
    assert fleet.history("--branch", "none") == [(moment(7), "")]


# What a former key cannot do


def test_a_former_key_is_not_heard_for_anything_of_today(fleet: Fleet) -> None:
    first, _ = replaced(fleet)
    fleet.say(first, 0)
    (shown,) = (one for one in fleet.desk.fleet("status", "-o", "json").json if one["device"] == "d1")
    assert (shown["phase"], shown["report"], shown["flag"][:14]) == ("Refused", None, "SIGNER_UNKNOWN")
    assert fleet.desk.fleet("get", "d1", "-o", "json").json["report"] is None
    assert fleet.desk.fleet("why", "d1").lines[0].startswith("Refused      SIGNER_UNKNOWN")


@pytest.mark.parametrize("hours_ago", [8, 0.1], ids=["dated back", "dated today"])
def test_once_the_next_key_was_seen_the_one_before_adds_nothing(fleet: Fleet, hours_ago: float) -> None:
    first, _ = replaced(fleet)
    before = fleet.history()
    fleet.say("7" * 40, hours_ago)
    assert fleet.history() == before
    assert fleet.desk.fleet("audit", "d1", "--at", moment(8)).lines[5] == f"commit     {first}"
    assert fleet.desk.fleet("audit", "--commit", "HEAD~1", "-o", "json").json["ran"][0]["until"].endswith(moment(7))


@pytest.mark.parametrize("ends", ["its key changes", "it is let go"])
def test_any_device_that_names_the_commit_ends_the_former_key(fleet: Fleet, ends: str) -> None:
    first = fleet.push("The fleet")
    fleet.say(first, 9)
    fleet.say(first, 8.5, D2, name="d2")
    change = fleet.remove() if ends == "it is let go" else fleet.key(NEW)
    fleet.say("7" * 40, 8)
    assert len(fleet.history()) == 2, "nobody has seen the change yet: a device may be the last to know"
    fleet.branch.write({path_of("d1"): told("d1", first)}, None)
    later = fleet.push("A later one") if ends == "it is let go" else change
    fleet.say(later, 7, D2, name="d2")
    fleet.say("6" * 40, 6)
    assert [at for at, _ in fleet.history()] == [moment(9), moment(8)]


def test_a_clock_that_is_wrong_ends_no_key(fleet: Fleet) -> None:
    first = fleet.push("The fleet")
    fleet.say(first, -9000, D2, name="d2")
    fleet.say(first, 9)
    fleet.key(NEW)
    assert fleet.first_key_holds()


def test_who_follows_another_branch_ahead_of_this_one_ends_no_key(fleet: Fleet) -> None:
    first = fleet.push("The fleet")
    change = fleet.key(NEW, to="staging")
    fleet.say(change, 10, D2, name="d2", of="staging")
    fleet.say(first, 9)
    fleet.desk.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    fleet.desk.git("fetch", "--quiet", "origin")
    assert fleet.first_key_holds()
    fleet.say(change, 8, D2, name="d2", of="main/42")
    fleet.say("7" * 40, 8.5)
    assert len(fleet.history()) == 1, "a release names a commit of this branch"


@pytest.mark.parametrize("signer", [D2, THIRD], ids=["another device's", "nobody's"])
def test_a_key_that_was_never_its_own_counts_for_nothing(fleet: Fleet, signer: Signer) -> None:
    first = fleet.push("The fleet")
    fleet.say(first, 9, signer)
    fleet.key(NEW)
    assert fleet.history() == []


def test_where_the_status_branch_was_merged_former_keys_do_not_count(fleet: Fleet) -> None:
    """A push without force can put a line of its own before all that was there: as the first parent of a merge."""
    replaced(fleet)
    there, fleet.branch.tip = fleet.branch.tip, ""
    fleet.say("7" * 40, 9)
    raw = fleet.branch._git("cat-file", "commit", fleet.say(fleet.desk.owner.git("rev-parse", "HEAD"), 6, NEW))
    head, _, rest = raw.partition("\nauthor")
    lines = [line for line in f"author{rest}".split("\n") if not line.startswith(("gpgsig", " "))]
    payload = f"{head}\nparent {there}\n".encode() + ("\n".join(lines) + "\n").encode()
    merge = fleet.branch._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=sign_commit(payload, NEW))
    fleet.branch._git("update-ref", "refs/heads/status", merge)
    answer = fleet.desk.fleet("history", "d1", "-o", "json")
    assert [one["formerKey"] for one in answer.json] == [""]
    assert answer.err.startswith(f"fleet: warning: the status branch has a merge, {merge[:12]}")


def test_a_fleet_below_the_root_of_its_repository_knows_them_too(fleet: Fleet) -> None:
    for path in SMALL:
        fleet.desk.lay({f"below/{path}": (fleet.desk.folder / path).read_text()})
        fleet.desk.remove(path)
    fleet.desk.folder = fleet.desk.folder / "below"
    fleet.say(fleet.push("The fleet"), 9)
    fleet.say(fleet.key(NEW, f"below/{FILE}"), 7, NEW)
    assert fleet.history() == [(moment(9), OLD.public.fingerprint), (moment(7), "")]
