"""Who comes into the Git server, and how far: what a gate lets a device push, and what it shows."""

import base64
import http.client
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.git_doors import Doors
from lab.git_server import GitServer, git_server
from lab.operator import CommandError, Operator
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Author, Mirror, OwnRef, Remote

AUTHOR = Author("d1", "d1@devices.invalid", 1_700_000_000)
TOKENS = {"one": "d1", "two": "d2"}


@pytest.fixture(params=[True, False], ids=["gated", "stock"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "server", doors=Doors({"ann": "pa:ss"}, TOKENS, request.param)) as server:
        server.create("fleet")
        yield server


@pytest.fixture
def gated(request: pytest.FixtureRequest) -> bool:
    return "gated" in request.node.callspec.id


def remote(server: GitServer, folder: Path, token: str) -> Remote:
    (folder / token).write_text(token)
    return Remote.parse(server.url("fleet"), folder / token)


def put(server: GitServer, folder: Path, ref: str, by: str = "one") -> str:
    own = OwnRef(folder / "own.git", remote(server, folder, by))
    return own.put(ref, {"x": f"{ref} by {by}".encode()}, "words", AUTHOR, lambda raw: raw)


def heads(server: GitServer, ann: Operator) -> str:
    return ann.git("ls-remote", server.url("fleet").replace("://", "://ann:pa%3Ass@"))


def ann_pushes(server: GitServer, ann: Operator) -> None:
    ann.clone(server.url("fleet").replace("://", "://ann:pa%3Ass@"))
    ann.commit("The fleet")
    ann.push()


def test_a_device_writes_its_own_refs(server: GitServer, tmp_path: Path) -> None:
    for ref in ("refs/reports/d1", "refs/enroll/d1", "refs/reports/d1"):
        put(server, tmp_path, ref)


@pytest.mark.parametrize(
    "ref", ["refs/reports/d2", "refs/reports/d11", "refs/heads/main", "refs/heads/status", "refs/tags/v1"]
)
def test_through_the_gate_a_device_writes_no_other(
    ref: str, server: GitServer, gated: bool, ann: Operator, tmp_path: Path
) -> None:
    ann_pushes(server, ann)
    put(server, tmp_path, "refs/reports/d2", "two")
    before = heads(server, ann)
    if not gated:
        put(server, tmp_path, ref)
        assert heads(server, ann) != before
        return
    with pytest.raises(RemoteUnavailable, match=r"cannot push: .*(hidden|rejected|denied)"):
        put(server, tmp_path, ref)
    assert heads(server, ann) == before


def test_through_the_gate_a_device_sends_no_more_than_a_report(server: GitServer, gated: bool, tmp_path: Path) -> None:
    own = OwnRef(tmp_path / "own.git", remote(server, tmp_path, "one"))
    noise = {"x": random.Random(1).randbytes(1_500_000)}  # noqa: S311 - it shall not compress, no more
    if not gated:
        own.put("refs/reports/d1", noise, "much", AUTHOR, lambda raw: raw)
        return
    with pytest.raises(RemoteUnavailable, match="cannot push"):
        own.put("refs/reports/d1", noise, "much", AUTHOR, lambda raw: raw)
    put(server, tmp_path, "refs/reports/d1")


def test_a_device_fetches_what_it_obeys(server: GitServer, ann: Operator, tmp_path: Path) -> None:
    ann_pushes(server, ann)
    mirror = Mirror(tmp_path / "mirror.git", remote(server, tmp_path, "one"), "main")
    assert mirror.fetch().commit == ann.git("rev-parse", "HEAD")


def test_a_push_is_shown_the_device_s_refs_alone(server: GitServer, gated: bool, ann: Operator, tmp_path: Path) -> None:
    ann_pushes(server, ann)
    put(server, tmp_path, "refs/reports/d1")
    put(server, tmp_path, "refs/reports/d2", "two")
    header = {"Authorization": f"Basic {base64.b64encode(b'reconciler:one').decode()}"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/fleet.git/info/refs?service=git-receive-pack", headers=header)
    shown = connection.getresponse().read()
    connection.close()
    assert b"refs/reports/d1" in shown
    assert (b"refs/reports/d2" in shown, b"refs/heads/main" in shown) == (not gated, not gated)


def test_a_person_is_held_by_no_gate(server: GitServer, ann: Operator, tmp_path: Path) -> None:
    put(server, tmp_path, "refs/reports/d1")
    ann_pushes(server, ann)
    ann.git("push", "--quiet", "origin", ":refs/reports/d1")
    assert "refs/reports/d1" not in heads(server, ann)


def test_nobody_comes_in_by_a_token_that_nobody_has(server: GitServer, ann: Operator, tmp_path: Path) -> None:
    with pytest.raises(RemoteUnavailable):
        put(server, tmp_path, "refs/reports/d1", "three")
    with pytest.raises(CommandError, match=r"could not read|Authentication failed"):
        ann.clone(server.url("fleet").replace("://", "://ann:one-too-many@"))
