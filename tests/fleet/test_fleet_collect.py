"""`fleet collect`: reports from the devices' own refs, on a real server, put onto the branch that people read."""

import json
import subprocess
from pathlib import Path

import pytest
from fleet_desk import SMALL, FleetDesk, device
from written_branch import NOW, WrittenBranch, path_of, report

from lab.git_server import GitServer
from lab.operator import Operator
from reconciler.errors import RemoteUnavailable
from reconciler.fleet.collect_command import Collector
from reconciler.repository import Author, FoundReport, Remote, ReportRef, StatusBranch, read_reports
from reconciler.repository.desk import Desk
from reconciler.repository.report_refs import OwnRefs
from signing import Signer, sign_commit

KEYS = {name: Signer.generate() for name in ("d1", "d2", "d3", "d9")}
KNOWN = ("d1", "d2", "d3")


class Site:
    """A fleet of three on a server, and devices that report to their own refs."""

    def __init__(self, desk: FleetDesk, server: GitServer, folder: Path) -> None:
        self.desk, self.server, self.folder = desk, server, folder
        self.url = server.create("fleet")
        identities = {name: device(name, f"identity: {KEYS[name].public.line}") for name in KNOWN}
        desk.lay({**SMALL, **{f"devices/{name}.yaml": text for name, text in identities.items()}})
        desk.git("remote", "add", "origin", self.url)
        desk.git("config", "user.name", "Ann")
        desk.git("config", "user.email", "ann@acme.example")
        desk.owner.commit("The fleet")
        desk.owner.push()

    def say(self, name: str, number: int = 1, *, key: str = "", at: int = NOW, **fields: object) -> str:
        """A device puts a report in place of the one before, signed with its key or another one's."""
        way = ReportRef(self.folder / f"{name}.git", Remote.parse(self.url), "status")
        signer = KEYS[key or name]
        author = Author(name, f"{name}@devices.invalid", at)
        content = report(name, sequence=number, **fields)
        return way.append(name, content, f"{name}: report {number}", author, lambda raw: sign_commit(raw, signer))

    def push(self, commit: str, name: str, bare: Path) -> None:
        """Somebody pushes whatever commit as a device's ref."""
        self.git("--git-dir", str(bare), "push", "--quiet", "--force", self.url, f"{commit}:refs/reports/{name}")

    def collect(self, *arguments: str) -> dict[str, object]:
        answer = self.desk.fleet("collect", "-o", "json", *arguments)
        assert (answer.code, answer.err) == (0, "")
        found: dict[str, object] = json.loads(answer.out)
        return found

    def status(self) -> dict[str, dict[str, object]]:
        return {one["device"]: one for one in self.desk.fleet("status", "-o", "json").json}

    def commits(self) -> list[str]:
        return self.git("--git-dir", str(self.server.path("fleet")), "rev-list", "status").split()

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def site(ann: Operator, capsys: pytest.CaptureFixture[str], git: GitServer, tmp_path: Path) -> Site:
    return Site(FleetDesk(ann, capsys), git, tmp_path)


def test_reports_of_many_become_one_commit_and_are_believed(site: Site) -> None:
    for name in KNOWN:
        site.say(name, phase="Healthy")
    assert site.collect() == {"taken": list(KNOWN), "refused": {}}
    assert len(site.commits()) == 1
    assert {name: one["phase"] for name, one in site.status().items()} == dict.fromkeys(KNOWN, "Healthy")
    told = site.git("--git-dir", str(site.server.path("fleet")), "show", "--no-patch", "--format=%B", "status")
    assert told.splitlines() == ["Collect 3 reports", "", *(f"{name}: report 1" for name in KNOWN)]


def test_without_news_nothing_is_written(site: Site) -> None:
    assert site.collect() == {"taken": [], "refused": {}}
    site.say("d1")
    site.collect()
    before = site.commits()
    assert site.collect() == {"taken": [], "refused": {}}
    assert site.commits() == before


