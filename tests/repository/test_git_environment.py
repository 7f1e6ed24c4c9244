"""Nothing around git changes what it does: no variable of the caller's, no hook in the store."""

import os
import subprocess
from pathlib import Path

import pytest
from server_side import FILES, ServerSide, signing_with

from reconciler.repository import Author, Mirror, Remote, StatusBranch
from signing import Signer

VARIABLES = {
    "GIT_DIR": {"GIT_DIR": "/nonexistent"},
    "GIT_WORK_TREE": {"GIT_WORK_TREE": "/nonexistent"},
    "GIT_CONFIG_COUNT": {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.http://127.0.0.1:1/.insteadOf",
        "GIT_CONFIG_VALUE_0": "http://127.0.0.1",
    },
    "GIT_CONFIG_PARAMETERS": {"GIT_CONFIG_PARAMETERS": "'url.http://127.0.0.1:1/.insteadOf=http://127.0.0.1'"},
    "GIT_CONFIG_GLOBAL": {"GIT_CONFIG_GLOBAL": "{folder}/gitconfig"},
    "HOME": {"HOME": "{folder}", "GIT_CONFIG_GLOBAL": ""},
    "GIT_OBJECT_DIRECTORY": {"GIT_OBJECT_DIRECTORY": "{folder}/objects"},
    "GIT_NAMESPACE": {"GIT_NAMESPACE": "other"},
    "GIT_EXEC_PATH": {"GIT_EXEC_PATH": "/nonexistent"},
    "GIT_DEFAULT_HASH": {"GIT_DEFAULT_HASH": "sha256"},
    "GIT_ALLOW_PROTOCOL": {"GIT_ALLOW_PROTOCOL": "ssh"},
    "http_proxy": {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("case", VARIABLES)
def test_a_variable_of_the_caller_has_no_effect(
    case: str, mirror: Mirror, server: ServerSide, url: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = server.git("rev-parse", "main")
    folder = store.parent / "planted"
    folder.mkdir()
    for name in ("gitconfig", ".gitconfig"):
        (folder / name).write_text('[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://127.0.0.1\n')
    with monkeypatch.context() as patched:
        for name, value in VARIABLES[case].items():
            patched.setenv(name, value.format(folder=folder))
        assert mirror.fetch().commit == wanted
        assert mirror.files(wanted, "d1") == FILES
        commit = append(store, url)
    assert server.git("rev-parse", "status") == commit
    assert sorted(path.name for path in folder.iterdir()) == [".gitconfig", "gitconfig"]


def test_git_writes_no_trace_for_the_caller(mirror: Mirror, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = store.parent / "trace"
    for name in ("GIT_TRACE", "GIT_TRACE_CURL", "GIT_TRACE2", "GIT_TRACE_PACKET"):
        monkeypatch.setenv(name, str(trace))
    mirror.fetch()
    assert not trace.exists()


HOOKS = ["reference-transaction", "pre-push", "post-update", "pre-auto-gc", "post-checkout", "update", "post-commit"]


def test_hooks_and_programs_that_were_planted_in_the_store_are_not_run(
    mirror: Mirror, server: ServerSide, url: str, store: Path
) -> None:
    mirror.fetch()
    ran = store.parent / "ran"
    plant(store, ran)
    server.commit({**FILES, "devices/d2.yaml": b""})
    mirror.pin(mirror.fetch().commit)
    append(store, url)
    mirror.tidy()
    assert not ran.exists()
    # The trap itself works: git without our care runs it.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    command = ["git", "--git-dir", str(store), "update-ref", "refs/heads/trap", mirror.seen().commit]
    subprocess.run(command, env=environment, check=True)
    assert ran.exists()


def plant(store: Path, ran: Path) -> None:
    program = f"#!/bin/sh\necho \"$0\" >> '{ran}'\n"
    (store / "hooks").mkdir(exist_ok=True)
    for name in HOOKS:
        (store / "hooks" / name).write_text(program)
        (store / "hooks" / name).chmod(0o755)
    anything = store / "hooks" / "update"
    with (store / "config").open("a") as config:
        config.write(f"[core]\n\thooksPath = {store}/hooks\n\tfsmonitor = {anything}\n\taskPass = {anything}\n")
        config.write(f"[credential]\n\thelper = !{anything}\n[gpg]\n\tprogram = {anything}\n")


def append(store: Path, url: str) -> str:
    author = Author("d1", "d1@devices.invalid", 1_700_000_000)
    branch = StatusBranch(store, Remote.parse(url), "status")
    return branch.append("d1", b"{}", "report", author, signing_with(Signer.generate()))
