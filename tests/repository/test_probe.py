"""What a Git server tells a device that only looks: where a ref is, and what time it is there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lab.git_server import GitServer
from lab.operator import Operator
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Remote, newest
from reconciler.repository.probe import _server_time

COMMIT = "1" * 40
REFS = (
    f"001e# service=git-upload-pack\n0000004c{COMMIT} HEAD\0side-band-64k agent=git/2\n003d{COMMIT} refs/heads/main\n"
)


def test_a_server_tells_the_ref_and_its_time(git: GitServer, ann: Operator) -> None:
    ann.clone(git.create("fleet"))
    ann.write("fleet.yaml", "x")
    commit = ann.commit("The first")
    ann.push()
    answered = newest(Remote.parse(git.url("fleet")), "refs/heads/main")
    assert answered.id == commit
    assert answered.time is not None
    assert answered.time > 1_700_000_000


class Odd(BaseHTTPRequestHandler):
    """A server that says one time after the other, or none that is one."""

    dates: tuple[str, ...] = ()

    def do_GET(self) -> None:
        body = f"{REFS}0000".encode()
        self.send_response_only(200)
        for date in self.dates:
            self.send_header("Date", date)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def odd() -> Iterator[Remote]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield Remote.parse(f"http://127.0.0.1:{server.server_port}/fleet.git")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("dates", "time"),
    [
        (("Fri, 15 Jan 2027 08:00:00 GMT",), 1_800_000_000.0),
        # A proxy on the way has said its own.
        (("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 15 Jan 2027 08:00:00 GMT"), 1_800_000_000.0),
        (("tomorrow",), None),
        (("Fri, 99 Jan 2027 08:00:00 GMT",), None),
        (("Fri, 15 Jan 99999999999999999999 08:00:00 GMT",), None),
        ((), None),
    ],
)
def test_a_time_that_is_none_is_not_told(
    dates: tuple[str, ...], time: float | None, odd: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "dates", dates)
    assert newest(odd, "refs/heads/main").time == time


def test_of_a_header_without_an_end_nothing_is_kept() -> None:
    assert _server_time(b"12:00:00.000000 http.c:1 <= Recv header: date: " + b"9" * 100_000) is None


def test_a_server_that_is_away_is_told_without_what_git_traced() -> None:
    with pytest.raises(RemoteUnavailable, match="no answer") as caught:
        newest(Remote.parse("http://127.0.0.1:1/fleet.git"), "refs/heads/main")
    assert "http.c" not in str(caught.value)
