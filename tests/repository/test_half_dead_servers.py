"""A desk at a server that accepts and never answers: it is given up in time, and told with what to do."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import RemoteUnavailable
from reconciler.repository.desk import Desk
from reconciler.repository.patience import Patience

HURRIED = Patience(silence_seconds=1)
ADVICE = "see whether the server answers and lets you in, and try again"


@pytest.fixture
def address() -> Iterator[str]:
    """Where connections are accepted, by the kernel, and nobody ever reads or writes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}/fleet.git"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@acme.example")
    git(folder, *who, "commit", "--quiet", "--allow-empty", "--message=The fleet")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


CALLS: dict[str, Callable[[Desk, Path], object]] = {
    "fetch": lambda desk, _: desk.fetch("main"),
    "list refs": lambda desk, _: desk.list_refs("refs/reports"),
    "fetch into another store": lambda desk, folder: desk.fetch_into(folder / ".git", ["refs/heads/main"], 10**6),
    "push": lambda desk, _: desk.push("main"),
    "remove refs": lambda desk, _: desk.remove_refs(["refs/reports/d1"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_it_is_given_up(call: str, clone: Path, address: str) -> None:
    desk = Desk(clone, f"http://{address}", HURRIED)
    with pytest.raises(RemoteUnavailable, match="Operation too slow") as error:
        CALLS[call](desk, clone)
    assert (error.value.where, error.value.advice) == (f"http://{address}", ADVICE)
    assert "stderr" not in str(error.value)
    assert desk.at(f"http://{address}").at("").patience == HURRIED


SSH = "ssh -oConnectTimeout=60 -oServerAliveInterval=15 -oServerAliveCountMax=3"
SLOW = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
# What the operator has set, in files and in the environment, and what is added.
OWN = {
    "nothing": ([], {}, {**SLOW, "GIT_SSH_COMMAND": SSH}),
    "an ssh command in a file": (["core.sshcommand"], {}, SLOW),
    "an ssh command": ([], {"GIT_SSH_COMMAND": "ssh -v"}, SLOW),
    "an ssh program": ([], {"GIT_SSH": "/usr/bin/ssh"}, SLOW),
    "a speed for one server": (["http.https://x.example/.lowspeedtime"], {}, {"GIT_SSH_COMMAND": SSH}),
    "a speed": ([], {"GIT_HTTP_LOW_SPEED_LIMIT": "5"}, {"GIT_SSH_COMMAND": SSH}),
}


@pytest.mark.parametrize("case", OWN)
def test_what_the_operator_has_set_is_left_alone(case: str) -> None:
    settings, variables, added = OWN[case]
    assert Patience().environment(settings, variables) == added


def test_the_settings_of_a_clone_are_looked_up(
    clone: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git reads them: whatever the letters, and for one server as well."""
    for name in ("GIT_SSH_COMMAND", "GIT_SSH", "GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME"):
        monkeypatch.delenv(name, raising=False)
    seen = tmp_path / "seen"
    git(clone, "config", "core.sshCommand", f"echo $GIT_SSH_COMMAND $GIT_HTTP_LOW_SPEED_TIME > {seen}; false")
    git(clone, "config", "http.https://x.example.LowSpeedLimit", "5")
    with pytest.raises(RemoteUnavailable):
        Desk(clone, f"ssh://git@{address}").fetch("main")
    assert seen.read_text() == "\n"
