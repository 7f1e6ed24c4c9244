"""The guide for a Git server sets up the gate that the lab's server has, for nginx and for sshd."""

import re
import subprocess
from pathlib import Path

import pytest
from doc_pages import DOCS, fenced

from lab.git_doors import through_gate

PAGE = DOCS / "guides/git-server.md"
DEVICE = "press-0041"


def test_nginx_sets_what_the_lab_s_gate_sets() -> None:
    (conf,) = fenced(PAGE, "nginx")
    told = dict(re.findall(r"fastcgi_param (GIT_CONFIG_\w+) (\S+);", conf.replace("$device", DEVICE)))
    assert told == through_gate({}, DEVICE)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (script,) = (block for block in fenced(PAGE, "sh") if block.startswith("#!"))
    path = tmp_path / "device-git"
    path.write_text(script)
    path.chmod(0o755)
    # As sshd starts a forced command: what was asked for stands in the environment, behind the host's name.
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nshift\nSSH_ORIGINAL_COMMAND="$*" exec {path} {DEVICE}\n')
    ssh.chmod(0o755)
    return ssh


@pytest.mark.parametrize(
    ("ref", "is_let"),
    [
        (f"refs/reports/{DEVICE}", True),
        (f"refs/enroll/{DEVICE}", True),
        ("refs/reports/press-0042", False),
        ("refs/heads/main", False),
    ],
)
def test_over_ssh_a_device_writes_its_own_refs_alone(ref: str, is_let: bool, program: Path, tmp_path: Path) -> None:
    server, own = tmp_path / "fleet.git", tmp_path / "own"

    def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
        setting = ("-c", f"core.sshCommand={program}", "-c", "ssh.variant=simple")
        return subprocess.run(["git", *setting, *arguments], capture_output=True, text=True, check=False)

    git("init", "--bare", str(server))
    git("init", str(own))
    git("-C", str(own), "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--allow-empty", "-m", "x")
    done = git("-C", str(own), "push", f"ssh://git@host{server}", f"HEAD:{ref}")
    assert (done.returncode == 0) is is_let, done.stderr
    if not is_let:
        assert "deny updating a hidden ref" in done.stderr
    assert git("-C", str(own), "ls-remote", f"ssh://git@host{server}").returncode == 0
