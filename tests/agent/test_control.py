"""`reconciler sync`: the socket in the state folder, and which pass it waits for."""

import json
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.agent.passes.reconcile import Result
from reconciler.agent.service.control import MAX_LINE, NAME, ask_for_pass, serve_control
from reconciler.agent.service.turns import Turns
from reconciler.errors import RemoteUnavailable, StateError
from reconciler.model import Report, Revisions

Serve = Callable[[Callable[[float], Result | None]], None]


def result(*steps: str) -> Result:
    report = Report(
        device="press", time="2026-06-01T00:00:00Z", phase="Ready", revisions=Revisions(trusted="main@sha1:1")
    )
    return Result(report, (RemoteUnavailable("no answer", where="https://git.example"),), steps)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    stops: list[Callable[[], None]] = []
    yield lambda sync: stops.append(serve_control(tmp_path, sync))
    for stop in stops:
        stop()
    assert not (tmp_path / NAME).exists()


def test_the_answer_is_that_of_the_pass(serve: Serve, tmp_path: Path) -> None:
    asked: list[float] = []
    serve(lambda seconds: asked.append(seconds) or result("start    web/serve"))  # type: ignore[func-returns-value]
    told = ask_for_pass(tmp_path, 60)
    assert asked == [60.0]
    assert (told["phase"], told["trusted"], told["steps"]) == ("Ready", "main@sha1:1", ["start    web/serve"])
    assert told["errors"] == [{"told": "https://git.example: no answer", "code": RemoteUnavailable.exit_code}]


def test_a_pass_that_takes_too_long_is_told(serve: Serve, tmp_path: Path) -> None:
    serve(lambda _: None)
    (error,) = ask_for_pass(tmp_path, 3)["errors"]
    assert "no pass has ended within 3 s" in error["told"]


def test_without_an_agent_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="reconciler once"):
        ask_for_pass(tmp_path, 1)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / NAME))
    left.close()
    with pytest.raises(StateError, match="no reconciler is at work"):
        ask_for_pass(tmp_path, 1)


def test_a_socket_that_a_power_cut_left_is_replaced_and_only_the_owner_may_use_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("left behind")
    serve(lambda _: result())
    mode = (tmp_path / NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert ask_for_pass(tmp_path, 1)["phase"] == "Ready"


def test_a_folder_with_a_long_name_has_one_too(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    stop = serve_control(folder, lambda _: result())
    assert ask_for_pass(folder, 1)["phase"] == "Ready"
    stop()


def test_an_agent_works_without_a_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    serve_control(tmp_path / "file", lambda _: result())()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"{\n",
        b"[" * 100_000 + b"\n",
        b'{"do": "reboot"}\n',
        b'{"do": "sync", "seconds": "x"}\n',
        b'{"do": "sync", "seconds": 1e99}\n',
        b'{"do": "sync", "seconds": NaN}\n',
        b"x" * (MAX_LINE + 1),
    ],
)
def test_a_request_that_is_none_is_told_so_and_the_next_is_answered(line: bytes, serve: Serve, tmp_path: Path) -> None:
    serve(lambda _: result())
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(tmp_path / NAME))
        try:
            asking.sendall(line)
            told = json.loads(asking.makefile().readline() or "{}")
        except (BrokenPipeError, ConnectionResetError):
            told = {}  # it was too long to be read to its end
        assert told.get("errors", [{"code": 2}])[0]["code"] == 2
    assert ask_for_pass(tmp_path, 1)["phase"] == "Ready"


def test_a_turn_that_was_under_way_does_not_count() -> None:
    """It may have asked Git before the push that somebody wants to see."""
    turns, old, new = Turns(), result("old"), result("new")
    rung = threading.Event()
    found: list[Result | None] = []
    turns.asks()
    waiting = threading.Thread(target=lambda: found.append(turns.next(rung.set, 30)))
    waiting.start()
    assert rung.wait(30)
    turns.knows()
    turns.begins()
    turns.ended(old)
    turns.begins()
    turns.asks()
    turns.knows()
    # This pass began before the answer.
    turns.ended(old)
    assert found == []
    turns.begins()
    turns.ended(new)
    waiting.join(30)
    assert found == [new]


def test_nobody_waits_for_ever() -> None:
    turns = Turns()
    assert turns.next(lambda: None, 0.01) is None
    turns.asks()
    assert turns.next(turns.knows, 0.01) is None
