"""Servers that answer for ever, slowly or elsewhere: bounded time and memory, and what was seen stays."""

import os
import resource
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import GitError, RemoteUnavailable
from reconciler.repository import Author, Mirror, Remote, ReportRef, git
from reconciler.repository.busy import busy_seconds

_KIND = b"application/x-git-upload-pack-advertisement"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: " + _KIND + b"\r\n\r\n001e# service=git-upload-pack\n0000"


def served(answer: Callable[[socket.socket], None]) -> str:
    """An address at which one connection gets this answer."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/fleet.git"


def endless(connection: socket.socket) -> None:
    connection.sendall(_HEAD)
    while True:
        connection.sendall((b"003d" + b"1" * 40 + b" refs/heads/abcdefgh\n") * 1000)


def slow(connection: socket.socket) -> None:
    connection.sendall(_HEAD)
    while connection.recv(1):
        pass


def elsewhere(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/fleet.git\r\nContent-Length: 0\r\n\r\n")


def test_a_list_of_branches_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "store", Remote.parse(served(endless)), "main")
    with pytest.raises(GitError, match="FETCH_TOO_BIG"):
        mirror.fetch()
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert used < 800 * 1024 * 1024, "of any program that the tests have started until now"


def test_of_what_git_complains_only_the_end_is_kept() -> None:
    """A server's words come by way of git's, and it may talk as long as it likes."""
    talk = "head -c 30000000 /dev/zero | tr '\\0' x >&2; echo 'fatal: enough' >&2; exit 3"
    code, out, err = git._call(["/bin/sh", "-c", talk], {"PATH": os.defpath}, b"", 60)
    assert (code, out, len(err)) == (3, b"", 64 * 1024)
    assert err.endswith(b"fatal: enough\n")


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(git._OPTIONS, "http.lowSpeedTime", "1")
    with pytest.raises(RemoteUnavailable, match="cannot fetch"):
        Mirror(tmp_path / "store", Remote.parse(served(slow)), "main").fetch()


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with pytest.raises(RemoteUnavailable, match="cannot fetch"):
        Mirror(tmp_path / "store", Remote.parse(served(elsewhere)), "main").fetch()


BUSY = {
    "seconds": ("429 Too Many Requests", "Retry-After: 120", 120.0),
    "in capitals": ("503 Service Unavailable", "RETRY-AFTER:7", 7.0),
    "nothing": ("503 Service Unavailable", "X: y", 300.0),
    "nonsense": ("429 Too Many Requests", "Retry-After: soon", 300.0),
    "for days": ("429 Too Many Requests", "Retry-After: 999999", 3600.0),
    "a day that is over": ("503 Service Unavailable", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    "another error": ("500 Internal Server Error", "Retry-After: 120", 0.0),
}


@pytest.mark.parametrize("case", BUSY)
def test_a_server_that_asks_for_rest_is_understood(case: str, tmp_path: Path) -> None:
    status, header, seconds = BUSY[case]

    def busy(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\n\r\n".encode())

    with pytest.raises(RemoteUnavailable) as refused:
        Mirror(tmp_path / "store", Remote.parse(served(busy)), "main").fetch()
    assert refused.value.retry_seconds == seconds
    assert "The requested URL returned error" in refused.value.what, "and nothing of what git tells besides"
    assert "Recv header" not in str(refused.value)


def test_a_server_of_reports_that_asks_for_rest_is_understood(tmp_path: Path) -> None:
    def busy(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")

    way = ReportRef(tmp_path / "store", Remote.parse(served(busy)), "status")
    with pytest.raises(RemoteUnavailable, match=r"cannot push: .*429; it asks for 120 s of rest") as refused:
        way.append("press", b"{}", "A report", Author("press", "press@devices.invalid", 1_780_000_000), lambda _: b"")
    assert refused.value.retry_seconds == 120


def test_a_date_to_come_is_so_many_seconds() -> None:
    told = b"<= Recv header: HTTP/2 503\n<= Recv header: retry-after: Wed, 21 Oct 2026 07:28:00 GMT\n"
    assert busy_seconds(told, datetime(2026, 10, 21, 7, 27, tzinfo=UTC)) == 60


def test_what_git_traces_is_no_reason_and_is_never_told() -> None:
    traced = b"12:30:01.123456 http.c:845              => Send header: Authorization: Basic c2VjcmV0\n"
    assert git.complaint(traced + b"fatal: unable to access\n" + traced) == "unable to access"
    assert git.complaint(traced) == "no reason"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Failed to connect to h port 443 after 7 ms: Refused", "Failed to connect to h port 443: Refused"),
        ("Connection timed out after 30001 milliseconds", "Connection timed out"),
        ("Operation timed out after 60000 milliseconds with 12 out of 900 bytes received", "Operation timed out"),
    ],
)
def test_how_long_it_took_is_no_part_of_what_is_wrong(said: str, told: str) -> None:
    assert git.complaint(f"fatal: unable to access 'u': {said}\n".encode()) == f"unable to access 'u': {told}"
