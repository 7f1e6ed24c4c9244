"""The Git server, its people, and the registry."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cgroups import make_room
from lab.git_doors import Doors
from lab.git_server import GitServer, git_server
from lab.operator import CommandError, Operator
from lab.processes import Server, StartError
from lab.registry import Registry
from lab.waiting import TimedOutError, free_port, is_listening, wait_until


def test_a_signed_commit_travels_by_push_and_fetch(git: GitServer, ann: Operator, tmp_path: Path) -> None:
    url = git.create("fleet")
    ann.clone(url)
    ann.write("devices/press-1.yaml", "kind: Device\n")
    commit = ann.commit("Add press-1")
    ann.push()
    bob = Operator.create(tmp_path / "bob", "Bob", "bob@acme.example")
    bob.clone(url)
    assert bob.git("rev-parse", "HEAD") == commit
    assert (bob.work / "devices/press-1.yaml").read_text() == "kind: Device\n"
    assert "BEGIN SSH SIGNATURE" in bob.git("cat-file", "commit", "HEAD")
    assert ann.git("log", "-1", "--format=%G?") == "G"


def test_large_pushes_arrive_in_chunks_and_compressed(git: GitServer, ann: Operator, tmp_path: Path) -> None:
    ann.clone(git.create("fleet"))
    noise = base64.b64encode(os.urandom(3_000_000)).decode()  # over http.postBuffer: sent in chunks
    ann.write("model.txt", noise)
    ann.commit("A model")
    ann.push()
    for number in range(40):  # many haves: git compresses the request of the fetch
        ann.commit(f"Commit {number}", sign=False)
    ann.push()
    bob = Operator.create(tmp_path / "bob", "Bob", "bob@acme.example")
    bob.clone(git.url("fleet"))
    for number in range(40):
        bob.commit(f"Of Bob {number}", sign=False)
    ann.commit("One more", sign=False)
    ann.push()
    bob.git("fetch", "--quiet", "origin")
    assert bob.git("show", "origin/main:model.txt") == noise


def test_protocol_v2_with_a_filter_fetches_no_blobs(git: GitServer, ann: Operator, tmp_path: Path) -> None:
    ann.clone(git.create("fleet"))
    ann.write("a", "content\n")
    ann.commit("One")
    ann.push()
    git.requests.clear()
    bare = tmp_path / "bare"
    ann.git("clone", "--quiet", "--bare", "--filter=blob:none", git.url("fleet"), str(bare))
    missing = ann.git("--git-dir", str(bare), "rev-list", "--objects", "--all", "--missing=print").splitlines()
    assert any(line.startswith("?") for line in missing)
    # Protocol v2: one greeting; then ls-refs and fetch are requests of their own.
    assert git.requests == {"/fleet.git/info/refs": 1, "/fleet.git/git-upload-pack": 2}


def test_an_outage_breaks_fetches_and_ends(git: GitServer, ann: Operator) -> None:
    ann.clone(git.create("fleet"))
    ann.commit("One")
    ann.push()
    git.stop()
    assert not is_listening(git.port)
    with pytest.raises(CommandError, match="connect"):
        ann.git("fetch")
    git.start()
    ann.git("fetch")


def test_basic_auth(tmp_path: Path, ann: Operator) -> None:
    with git_server(tmp_path / "server", doors=Doors({"device": "pa:ss"})) as server:
        url = server.create("fleet")
        with pytest.raises(CommandError, match=r"could not read Username|Authentication failed"):
            ann.clone(url)
        ann.clone(url.replace("http://", "http://device:pa%3Ass@"))
        ann.commit("One")
        ann.push()


def test_an_unknown_repository_is_not_found(git: GitServer, ann: Operator) -> None:
    with pytest.raises(CommandError, match="not found"):
        ann.clone(git.url("nowhere"))


def test_merges_dates_and_unsigned_commits(git: GitServer, ann: Operator) -> None:
    ann.clone(git.create("fleet"))
    first = ann.commit("One", date="2026-01-02T03:04:05Z")
    assert ann.git("log", "-1", "--format=%ct") == "1767323045"
    ann.git("switch", "--quiet", "--create", "change")
    change = ann.commit("Two", sign=False)
    ann.git("switch", "--quiet", "main")
    merged = ann.merge("change")
    assert ann.git("log", "-1", "--format=%P", merged) == f"{first} {change}"
    assert ann.git("log", "-1", "--format=%G?", change) == "N"
    ann.push()
    ann.git("reset", "--quiet", "--hard", first)
    ann.commit("Another history")
    with pytest.raises(CommandError, match="rejected"):
        ann.push()
    ann.push(force=True)


def test_allowed_signers_line_is_openssh_s(ann: Operator) -> None:
    email, scope, kind, _ = ann.allowed_signers_line.split()
    assert (email, scope, kind) == ("ann@acme.example", 'namespaces="git"', "ssh-ed25519")
    assert ann.public_key.endswith(" ann@acme.example")


def test_the_server_as_a_program_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "lab.git_server", str(tmp_path), "--port", str(port), "--create", "fleet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        try:
            wait_until(lambda: is_listening(port), 60, "the Git server")
            assert (tmp_path / "fleet.git" / "HEAD").read_text() == "ref: refs/heads/main\n"
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 128 + signal.SIGTERM


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = Server(["sh", "-c", "echo no disk >&2; exit 1"], tmp_path / "log")
    server.start()
    with pytest.raises(StartError, match="no disk"):
        wait_until(_checked(server), 60, "the server")
    with pytest.raises(TimedOutError, match=r"never: not within 0\.1 s"):
        wait_until(lambda: False, 0.1, "never", pause=0.01)


def test_make_room_leaves_cgroup_v1_alone(tmp_path: Path) -> None:
    make_room(tmp_path)
    assert not list(tmp_path.iterdir())


def test_make_room_gives_controllers_to_child_groups(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("")
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    make_room(tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"  # a plain file keeps the last write


def test_the_registry_keeps_its_port_over_an_outage(lab_registry: Registry) -> None:
    lab_registry.stop()
    try:
        assert not is_listening(lab_registry.port)
    finally:
        lab_registry.start()
    with urllib.request.urlopen(f"http://{lab_registry.host}/v2/_catalog") as answer:
        assert "repositories" in json.load(answer)


def test_the_registry_answers_unknown_images_with_404(lab_registry: Registry) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{lab_registry.host}/v2/nothing/manifests/1")
    assert refused.value.code == 404
    refused.value.close()


def _checked(server: Server) -> Callable[[], bool]:
    def check() -> bool:
        server.check_running()
        return False

    return check
