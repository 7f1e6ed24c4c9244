"""What the support bundle tells of the machine's journal, of what was followed, and of containers, and what not."""

import subprocess
from pathlib import Path

import pytest

from lab.device import Device
from lab.git_server import GitServer
from lab.operator import Operator
from reconciler.agent.commands import support_journal
from reconciler.agent.commands.support_journal import commits, engine_log, service_log, without_quotes
from reconciler.agent.settings.config import load_config
from reconciler.errors import StateError
from reconciler.repository import Mirror

CANARY = "CANARY5f1c"


def journalctl(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """The machine has another one."""
    program = folder / "bin/journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_a_journal_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journalctl(tmp_path, monkeypatch, "echo half of it; echo No journal files were found. >&2; exit 1")
    for read in (service_log, engine_log):
        with pytest.raises(StateError, match=r"ended with 1: No journal files were found\."):
            read()


def test_a_journal_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journalctl(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(support_journal, "_PATIENCE_SECONDS", 0.1)
    with pytest.raises(StateError, match="did not answer"):
        service_log()


def test_each_journal_is_that_of_its_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journalctl(tmp_path, monkeypatch, 'echo "$@"')
    assert b"--unit=reconciler " in service_log()
    # What containers write is of the same unit, where the Engine's log driver is `journald`.
    assert b"--unit=docker --identifier=dockerd " in engine_log()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('level=error msg="Handler for POST /v1.41/containers/ab/start returned error: exec: \\"{0}\\": stat {0}"',
         'level=error msg="Handler for POST /v1.41/containers/ab/start returned error: ...'),
        ('level=error msg="Error running exec ab in container: OCI runtime exec failed: exec: \\"{0}\\""',
         'level=error msg="Error running exec ab in container: OCI runtime ...'),
        ('level=warning msg="Health check for container ab error: {0}"',
         'level=warning msg="Health check for container ab error: ...'),
        ('level=error msg="failed" error="unable to find user {0}" module=x', 'level=error msg="failed" error= ...'),
        ('level=info msg="Attempting next endpoint: Get https://ann:{0}@registry.acme.example/v2/"',
         'level=info msg="Attempting next endpoint: Get https://***@registry.acme.example/v2/"'),
        ("failed to start daemon: Error initializing network controller: no chain",
         "failed to start daemon: Error initializing network controller: no chain"),
    ],
)  # fmt: skip
def test_what_the_engine_quotes_of_a_request_is_left_out(line: str, told: str) -> None:
    assert without_quotes(line.format(CANARY).encode()).decode() == told


def test_requests_that_the_engine_logs_to_be_debugged_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalctl(tmp_path, monkeypatch, f"echo 'level=debug msg=\"Calling {CANARY}\"'; echo 'level=info msg=Loading'")
    assert engine_log() == b"level=info msg=Loading\n"


@pytest.fixture
def device(git: GitServer, ann: Operator, tmp_path: Path) -> Device:
    url = git.create("fleet")
    ann.clone(url)
    return Device.create(tmp_path / "device", "press", url, "tcp://127.0.0.1:1", [ann])


def test_the_newest_commits_are_told_with_who_signed_them(device: Device, ann: Operator) -> None:
    made = [ann.commit(f"Commit {number}, {CANARY}", date="2026-06-01T00:00:00Z") for number in range(24)]
    unsigned = ann.commit("Nobody's", sign=False)
    ann.git("push", "--quiet", "origin", "HEAD:main")
    config = load_config(device.config)
    device.reconciler("once")
    lines = commits(config).decode().splitlines()
    assert [line.split()[0] for line in lines] == [unsigned, *made[:-20:-1]]
    assert lines[0].endswith(" UNSIGNED")
    assert lines[1].startswith(f"{made[-1]} 2026-06-01T00:00:00Z signed by {ann.email} (SHA256:")
    assert [line.split()[0] for line in lines if line.endswith(" <- obeyed")] == [made[-1]]
    assert CANARY not in "".join(lines), "a subject may be anything"


def test_of_a_device_that_has_fetched_nothing_there_is_no_history(device: Device) -> None:
    config = load_config(device.config)
    subprocess.run(["git", "init", "-q", "--bare", str(config.state / "repository.git")], check=True)
    with pytest.raises(Exception, match="main"):
        commits(config)
    assert Mirror(config.state / "repository.git", config.remote, config.branch).refs() == []
