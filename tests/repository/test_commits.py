"""Commits made without a worktree, on top of another one or of nothing; nothing points to them."""

from pathlib import Path

import pytest

from reconciler.repository.bare import init_bare
from reconciler.repository.commits import Author, commit_files
from reconciler.repository.git import Git

AUTHOR = Author("Ann", "ann@acme.example", 1_700_000_000)
EMPTY = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@pytest.fixture(params=EMPTY)
def git(request: pytest.FixtureRequest, tmp_path: Path) -> Git:
    init_bare(tmp_path / "x.git", request.param)
    return Git(tmp_path / "x.git")


def listed(git: Git, commit: str) -> dict[str, bytes]:
    names = git.run("ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0")[:-1]
    return {name: git.run("cat-file", "blob", f"{commit}:{name}") for name in names}


def test_files_are_set_and_removed_and_others_kept(git: Git) -> None:
    first = commit_files(git, None, {"a/x": b"1", "b": b"2", "c": b"3"}, "one", AUTHOR)
    second = commit_files(git, first, {"a/y": b"4", "b": b"5"}, "two", AUTHOR, without=["c"])
    assert listed(git, second) == {"a/x": b"1", "a/y": b"4", "b": b"5"}
    assert git.run("rev-parse", f"{second}^").decode().strip() == first


def test_any_path_and_any_bytes(git: Git) -> None:
    files = {'"quoted': b"\n", "two\nlines": b"\0\xff", "back\\slash": b"", "d/\u00e9": b"data 3\n"}
    assert listed(git, commit_files(git, None, files, "odd", AUTHOR)) == files


def test_no_ref_is_left_behind(git: Git) -> None:
    first = commit_files(git, None, {"a": b"1"}, "one", AUTHOR)
    commit_files(git, first, {"a": b"2"}, "two", AUTHOR)
    assert git.run("for-each-ref") == b""


def test_a_commit_may_hold_nothing(git: Git) -> None:
    object_format = git.run("rev-parse", "--show-object-format").decode().strip()
    first = commit_files(git, None, {"a": b"1"}, "one", AUTHOR)
    for empty in (commit_files(git, first, {}, "two", AUTHOR, without=["a"]), commit_files(git, None, {}, "0", AUTHOR)):
        assert git.run("rev-parse", f"{empty}^{{tree}}").decode().strip() == EMPTY[object_format]
    again = commit_files(git, first, {}, "the same tree", AUTHOR)
    assert listed(git, again) == {"a": b"1"}
