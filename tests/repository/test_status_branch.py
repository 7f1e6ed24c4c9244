"""Reports on their branch: devices race for it, and every report lands beside those of the others."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_side import ServerSide, signing_with

from lab.git_server import GitServer
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Author, Remote, ReportRef, StatusBranch, read_reports, report_path
from reconciler.repository.bare import init_bare
from reconciler.repository.git import Git
from reconciler.repository.status_branch import ATTEMPTS
from signing import AllowedSigners, Signer, verify_commit

KEYS = {name: Signer.generate() for name in ("d1", "d2")}
AUTHOR = Author("device", "device@devices.invalid", 1_700_000_000)


class Writer:
    """A device with a store of its own; `waits` holds how long it wanted to wait after each lost race."""

    def __init__(self, name: str, folder: Path, url: str) -> None:
        self.name, self.waits = name, list[float]()
        self._branch = StatusBranch(folder / f"{name}.git", Remote.parse(url), "status", self.waits.append)

    def append(self, content: bytes, before_push: Callable[[], object] = lambda: None) -> str:
        def sign(payload: bytes) -> bytes:
            before_push()
            return signing_with(KEYS[self.name])(payload)

        return self._branch.append(self.name, content, "report", AUTHOR, sign)


@pytest.fixture
def writers(tmp_path: Path, url: str) -> tuple[Writer, Writer]:
    return Writer("d1", tmp_path, url), Writer("d2", tmp_path, url)


def on_branch(server: ServerSide) -> dict[str, bytes]:
    return {one.device: one.content for one in read_reports(server.path, "refs/heads/status")}


def test_the_first_report_makes_the_branch(writers: tuple[Writer, Writer], server: ServerSide) -> None:
    commit = writers[0].append(b"one")
    assert server.git("rev-parse", "status") == commit
    assert server.content("status", report_path("d1")) == b"one"


def test_a_report_is_one_commit_that_writes_one_file_and_is_signed(
    writers: tuple[Writer, Writer], server: ServerSide
) -> None:
    writers[1].append(b"two")
    writers[0].append(b"one")
    one, _ = read_reports(server.path, "refs/heads/status")
    assert one.touched == (report_path("d1"),)
    signers = AllowedSigners.parse(f'd1 namespaces="git" {KEYS["d1"].public.line}'.encode(), "d1")
    assert verify_commit(one.raw_commit, signers).principal == "d1"


def test_the_reports_of_others_and_all_that_lies_beside_are_kept(
    writers: tuple[Writer, Writer], server: ServerSide
) -> None:
    beside = {"README.md": b"words", "devices/d9/status.json": b"nine", "devices/d1/notes": b"mine", "devices/x": b"x"}
    server.commit(beside, branch="status")
    writers[0].append(b"one")
    writers[1].append(b"two")
    writers[0].append(b"one, anew")
    wanted = {**beside, report_path("d1"): b"one, anew", report_path("d2"): b"two"}
    assert {path: server.content("status", path) for path in wanted} == wanted
    assert len(server.git("ls-tree", "-r", "--name-only", "status").splitlines()) == len(wanted)


def test_a_race_that_is_lost_is_run_again_on_top_of_the_winner(
    writers: tuple[Writer, Writer], server: ServerSide
) -> None:
    slow, fast = writers
    reports = [b"two"]
    commit = slow.append(b"one", before_push=lambda: [fast.append(reports.pop()) for _ in reports[:]])
    assert on_branch(server) == {"d1": b"one", "d2": b"two"}
    assert server.git("rev-parse", "status") == commit
    assert len(slow.waits) == 1
    assert fast.waits == []


def test_who_always_loses_gives_up_until_the_next_pass(writers: tuple[Writer, Writer], server: ServerSide) -> None:
    slow, fast = writers
    numbers = iter(range(100))
    with pytest.raises(RemoteUnavailable, match="lost the race"):
        slow.append(b"one", before_push=lambda: fast.append(b"two %d" % next(numbers)))
    assert on_branch(server) == {"d2": b"two %d" % (ATTEMPTS - 1)}
    assert len(slow.waits) == ATTEMPTS
    slow.append(b"one")
    assert on_branch(server)["d1"] == b"one"


def test_two_that_report_at_the_same_moment_both_land(writers: tuple[Writer, Writer], server: ServerSide) -> None:
    start = threading.Barrier(2, timeout=30)
    first = threading.local()

    def meet() -> None:
        """Both have seen the same branch when they go on; later attempts do not wait."""
        if not getattr(first, "met", False):
            first.met = True
            start.wait()

    with ThreadPoolExecutor(2) as pool:
        commits = list(pool.map(lambda writer: writer.append(writer.name.encode(), meet), writers))
    assert on_branch(server) == {"d1": b"d1", "d2": b"d2"}
    assert set(server.git("rev-list", "status").split()) == set(commits)


def test_an_outage_is_told_and_the_next_report_lands(
    writers: tuple[Writer, Writer], server: ServerSide, git: GitServer
) -> None:
    writers[0].append(b"one")
    git.stop()
    with pytest.raises(RemoteUnavailable):
        writers[0].append(b"lost")
    git.start()
    writers[0].append(b"two")
    assert on_branch(server) == {"d1": b"two"}


def test_a_server_that_refuses_the_push_is_no_lost_race(writers: tuple[Writer, Writer], server: ServerSide) -> None:
    hook = server.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RemoteUnavailable, match="cannot push"):
        writers[0].append(b"one")
    assert writers[0].waits == []


def test_a_branch_that_only_ends_as_ours_is_found_out(writers: tuple[Writer, Writer], server: ServerSide) -> None:
    """git-push(1) looks `refs/heads/status` up as `refs/heads/refs/heads/status`, before there is one."""
    server.commit({"x": b"x"}, branch="refs/heads/status")
    with pytest.raises(RemoteUnavailable, match="somebody made `refs/heads/refs/heads/status`"):
        writers[0].append(b"one")
    server.git("update-ref", "-d", "refs/heads/refs/heads/status")
    commit = writers[0].append(b"one")
    assert server.git("rev-parse", "refs/heads/status") == commit


@pytest.mark.parametrize("name", ["branch", "ref"])
def test_a_server_of_the_other_object_format_is_reported_to(name: str, git: GitServer, tmp_path: Path) -> None:
    url = git.create("other")
    shutil.rmtree(git.path("other"))
    init_bare(git.path("other"), "sha256")
    subprocess.run(["git", "--git-dir", str(git.path("other")), "config", "http.receivepack", "true"], check=True)
    kind = StatusBranch if name == "branch" else ReportRef
    way = kind(tmp_path / "own.git", Remote.parse(url), "status")
    for content in (b"one", b"two"):
        commit = way.append("d1", content, "report", AUTHOR, signing_with(KEYS["d1"]))
        assert len(commit) == 64


def test_a_server_that_changes_its_object_format_is_reported_to(
    writers: tuple[Writer, Writer], server: ServerSide
) -> None:
    for number, object_format in enumerate(("sha1", "sha256", "sha1")):
        shutil.rmtree(server.path)
        init_bare(server.path, object_format)
        server.git("config", "http.receivepack", "true")
        writers[0].append(b"%d" % number)
        assert on_branch(server) == {"d1": b"%d" % number}
        # Also one that has a branch already.
        assert writers[0].append(b"again") == server.git("rev-parse", "status")


def test_a_store_that_a_power_cut_damaged_is_made_anew(
    writers: tuple[Writer, Writer], server: ServerSide, tmp_path: Path
) -> None:
    writers[0].append(b"one")
    for loose in (tmp_path / "d1.git/objects").glob("??/*"):
        loose.chmod(0o644)
        loose.write_bytes(b"")
    writers[0].append(b"two")
    assert on_branch(server) == {"d1": b"two"}


def test_what_was_reported_before_is_not_fetched(
    writers: tuple[Writer, Writer], server: ServerSide, tmp_path: Path
) -> None:
    before = ""
    for number in range(20):
        before = server.commit({report_path("d2"): b"%d" % number * 1000}, branch="status", parent=before)
    writers[0].append(b"one")
    assert Git(tmp_path / "d1.git").run("rev-list", "--count", "--all").strip() == b"2", "the newest, and its own"
    assert server.git("rev-list", "--count", "status") == "21", "and the branch goes on from what was there"


def test_a_store_stays_small_however_often_it_reports(
    writers: tuple[Writer, Writer], server: ServerSide, tmp_path: Path
) -> None:
    store, loose = tmp_path / "d1.git", []
    for number in range(4):
        for writer in writers:
            writer.append(b"%d" % number)
        loose.append(len(list((store / "objects").glob("??/*"))))
    # What came in packs goes when git packs anew, at fifty of them.
    assert loose[3] == loose[1], loose
    # git notes there each commit at which a fetch once stopped.
    assert len((store / "shallow").read_text().split()) == 1
    assert server.git("rev-list", "--count", "status") == "8"


@pytest.mark.parametrize("left", [b"", b"0" * 40 + b"\n", b"a torn li", b"deadbeef" * 5 + b"\n"])
def test_a_note_of_where_history_begins_that_a_power_cut_tore_is_no_harm(
    left: bytes, writers: tuple[Writer, Writer], server: ServerSide, tmp_path: Path
) -> None:
    for number in range(3):
        server.commit({report_path("d2"): b"%d" % number}, branch="status")
    writers[0].append(b"one")
    (tmp_path / "d1.git/shallow").write_bytes(left)
    server.commit({report_path("d2"): b"new"}, branch="status")
    writers[0].append(b"two")
    assert on_branch(server) == {"d1": b"two", "d2": b"new"}


def test_a_ref_of_its_own_leaves_nothing_behind(server: ServerSide, url: str, tmp_path: Path) -> None:
    way = ReportRef(tmp_path / "own.git", Remote.parse(url), "status")
    for number in range(5):
        way.append("d1", b"%d" % number, "report", AUTHOR, signing_with(KEYS["d1"]))
    files = [path for path in (tmp_path / "own.git/objects").rglob("*") if path.is_file()]
    assert len(files) <= 6
    assert server.git("rev-list", "--count", "refs/reports/d1") == "1"