def test_only_what_is_new_is_taken(site: Site) -> None:
    site.say("d1")
    site.say("d2")
    site.collect()
    site.say("d2", 2, phase="Degraded")
    assert site.collect()["taken"] == ["d2"]
    assert site.status()["d2"]["phase"] == "Degraded"
    assert site.status()["d1"]["phase"] == "Synced"


def test_a_device_whose_clock_is_ahead_is_silent_by_when_its_report_was_collected(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.say("d1", at=NOW + 10**8, heartbeat_seconds=900, phase="Healthy")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{NOW - 6 * 3600} +0000")
    site.collect()
    told = site.status()["d1"]
    assert (told["phase"], told["silent"]) == ("Silent", True)
    assert str(told["message"]).startswith("last Healthy, 6h ago; its report is of the future")


def test_git_verifies_the_commit_that_lies_beside_a_report(site: Site) -> None:
    commit = site.say("d1")
    site.collect()
    bare = str(site.server.path("fleet"))
    beside = subprocess.run(
        ["git", "--git-dir", bare, "cat-file", "blob", "status:devices/d1/status.commit"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    clone = site.folder / "auditor.git"
    site.git("init", "--quiet", "--bare", str(clone))
    made = subprocess.run(
        ["git", "--git-dir", str(clone), "hash-object", "-t", "commit", "-w", "--stdin"],
        check=True, input=beside, capture_output=True,
    ).stdout.decode().strip()  # fmt: skip
    assert made == commit
    allowed = site.folder / "allowed"
    allowed.write_text(f'd1 namespaces="git" {KEYS["d1"].public.line}\n')
    site.git("--git-dir", str(clone), "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", made)


def test_a_forged_report_is_refused_and_the_good_one_stays(site: Site) -> None:
    site.say("d1", phase="Healthy")
    site.collect()
    site.say("d1", 2, key="d9", phase="Failed")
    refused = site.collect()["refused"]
    assert list(refused) == ["d1"] and str(refused["d1"]).startswith("SIGNER_UNKNOWN")
    shown = site.status()["d1"]
    assert (shown["phase"], str(shown["refused"])[:14]) == ("Healthy", "SIGNER_UNKNOWN")
    assert "a newer report was refused: SIGNER_UNKNOWN" in site.desk.fleet("status").out
    assert "Refused      a newer report: SIGNER_UNKNOWN" in site.desk.fleet("why", "d1").out
    assert "refused    a newer report: SIGNER_UNKNOWN" in site.desk.fleet("get", "d1").out
    before = site.commits()
    assert site.collect()["refused"] == refused, "it is told until it is gone"
    assert site.commits() == before, "and written once"
    site.say("d1", 3, phase="Degraded")
    assert site.collect() == {"taken": ["d1"], "refused": {}}
    assert site.status()["d1"]["refused"] == ""


def test_a_report_that_was_said_before_is_not_taken_again(site: Site) -> None:
    old = site.say("d1", 1, at=NOW - 60, phase="Healthy")
    kept = site.folder / "kept.git"
    site.git("init", "--quiet", "--bare", str(kept))
    site.git("--git-dir", str(kept), "fetch", "--quiet", site.url, "refs/reports/d1")
    site.collect()
    site.say("d1", 2, phase="Failed")
    site.collect()
    site.push(old, "d1", kept)
    assert str(site.collect()["refused"]["d1"]).startswith("REPLAYED")
    assert site.status()["d1"]["phase"] == "Failed"


@pytest.mark.parametrize(
    ("number", "at"), [(1, NOW + 1), (3, NOW - 10**8)], ids=["the state was lost", "the clock was set back"]
)
def test_a_newer_report_is_taken_whatever_the_clock_or_the_count_says(site: Site, number: int, at: int) -> None:
    site.say("d1", 2, phase="Failed")
    site.collect()
    site.say("d1", number, at=at, phase="Healthy")
    assert site.collect()["taken"] == ["d1"]
    assert site.status()["d1"]["phase"] == "Healthy"


def test_a_stranger_s_ref_is_told_and_never_fetched(site: Site) -> None:
    site.say("d9")
    site.say("d1")
    done = site.collect()
    assert done["taken"] == ["d1"]
    assert done["refused"] == {"d9": "UNKNOWN_DEVICE: the fleet has no such device"}
    assert "d9" in site.status()


# What somebody puts onto d1's ref, all of it signed by d1's own key.
MISSHAPEN = {
    "the report of another": ({path_of("d2"): report("d2")}, "STATUS_REJECTED"),
    "more than its report": ({path_of("d1"): report("d1"), "apps/x.yaml": b"x"}, "STATUS_REJECTED"),
    "too big": ({path_of("d1"): report("d1", phase="x" * 70_000)}, "STATUS_REJECTED"),
    "the name of another": ({path_of("d1"): report("d2")}, "STATUS_REJECTED"),
    "no report": ({path_of("d1"): b"{"}, "STATUS_REJECTED"),
    "a report with a field of its own": ({path_of("d1"): report("d1", secret="x")}, "STATUS_REJECTED"),
}


@pytest.mark.parametrize("name", MISSHAPEN)
def test_a_misshapen_report_is_refused_and_others_are_heard(site: Site, name: str, tmp_path: Path) -> None:
    files, code = MISSHAPEN[name]
    forger = WrittenBranch(tmp_path / "forger.git")
    site.push(forger.write(files, KEYS["d1"]), "d1", forger.bare)
    site.say("d2")
    done = site.collect()
    assert done["taken"] == ["d2"]
    assert str(done["refused"]["d1"]).startswith(code)


def test_a_report_with_a_history_brings_none_of_it(site: Site, tmp_path: Path) -> None:
    """A commit on top of others holds one report all the same; what is below it is never looked at."""
    forger = WrittenBranch(tmp_path / "forger.git")
    forger.write({"big": b"x" * 100_000}, KEYS["d1"])
    forger.write({path_of("d1"): report("d1", phase="Healthy")}, KEYS["d1"], without="big")
    site.push(forger.tip, "d1", forger.bare)
    assert site.collect()["taken"] == ["d1"]
    code = subprocess.run(["git", "-C", str(site.desk.folder), "cat-file", "-e", f"{forger.tip}~1"], check=False)
    assert code.returncode != 0, "nothing of it is in the clone"


def test_one_that_sends_far_too_much_keeps_nobody_from_being_heard(site: Site, tmp_path: Path) -> None:
    forger = WrittenBranch(tmp_path / "forger.git")
    noise = subprocess.run(["head", "-c", "3000000", "/dev/urandom"], check=True, capture_output=True).stdout
    site.push(forger.write({path_of("d1"): noise}, KEYS["d1"]), "d1", forger.bare)
    site.say("d2")
    site.say("d3")
    done = site.collect()
    assert done["taken"] == ["d2", "d3"]
    assert str(done["refused"]["d1"]).startswith("UNREADABLE")


def test_a_device_that_writes_the_branch_itself_is_left_alone(site: Site) -> None:
    own = StatusBranch(site.folder / "own.git", Remote.parse(site.url), "status")
    author = Author("d3", "d3@devices.invalid", NOW)
    own.append("d3", report("d3", phase="Healthy"), "d3: one", author, lambda raw: sign_commit(raw, KEYS["d3"]))
    site.say("d1")
    assert site.collect()["taken"] == ["d1"]
    assert {name: one["phase"] for name, one in site.status().items()} == {
        "d1": "Synced", "d2": "Silent", "d3": "Healthy",
    }  # fmt: skip
    own.append("d1", report("d1", phase="Failed"), "d1: by itself", author, lambda raw: sign_commit(raw, KEYS["d1"]))
    assert site.status()["d1"]["phase"] == "Failed", "it changed its transport"


def test_history_and_audit_read_what_was_collected(site: Site) -> None:
    site.say("d1", 1, at=NOW - 20, phase="Healthy")
    site.say("d2", 1, at=NOW - 20)
    site.collect()
    site.say("d1", 2, at=NOW - 10, phase="Failed")
    site.collect()
    told = site.desk.fleet("history", "d1", "-o", "json").json
    assert [one["phase"] for one in told] == ["Healthy", "Failed"]
    assert [one["commit"] for one in told] == site.commits()[::-1]


def test_a_collector_that_forges_is_found_out(site: Site) -> None:
    """Whoever may write the branch may put there what he likes; he has not got the devices' keys."""
    site.say("d1", phase="Failed")
    site.collect()
    work = site.folder / "collector"
    site.git("clone", "--quiet", "--branch", "status", site.url, str(work))
    (work / path_of("d1")).write_bytes(report("d1", phase="Healthy"))
    identity = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false")
    site.git("-C", str(work), *identity, "commit", "--quiet", "-am", "all is well")
    site.git("-C", str(work), "push", "--quiet")
    shown = site.status()["d1"]
    assert (shown["phase"], str(shown["flag"])[:8]) == ("Refused", "UNSIGNED")


def test_prune_removes_reports_of_devices_that_are_gone(site: Site) -> None:
    site.say("d1")
    site.say("d2")
    site.collect()
    site.desk.git("rm", "--quiet", "devices/d1.yaml")
    site.desk.owner.commit("d1 is retired")
    site.desk.owner.push()
    site.git("--git-dir", str(site.server.path("fleet")), "update-ref", "-d", "refs/reports/d1")
    site.collect()
    assert site.status()["d1"]["phase"] == "Refused"
    site.collect("--prune")
    assert "d1" not in site.status()
    assert "d2" in site.status()


def test_a_server_that_is_away_is_told(site: Site) -> None:
    site.server.stop()
    answer = site.desk.fleet("collect")
    assert answer.code == 31
    assert "cannot fetch `main`" in answer.err


def test_a_branch_that_somebody_pushes_meanwhile_is_no_loss(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    own = StatusBranch(site.folder / "own.git", Remote.parse(site.url), "status")
    author = Author("d3", "d3@devices.invalid", NOW)
    real, turns = OwnRefs.fetch, iter(range(9))

    def fetch(refs: OwnRefs, desk: Desk, wanted: dict[str, str]) -> dict[str, FoundReport | str]:
        found = real(refs, desk, wanted)
        if next(turns) == 0:
            own.append("d3", report("d3"), "d3: one", author, lambda raw: sign_commit(raw, KEYS["d3"]))
        return found

    monkeypatch.setattr(OwnRefs, "fetch", fetch)
    site.say("d1")
    assert site.collect()["taken"] == ["d1"]
    assert {name: one["phase"] for name, one in site.status().items()}["d3"] == "Synced"
    assert len(site.commits()) == 2


def test_reports_may_lie_in_another_repository(site: Site) -> None:
    other = site.server.create("reports")
    fleet = SMALL["fleet.yaml"].replace("tiers: [base, site]", f"tiers: [base, site], status: {{remote: '{other}'}}")
    site.desk.lay({"fleet.yaml": fleet})
    site.desk.owner.commit("Reports elsewhere")
    site.desk.owner.push()
    site.url = other
    site.say("d1", phase="Healthy")
    assert site.collect()["taken"] == ["d1"]
    assert site.status()["d1"]["phase"] == "Healthy"
    assert len(site.desk.fleet("history", "d1", "-o", "json").json) == 1
    refs = site.git("--git-dir", str(site.server.path("fleet")), "for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/heads/main"]


def hostile_ref(site: Site, name: bytes, commit: str = "") -> None:
    """Somebody who may push makes a ref of any name."""
    commit = commit or site.desk.git("rev-parse", "HEAD").strip()
    command = [b"git", b"--git-dir", str(site.server.path("fleet")).encode(), b"update-ref", name, commit.encode()]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    "name",
    [
        "refs/reports/d1\u2028x".encode(), "refs/reports/d1\u0085x".encode(), b"refs/reports/d1\xff",
        b"refs/reports/D1", b"refs/reports/-d1",
    ],
)  # fmt: skip
def test_a_name_that_looks_like_a_device_s_silences_nobody(site: Site, name: bytes) -> None:
    hostile_ref(site, name)
    site.say("d1", 1)
    assert site.collect() == {"taken": ["d1"], "refused": {}}
    site.say("d1", 2, phase="Failed")
    assert site.collect() == {"taken": ["d1"], "refused": {}}
    assert site.status()["d1"]["phase"] == "Failed"


@pytest.mark.parametrize("folder", ["refs/heads", "refs/tags"])
def test_a_ref_that_git_takes_for_a_device_s_is_found_out(site: Site, folder: str) -> None:
    """Whoever pushes `refs/reports/d1` changes `refs/heads/refs/reports/d1`, where somebody made that (git-push(1))."""
    other = f"{folder}/refs/reports/d1"
    hostile_ref(site, other.encode())
    with pytest.raises(RemoteUnavailable, match=f"somebody made `{other}`"):
        site.say("d1")
    assert site.collect() == {"taken": [], "refused": {}}
    site.git("--git-dir", str(site.server.path("fleet")), "update-ref", "-d", other)
    site.say("d1")
    assert site.collect()["taken"] == ["d1"]


def test_a_ref_below_a_device_s_name_is_told_by_the_device_and_removed_by_prune(site: Site) -> None:
    hostile_ref(site, b"refs/reports/d1/x")
    with pytest.raises(RemoteUnavailable, match="refs/reports/d1"):
        site.say("d1")
    site.collect("--prune")
    site.say("d1")
    assert site.collect()["taken"] == ["d1"]


def test_prune_removes_refs_of_devices_that_are_gone(site: Site) -> None:
    site.say("d9")
    site.say("d1")
    assert list(site.collect("--prune")["refused"]) == ["d9"]
    assert site.collect() == {"taken": [], "refused": {}}
    assert "d9" not in site.status()


@pytest.mark.parametrize("field", ["heartbeat_seconds", "disk_free_bytes", "sequence"])
def test_a_number_with_too_many_digits_ends_nothing(site: Site, field: str) -> None:
    site.say("d1", **{field: 10**400}) if field != "sequence" else site.say("d1", 10**400)
    site.say("d2")
    done = site.collect()
    assert done["taken"] == ["d2"] and "too many digits" in str(done["refused"])


def test_trouble_that_passes_is_forgotten(site: Site) -> None:
    """A device reports before it is in the fleet; nothing of that stays."""
    site.say("d9")
    site.say("d1")
    assert list(site.collect()["refused"]) == ["d9"]
    site.desk.lay({"devices/d9.yaml": device("d9", f"identity: {KEYS['d9'].public.line}")})
    site.desk.owner.commit("d9 joins")
    site.desk.owner.push()
    assert site.collect() == {"taken": ["d9"], "refused": {}}


def test_words_that_somebody_else_wrote_are_not_obeyed(site: Site) -> None:
    commit = site.say("d1")
    own = StatusBranch(site.folder / "own.git", Remote.parse(site.url), "status")
    author = Author("d3", "d3@devices.invalid", NOW)
    own.append("d3", report("d3"), "d3: one", author, lambda raw: sign_commit(raw, KEYS["d3"]))
    work = site.folder / "forger"
    site.git("clone", "--quiet", "--branch", "status", site.url, str(work))
    (work / "refused.json").write_text(json.dumps({"refused": {"d1": commit, "d2": "all is well"}}))
    identity = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false")
    site.git("-C", str(work), "add", ".")
    site.git("-C", str(work), *identity, "commit", "--quiet", "-m", "words")
    site.git("-C", str(work), "push", "--quiet")
    assert "all is well" not in site.desk.fleet("status").out
    assert site.collect() == {"taken": ["d1"], "refused": {}}


def test_many_strangers_make_no_commit_each_pass_and_hide_nobody(site: Site) -> None:
    for number in range(30):
        hostile_ref(site, f"refs/reports/a{number}-{'x' * 50}".encode())
    site.say("d1", key="d9")
    refused = site.collect()["refused"]
    assert "d1" in refused and len(refused) == 21
    before = site.commits()
    hostile_ref(site, b"refs/reports/a1-" + b"x" * 50, site.say("d2"))
    site.collect()
    site.collect()
    assert len(site.commits()) == len(before) + 1, "d2's report, and nothing else"


@pytest.mark.parametrize("name", ["devices/a\nb/status.json", "devices/a\u2028b/status.json", "devices/A/status.json"])
def test_a_path_that_is_no_device_s_blinds_nobody(site: Site, name: str, tmp_path: Path) -> None:
    site.say("d1")
    site.collect()
    bare = str(site.server.path("fleet"))
    tip = site.commits()[0]
    blob = site.git("--git-dir", bare, "rev-parse", f"{tip}:devices/d1/status.json")
    folder = name.split("/")[1]

    def made(listing: str) -> str:
        done = subprocess.run(
            ["git", "--git-dir", bare, "mktree", "-z"], input=listing.encode(), check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    odd = made(f"100644 blob {blob}\tstatus.json\0")
    d1 = site.git("--git-dir", bare, "rev-parse", f"{tip}:devices/d1")
    root = made(
        f"040000 tree {made(f'040000 tree {odd}{chr(9)}{folder}{chr(0)}040000 tree {d1}{chr(9)}d1{chr(0)}')}\tdevices\0"
    )
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    commit = site.git("--git-dir", bare, *identity, "commit-tree", root, "-p", tip, "-m", "x")
    site.git("--git-dir", bare, "update-ref", "refs/heads/status", commit)
    assert [one.device for one in read_reports(site.server.path("fleet"), "refs/heads/status")] == ["d1"]
    assert site.status()["d1"]["phase"] == "Synced"
    site.say("d2")
    assert site.collect()["taken"] == ["d2"]


def test_a_device_that_writes_the_branch_again_leaves_no_alarm(site: Site) -> None:
    site.say("d1", 1)
    site.collect()
    own = StatusBranch(site.folder / "own.git", Remote.parse(site.url), "status")
    author = Author("d1", "d1@devices.invalid", NOW + 5)
    content = report("d1", sequence=2, phase="Failed")
    own.append("d1", content, "d1: by itself", author, lambda raw: sign_commit(raw, KEYS["d1"]))
    assert site.collect() == {"taken": [], "refused": {}}
    assert site.status()["d1"]["phase"] == "Failed"


def test_two_collectors_that_see_the_same_report_raise_no_alarm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One lists the refs; a device says something new, and another one collects that; the first goes on."""
    real, turns = OwnRefs.named, iter(range(9))
    site.say("d1", 1)

    def named(refs: OwnRefs, desk: Desk) -> dict[str, str]:
        found = real(refs, desk)
        if next(turns) == 0:
            site.say("d1", 2)
            assert Collector(site.desk.folder, "main").collect().taken == ("d1",)
        return found

    monkeypatch.setattr(OwnRefs, "named", named)
    assert site.collect() == {"taken": [], "refused": {}}
    assert len(site.commits()) == 1


def test_a_collector_in_a_partial_clone_sees_reports_whole(site: Site, tmp_path: Path) -> None:
    site.say("d1")
    partial = tmp_path / "partial"
    site.git("clone", "--quiet", "--filter=blob:none", site.url, str(partial))
    for key, value in (("user.name", "CI"), ("user.email", "ci@acme.example")):
        site.git("-C", str(partial), "config", key, value)
    assert Collector(partial, "main").collect().taken == ("d1",)
