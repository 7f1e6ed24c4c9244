"""What checks find in the files, processes and certificates of a device."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checks_stage import NOW, CheckStage, found

from lab.certificate import write_certificate
from lab.git_server import GitServer
from reconciler.agent.checks import certificates, name_servers
from reconciler.agent.checks.checked import Skipped, Timed, Warned, within
from reconciler.agent.service.control import NAME
from reconciler.errors import GitError
from reconciler.model import ReportedCondition
from reconciler.repository import Answered, Remote

DAY = 24 * 3600.0
SINCE = "2027-01-01T00:00:00Z"


@pytest.fixture
def at(tmp_path: Path) -> CheckStage:
    return CheckStage(tmp_path)


def remote_with(**keys: str) -> dict[str, str]:
    return {"url": "https://git.acme.example/fleet.git", **keys}


def token(at: CheckStage, content: str = "hush", mode: int = 0o600) -> None:
    (at.folder / "token").write_text(content)
    (at.folder / "token").chmod(mode)
    at.settings(remote=remote_with(tokenFile="token"))


def lock(at: CheckStage, process: int, environ: bytes = b"") -> None:
    """A process holds the lock of the state."""
    at.config.state.mkdir(exist_ok=True)
    (at.config.state / "lock").touch()
    node = (at.config.state / "lock").stat()
    named = f"{os.major(node.st_dev):02x}:{os.minor(node.st_dev):02x}:{node.st_ino}"
    lines = (
        f"1: POSIX  ADVISORY  WRITE 1 {named} 0 EOF",
        f"2: FLOCK  ADVISORY  WRITE {process} {named} 0 EOF",
        "3: -> ",
    )
    at.machine("proc/locks", "\n".join(lines))
    at.machine(f"proc/{process}/environ", "")
    (at.root / f"proc/{process}/environ").write_bytes(environ)


def changed(at: CheckStage, seconds: float) -> None:
    """The settings were written so long after the service had started."""
    lock(at, 7)
    door = at.config.state / NAME
    door.touch()
    for path, when in ((door, NOW - 900), (at.path, NOW - 900 + seconds)):
        os.utime(path, (when, when))


def armed(environ: bytes) -> Callable[[CheckStage], None]:
    return lambda at: lock(at, 7, environ)


def reported(kind: str, status: str, reason: str = "UNSIGNED") -> Callable[[CheckStage], None]:
    return lambda at: at.reports(ReportedCondition(kind, status, reason, "somebody's words", SINCE))


def server_says(time: float | None, url: str = "https://git.acme.example/fleet.git") -> Callable[[CheckStage], None]:
    def act(at: CheckStage) -> None:
        at.settings(remote={"url": url})
        at.server = Timed(Answered("0" * 40, time), NOW, NOW)

    return act


def silent(at: CheckStage) -> None:
    at.server = GitError("no answer")


def nothing(at: CheckStage) -> None:
    """As it was unpacked."""


CASES: dict[str, list[tuple[Callable[[CheckStage], None], str, str]]] = {
    "credentials": [
        (nothing, "ok", "there are none"),
        (token, "ok", "1 files that nobody else may read"),
        (lambda at: token(at, mode=0o640), "warning", "others may read: "),
        (lambda at: token(at, ""), "failed", "token: is empty"),
        (lambda at: at.settings(remote=remote_with(tokenFile="none")), "failed", "none: cannot be read"),
        (lambda at: at.settings(secrets={"keyFile": "none"}), "failed", "none: cannot be read"),
    ],
    "state-damage": [
        (nothing, "ok", "nothing was damaged"),
        (lambda at: (at.config.state / "repository.git.damaged").mkdir(parents=True), "warning", "repository.git.dama"),
        (lambda at: _written(at.config.state / "apps.json.torn"), "warning", "made anew: apps.json.torn"),
    ],
    "refused": [
        (nothing, "skipped", "no pass has ended yet"),
        (reported("Trusted", "True"), "ok", "nothing is refused"),
        (reported("Trusted", "False"), "warning", f"UNSIGNED since {SINCE}: somebody's words"),
        (reported("Trusted", "False", "AGENT_TOO_OLD"), "warning", "AGENT_TOO_OLD"),
    ],
    "fresh": [
        (reported("Fresh", "True"), "ok", "was the newest at"),
        (reported("Fresh", "Unknown"), "ok", "the server was not asked yet"),
        (reported("Fresh", "False", "STALE"), "warning", f"STALE since {SINCE}"),
    ],
    "report": [
        (nothing, "skipped", "no pass has ended yet"),
        (lambda at: at.reports(), "ok", "heard at 2027-01-15"),
        (lambda at: at.reports(is_sent=False, sent_at=NOW - 60), "ok", "a report waits"),
        (lambda at: at.reports(sent_at=NOW - 1801), "warning", "was heard at 2027-01-15T07:29:59Z"),
        (lambda at: at.reports(is_sent=False, sent_at=0.0), "warning", "was heard never, and a report waits"),
        # A clock that was set back.
        (lambda at: at.reports(sent_at=NOW + DAY), "ok", "heard at 2027-01-16"),
    ],
    "settings-in-use": [
        (nothing, "skipped", "no reconciler is at work here"),
        (lambda at: changed(at, -60), "ok", "in use since 2027-01-15T07:45:00Z"),
        (lambda at: changed(at, 60), "warning", "written at 2027-01-15T07:46:00Z, and the service has not started"),
        (lambda at: lock(at, 0), "skipped", "cannot be looked at from here"),
        (lambda at: lock(at, 7), "skipped", "has no local socket"),
    ],
    "watchdog": [
        (nothing, "skipped", "no reconciler is at work here"),
        (armed(b"A=1\0NOTIFY_SOCKET=/run/x\0WATCHDOG_USEC=60000000\0"), "ok", "armed: 60 s"),
        (armed(b"A=1\0"), "warning", "nobody notices when the service hangs"),
        (armed(b"WATCHDOG_USEC=60000000\0"), "warning", "nobody notices"),
        (armed(b"NOTIFY_SOCKET=/run/x\0WATCHDOG_USEC=soon\0"), "warning", "nobody notices"),
    ],
    "clock-server": [
        (server_says(NOW), "ok", "as that of the Git server"),
        (server_says(NOW + 100), "warning", "this clock is 100 s behind that of the Git server"),
        (server_says(NOW - 100), "warning", "this clock is 100 s ahead of that of the Git server"),
        (server_says(None), "ok", "the server tells no time"),
        (silent, "skipped", "the Git server does not answer"),
    ],
}


def _written(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, cases in CASES.items() for case in range(len(cases))]
)
def test_each_check_finds_what_it_is_for(name: str, case: int, at: CheckStage) -> None:
    act, verdict, told = CASES[name][case]
    act(at)
    given = found(at, name)
    assert given[0] == verdict, given
    assert told in given[1]
    assert "hush" not in given[1]


# Certificates


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """Good for a year from now on."""
    return write_certificate(tmp_path / "tls", ["127.0.0.1"])[1]


@pytest.mark.parametrize(
    ("days", "verdict", "told"),
    [
        (0, "ok", "ca.pem until "),
        (340, "warning", "a certificate in it ends on"),
        (400, "failed", "no certificate in it is good since"),
    ],
)
def test_the_end_of_a_ca_is_told_before_it_comes(days: int, verdict: str, told: str, ca: Path) -> None:
    end = max(certificates._ends_of(ca)).timestamp()
    stage = CheckStage(ca.parent, end - 365 * DAY + days * DAY)
    # Behind a proxy, the server itself is not asked.
    stage.settings(remote=remote_with(caFile=str(ca), proxy="http://127.0.0.1:1"))
    given = found(stage, "certificates")
    assert given[0] == verdict, given
    assert told in given[1]


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_no_certificate_is_told(content: str, at: CheckStage) -> None:
    (at.folder / "ca.pem").write_text(content)
    at.settings(remote=remote_with(caFile="ca.pem", proxy="http://127.0.0.1:1"))
    verdict, told = found(at, "certificates")
    assert verdict == "failed"
    assert "ca.pem" in told


@pytest.fixture
def https(tmp_path: Path, ca: Path) -> Iterator[Remote]:
    server = GitServer(tmp_path / "server", certificate=tmp_path / "tls/server.pem")
    url = server.create("fleet")
    server.start()
    yield Remote.parse(url, ca_file=ca)
    server.stop()


def test_the_end_of_a_servers_certificate_is_told(https: Remote, ca: Path) -> None:
    (end,) = certificates._ends_of(ca)
    assert certificates._server_end(https) == end
    assert str(end.date()) in certificates._check_server(https, end - certificates.SERVER_SOON)
    with pytest.raises(Warned, match=r"the certificate of 127\.0\.0\.1 ends on"):
        certificates._check_server(https, end - certificates.SERVER_SOON / 2)


def test_a_server_that_is_not_believed_is_told(https: Remote) -> None:
    with pytest.raises(Warned, match=r"127\.0\.0\.1 is not believed: self.signed certificate"):
        certificates._server_end(Remote.parse(https.url))


def test_a_server_that_talks_something_else_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = Remote.parse(f"https://127.0.0.1:{listening.getsockname()[1]}/fleet.git")

        def hang_up() -> None:
            listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(Warned, match="shows no certificate"):
            certificates._server_end(told)


def test_who_sends_a_byte_now_and_then_is_not_waited_for() -> None:
    done = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        within(0.05, done.wait)
    done.set()
    with pytest.raises(Skipped, match="itself"):
        within(5, lambda: (_ for _ in ()).throw(Skipped("itself")))


# Name servers


class NameServer:
    """Answers each question by `say`, which gets the question; several answers, one after the other."""

    def __init__(self, say: Callable[[bytes], list[bytes]]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._say = say
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        question, who = self._socket.recvfrom(512)
        for answer in self._say(question):
            self._socket.sendto(answer, who)
        self._socket.close()


def answer(question: bytes, flags: bytes = b"\x81\x80") -> bytes:
    return question[:2] + flags + question[4:]


SAID: dict[str, tuple[Callable[[bytes], list[bytes]], bool]] = {
    "an answer": (lambda asked: [answer(asked)], True),
    "a refusal is one, too": (lambda asked: [answer(asked, b"\x81\x85")], True),
    "junk before it": (lambda asked: [b"", b"\xff" * 500, answer(asked)], True),
    "an answer to another question": (lambda asked: [bytes([asked[0] ^ 1]) + answer(asked)[1:]], False),
    "the question itself": (lambda asked: [asked], False),
    "half an answer": (lambda asked: [answer(asked)[:11]], False),
}


@pytest.mark.parametrize("what", SAID)
def test_a_name_server_answers_only_with_an_answer(what: str) -> None:
    say, is_one = SAID[what]
    assert name_servers.answers("127.0.0.1", NameServer(say).port, 5.0 if is_one else 0.2) is is_one


@pytest.mark.parametrize("server", ["no-address", "", "127.0.0.1"])
def test_a_name_server_that_is_none_gives_no_answer(server: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert not name_servers.answers(server, port, 0.2)


RESOLV = "etc/resolv.conf"
SERVERS: list[tuple[dict[str, str], list[str]]] = [
    (
        {RESOLV: "#nameserver 1\nsearch x\nnameserver 10.0.0.1\nnameserver\nnameserver fe80::1%e0\n"},
        ["10.0.0.1", "fe80::1%e0"],
    ),
    ({RESOLV: "".join(f"nameserver 10.0.0.{n}\n" for n in range(9))}, ["10.0.0.0", "10.0.0.1", "10.0.0.2"]),
    ({RESOLV: "nameserver 127.0.0.53\n"}, ["127.0.0.53"]),
    (
        {RESOLV: "nameserver 127.0.0.53\n", "run/systemd/resolve/resolv.conf": "nameserver 10.0.0.9\n"},
        ["10.0.0.9"],
    ),
    ({RESOLV: "nameserver 10.0.0.1\n", "etc/docker/daemon.json": '{"dns": ["10.0.0.7", 1]}'}, ["10.0.0.7"]),
    ({RESOLV: "nameserver 10.0.0.1\n", "etc/docker/daemon.json": '{"dns": '}, ["10.0.0.1"]),
    ({RESOLV: "nameserver 10.0.0.1\n", "etc/docker/daemon.json": '[{"dns": []}]'}, ["10.0.0.1"]),
    ({}, []),
]


@pytest.mark.parametrize("case", range(len(SERVERS)))
def test_the_servers_that_containers_ask_are_those_that_the_engine_takes(case: int, at: CheckStage) -> None:
    files, servers = SERVERS[case]
    for name, text in files.items():
        at.machine(name, text)
    assert name_servers._of_engine(at.root) == servers


def test_silent_name_servers_are_told(at: CheckStage, monkeypatch: pytest.MonkeyPatch) -> None:
    at.runs(web={})
    assert "names no name server" in found(at, "dns")[1]
    at.runs(web={"dns": ["10.0.0.2", "127.0.0.1"]})
    at.machine(RESOLV, "nameserver 10.0.0.1\n")
    asked: list[str] = []

    def answers(server: str) -> bool:
        asked.append(server)
        return server == "10.0.0.1"

    monkeypatch.setattr(name_servers, "answers", answers)
    verdict, told = found(at, "dns")
    assert (verdict, sorted(asked)) == ("warning", ["10.0.0.1", "10.0.0.2"])
    assert "get no answer: 10.0.0.2;" in told
    monkeypatch.setattr(name_servers, "answers", lambda server: True)
    assert found(at, "dns") == ("ok", "10.0.0.1, 10.0.0.2 answer")
