"""Other servers, asked while the server itself does not answer: they bring a device forward, and never back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_side import FILES, ServerSide

from lab.git_server import GitServer, git_server
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Mirror, Remote

MORE = {**FILES, "devices/d2.yaml": b"kind: Device\n"}


@pytest.fixture
def copy(tmp_path: Path, git: GitServer, server: ServerSide) -> Iterator[GitServer]:
    """Another server, with what the first one has now."""
    with git_server(tmp_path / "copy") as other:
        copied(git, other)
        yield other


def copied(git: GitServer, other: GitServer) -> None:
    shutil.rmtree(other.path("fleet"), ignore_errors=True)
    shutil.copytree(git.path("fleet"), other.path("fleet"))


@pytest.fixture
def both(url: str, store: Path, copy: GitServer) -> Mirror:
    nowhere = Remote.parse("http://127.0.0.1:1/fleet.git")
    return Mirror(store, Remote.parse(url), "main", others=(nowhere, Remote.parse(copy.url("fleet"))))


def test_while_the_server_answers_nobody_else_is_asked(both: Mirror, copy: GitServer) -> None:
    both.fetch()
    assert both.stand_in == ""
    assert not copy.requests


def test_the_next_one_that_answers_brings_what_is_new(
    both: Mirror, git: GitServer, copy: GitServer, server: ServerSide
) -> None:
    old = both.fetch().commit
    newer = server.commit(MORE, parent=old)
    copied(git, copy)
    git.stop()
    assert both.fetch().commit == newer
    assert both.stand_in == copy.url("fleet")
    git.start()
    both.fetch()
    assert both.stand_in == ""


def test_one_that_is_behind_brings_nothing_back(both: Mirror, git: GitServer, server: ServerSide) -> None:
    old = both.fetch().commit
    newer = server.commit(MORE, parent=old)
    assert both.fetch().commit == newer
    git.stop()
    assert both.fetch().commit == newer
    assert both.stand_in != ""


def test_one_with_another_history_is_seen_as_it_is(
    both: Mirror, git: GitServer, copy: GitServer, server: ServerSide
) -> None:
    """Whether it is believed is for signatures to say, as with the server itself."""
    both.fetch()
    other = ServerSide(copy.path("fleet")).commit({"fleet.yaml": b"another history"})
    git.stop()
    assert both.fetch().commit == other


def test_tags_that_it_has_not_heard_of_stay(both: Mirror, git: GitServer, copy: GitServer, server: ServerSide) -> None:
    server.git("tag", "v1", "main")
    copied(git, copy)
    server.git("tag", "v2", "main")
    both.fetch_tags("v")
    git.stop()
    both.fetch_tags("v")
    refs = server_refs(both)
    assert refs == {"v1", "v2"}


def server_refs(mirror: Mirror) -> set[str]:
    found = ServerSide(mirror._git_dir).git(
        "for-each-ref", "--format=%(refname:lstrip=-1)", "refs/reconciler-tags", "refs/tags", "refs"
    )
    return {name for name in found.split() if name.startswith("v")}


def test_where_nobody_answers_the_servers_own_error_is_told(both: Mirror, git: GitServer, copy: GitServer) -> None:
    git.stop()
    copy.stop()
    with pytest.raises(RemoteUnavailable) as refused:
        both.fetch()
    assert refused.value.where == git.url("fleet")
    assert both.stand_in == ""
