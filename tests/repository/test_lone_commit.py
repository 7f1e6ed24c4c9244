"""One commit on top of nothing, made without git: git finds the very objects that it would have made."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from server_side import ServerSide, signing_with

from lab.git_server import GitServer
from reconciler.errors import StateError
from reconciler.repository import Author, Remote, ReportRef
from reconciler.repository import git as door
from reconciler.repository.bare import init_bare
from reconciler.repository.commits import commit_files
from reconciler.repository.git import Git
from reconciler.repository.lone_commit import lay_commit
from signing import Signer

KEY = Signer.generate()
AUTHOR = Author("Größe", "d1@devices.invalid", 1_700_000_000)
REPORT = {"devices/d1/status.json": b'{"device": "d1"}\n' * 100}
FILES: Mapping[str, Mapping[str, bytes]] = {
    "a report": REPORT,
    "an empty file": {"devices/d1/status.json": b""},
    "any bytes": {"x": bytes(range(256)) * 20},
    # git-mktree(1) sorts a folder as if a slash stood behind its name.
    "names that sort by their kind": {"a.b": b"1", "a/b": b"2", "a0": b"3", "a-": b"4", "a/c/d": b"5", "é": b"6"},
    "twice the same": {"a/x": b"same", "b/x": b"same"},
}


def run(git_dir: Path, *arguments: str) -> str:
    command = ["git", "--git-dir", str(git_dir), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def served(git: GitServer, object_format: str) -> str:
    """An empty repository of this format, in place of the one that was there; its address."""
    shutil.rmtree(git.path("fleet"), ignore_errors=True)
    init_bare(git.path("fleet"), object_format)
    run(git.path("fleet"), "config", "http.receivepack", "true")
    return git.url("fleet")


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("name", FILES)
def test_it_is_what_git_makes(name: str, object_format: str, tmp_path: Path) -> None:
    laid, made = tmp_path / "laid.git", tmp_path / "made.git"
    init_bare(made, object_format)
    message = "d1: Healthy\n\nand why"
    wanted = commit_files(Git(made), None, FILES[name], message, AUTHOR, signing_with(KEY))
    assert lay_commit(laid, object_format, FILES[name], message, AUTHOR, signing_with(KEY)) == wanted
    # Every object that git made is there, but the commit for which it made the tree; and nothing else.
    mine, its = (set(run(one, "cat-file", "--batch-all-objects", "--batch-check").splitlines()) for one in (laid, made))
    assert mine < its
    assert [line.split()[1] for line in its - mine] == ["commit"]
    assert run(laid, "show", "--format=%an", wanted) == run(made, "show", "--format=%an", wanted)
    run(laid, "update-ref", "refs/heads/main", wanted)
    assert run(laid, "fsck", "--strict", "--full", "--no-dangling") == ""


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_git_verifies_its_signature(object_format: str, tmp_path: Path) -> None:
    commit = lay_commit(tmp_path / "x.git", object_format, REPORT, "report", AUTHOR, signing_with(KEY))
    allowed = tmp_path / "allowed"
    allowed.write_text(f'd1 namespaces="git" {KEY.public.line}\n')
    run(tmp_path / "x.git", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", commit)


def test_nothing_of_the_one_before_is_left(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        lay_commit(tmp_path / "x.git", "sha1", {"devices/d1/status.json": content}, "m", AUTHOR, signing_with(KEY))
    assert len(files_of(tmp_path / "x.git")) == 5 + 2


# What may be left of the files of a store, in the order in which they were written, when it is cut at one of them.
HARMS: Mapping[str, Callable[[list[Path], int], object]] = {
    "empty": lambda files, at: files[at].write_bytes(b""),
    "half": lambda files, at: files[at].write_bytes(files[at].read_bytes()[: files[at].stat().st_size // 2]),
    "garbage": lambda files, at: files[at].write_bytes(b"\xff" * 50),
    "gone": lambda files, at: files[at].unlink(),
    "nothing behind it": lambda files, at: [path.unlink() for path in files[at:]],
}


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("harm", HARMS)
def test_whatever_a_power_cut_leaves_the_next_report_goes_out(
    harm: str, object_format: str, git: GitServer, tmp_path: Path
) -> None:
    url = served(git, object_format)
    way = ReportRef(tmp_path / "own.git", Remote.parse(url), "status")
    way.append("d1", b"first", "report", AUTHOR, signing_with(KEY))
    for at in range(7):
        files = sorted(files_of(tmp_path / "own.git"), key=lambda path: path.stat().st_mtime_ns)
        assert len(files) == 7
        HARMS[harm](files, at)
        way.append("d1", b"%d" % at, "report", AUTHOR, signing_with(KEY))
        assert run(git.path("fleet"), "cat-file", "blob", "refs/reports/d1:devices/d1/status.json") == str(at)


def test_a_report_starts_one_git_which_pushes(git: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    real = door._call

    def call(command: list[str], environment: dict[str, str], stdin: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        started.append(next(word for word in command[command.index("git") + 1 :] if not word.startswith("-")))
        return real(command, environment, stdin, timeout)

    monkeypatch.setattr(door, "_call", call)
    way = ReportRef(tmp_path / "own.git", Remote.parse(git.create("fleet")), "status")
    for content in (b"one", b"two"):
        way.append("d1", content, "report", AUTHOR, signing_with(KEY))
    assert started == ["push", "push"]


@pytest.mark.parametrize("holds", ["nothing", "something"])
def test_the_format_of_a_server_is_found_out_once(holds: str, git: GitServer, tmp_path: Path) -> None:
    url = served(git, "sha256")
    way = ReportRef(tmp_path / "own.git", Remote.parse(url), "status")
    asked = []
    for content in (b"one", b"two"):
        git.requests.clear()
        way.append("d1", content, "report", AUTHOR, signing_with(KEY))
        asked.append(git.requests["/fleet.git/info/refs"])
    assert asked == [2, 1]
    # The server is made anew, in the other format. git says something else of one that is empty.
    served(git, "sha1")
    if holds == "something":
        ServerSide(git.path("fleet")).commit({"x": b"x"})
    assert len(way.append("d1", b"three", "report", AUTHOR, signing_with(KEY))) == 40


def test_a_disk_that_says_no_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.git").write_text("in the way")
    with pytest.raises(StateError, match=r"x\.git: cannot be written: .*; check the disk"):
        lay_commit(tmp_path / "x.git", "sha1", REPORT, "m", AUTHOR, signing_with(KEY))
