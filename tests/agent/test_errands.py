"""Errands: real processes that verify, render and sign, for an agent that does not."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import reconciler
from lab.device import Device
from lab.git_server import GitServer
from lab.operator import Operator
from lab.waiting import wait_until
from reconciler.agent.errands.answer import Answer, Told, decode, encode, hear, tell
from reconciler.agent.errands.errand import answer
from reconciler.agent.errands.sender import Errands
from reconciler.agent.mounts.keyring import make_keyring
from reconciler.agent.orders.build_orders import make_orders
from reconciler.agent.orders.known import Known
from reconciler.agent.settings.config import Config, load_config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.errors import ConfigError, ErrandFailed, RemoteUnavailable, SealRefused, StateError
from reconciler.model import ConfigFile, Report, Revisions
from reconciler.sealing import seal
from signing import Signer

HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"
COMPOSE = {"services": {
    "web": {"image": "web:1", "environment": {"MODE": "hot"}, "configs": ["rules"], "volumes": ["data:/data"]},
    "root": {"image": "root:1", "depends_on": ["web"]},
}, "configs": {"rules": {"content": "a: 1\n"}}, "volumes": {"data": {}}}  # fmt: skip
REPORT = Report(device="press-1", time="2026-06-01T00:00:00Z", phase="Healthy", revisions=Revisions())


@pytest.fixture
def device(tmp_path: Path, git: GitServer) -> Device:
    """A device whose fleet asks for one app that it may have, and one that it may not."""
    ann = Operator.create(tmp_path / "ann", "Ann", "ann@acme.example")
    url = git.create("fleet")
    ann.clone(url)
    made = Device.create(tmp_path / "device", "press-1", url, "unix:///nowhere", [ann])
    risky = {"services": {"web": {"image": "web:1", "privileged": True}}}
    for path, text in {
        "fleet.yaml": HEAD.format("Fleet", "small", "{tiers: [base]}"),
        "layers/base/all.yaml": HEAD.format("Layer", "all", "{apps: [shop, risky]}"),
        "devices/press-1.yaml": HEAD.format("Device", "press-1", json.dumps({"identity": made.identity})),
        "apps/shop/compose.yaml": json.dumps(COMPOSE),
        "apps/risky/compose.yaml": json.dumps(risky),
    }.items():
        ann.write(path, text)
    ann.commit("The fleet")
    ann.push()
    return made


@pytest.fixture
def errands(device: Device) -> Errands:
    return Errands(device.config.read_bytes(), device.config)


def here(device: Device) -> tuple[Config, Journal]:
    config = load_config(device.config)
    return config, Journal(config.state)


def other_code(folder: Path, program: str) -> str:
    """A package of our name in which the errand is another program."""
    room = folder / "home" / "reconciler" / "agent" / "errands"
    room.mkdir(parents=True)
    for package in (room, room.parent, room.parent.parent):
        (package / "__init__.py").write_text("")
    (room / "errand.py").write_text(program)
    return str(folder / "home")


def told(known: Known) -> object:
    """Everything of it; errors by their words and codes."""
    return tell(hear(tell(known)))


def test_an_errand_finds_what_this_process_finds(device: Device, errands: Errands) -> None:
    assert errands.recall() is None
    by_errand = errands.obtain()
    config, journal = here(device)
    orders = make_orders(config, journal, Identity(config.identity))
    direct = orders.obtain()
    assert told(by_errand) == told(direct)
    assert by_errand.rendered.desired == direct.rendered.desired
    assert [app.name for app in by_errand.rendered.desired.apps] == ["shop"]  # type: ignore[union-attr]
    assert "ADMISSION_PRIVILEGED" in str(by_errand.rendered.error)
    assert by_errand.rendered.error.exit_code == direct.rendered.error.exit_code  # type: ignore[union-attr]
    assert told(errands.recall()) == told(orders.recall())  # type: ignore[arg-type]


def test_a_server_that_is_away_is_known_for_it(errands: Errands, git: GitServer) -> None:
    git.stop()
    known = errands.obtain()
    assert known.obtained.is_cut_off
    assert [type(error) for error in known.obtained.errors] == [RemoteUnavailable]
    with pytest.raises(RemoteUnavailable, match="cannot"):
        errands.deliver(REPORT, 1_780_000_000.0)


def test_a_delivered_report_is_signed_by_the_device(
    device: Device, errands: Errands, git: GitServer, tmp_path: Path
) -> None:
    errands.deliver(REPORT, 1_780_000_000.0)
    signers = tmp_path / "devices"
    signers.write_text(f"press-1@devices.invalid {device.identity}\n")
    command = ["git", "--git-dir", str(git.path("fleet")), "-c", f"gpg.ssh.allowedSignersFile={signers}"]
    said = subprocess.run([*command, "verify-commit", "status"], capture_output=True, text=True, check=True).stderr
    assert 'Good "git" signature for press-1@devices.invalid' in said
    shown = subprocess.run(
        [*command, "show", "status:devices/press-1/status.json"], capture_output=True, check=True
    ).stdout
    assert json.loads(shown)["phase"] == "Healthy"


def test_a_key_that_cannot_be_used_keeps_its_words_and_its_code(device: Device, errands: Errands) -> None:
    device.key.unlink()
    with pytest.raises(ConfigError, match=r"this device's key cannot be used: .*; make one with"):
        errands.recall()


def test_the_settings_that_count_are_those_that_the_agent_read(device: Device, errands: Errands) -> None:
    device.config.write_text("not settings\n")
    assert errands.obtain().obtained.errors == ()


def sealed(recipient: str) -> ConfigFile:
    content = seal(b"CANARY\x00\xff", [recipient])
    return ConfigFile(hashlib.sha256(content).hexdigest(), content, key="token", secret="token")


def test_what_is_sealed_for_the_device_is_unsealed(device: Device, errands: Errands) -> None:
    assert errands.unseal(sealed(device.identity)) == b"CANARY\x00\xff"


def test_what_is_sealed_for_others_is_refused_in_the_same_words(
    device: Device, errands: Errands, capfd: pytest.CaptureFixture[str]
) -> None:
    other = sealed(Signer.generate().public.line)
    with pytest.raises(SealRefused) as here:
        make_keyring(load_config(device.config)).unseal(other)
    with pytest.raises(SealRefused) as there:
        errands.unseal(other)
    assert str(there.value) == str(here.value)
    assert (there.value.code, there.value.exit_code) == ("SEAL_NO_KEY", SealRefused.exit_code)
    assert "CANARY" not in "".join(capfd.readouterr())


def test_another_version_on_the_disk_does_nothing() -> None:
    found = answer(lambda *_: Answer(), {"version": "0.0.1", "settings": "", "path": "/x"})
    assert found.error is not None
    assert found.error.code == StateError.exit_code
    assert f"the reconciler on the disk is {reconciler.__version__}, the one that runs is 0.0.1" in found.error.what


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('hello')", "answers what is no answer"),
        ('print(\'{"known": {"seen": 1}}\')', "answers what is no answer"),
        ("pass", "answers what is no answer"),
        ("print('{}')", "answers nothing"),
    ],
)
def test_an_errand_without_an_answer_is_told(program: str, told: str, errands: Errands, tmp_path: Path) -> None:
    with pytest.raises(ErrandFailed, match=told):
        replace(errands, home=other_code(tmp_path, program)).obtain()


def test_an_errand_is_not_taken_from_where_somebody_stands(
    errands: Errands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(other_code(tmp_path, "print('{}')"))
    assert errands.obtain().obtained.trusted is not None


def test_one_that_was_started_ahead_answers_what_is_asked_later(errands: Errands, tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = f"from pathlib import Path; Path({str(started)!r}).touch(); input(); print('{{}}')"
    ahead = replace(errands, home=other_code(tmp_path, program))
    with ahead.prepared() as obtain:
        wait_until(started.exists, 60, "an errand that nobody has asked yet")
        with pytest.raises(ErrandFailed, match="answers nothing"):
            obtain()


def test_what_was_started_ahead_answers_once_and_another_one_after_it(errands: Errands) -> None:
    with errands.prepared() as obtain:
        assert obtain().obtained.trusted is not None
        assert obtain(is_fetched=True).obtained.trusted is not None


def test_one_that_was_started_ahead_and_not_asked_does_not_stay(errands: Errands, tmp_path: Path) -> None:
    number = tmp_path / "number"
    program = f"import os; from pathlib import Path; Path({str(number)!r}).write_text(str(os.getpid())); input()"
    with replace(errands, home=other_code(tmp_path, program)).prepared():
        wait_until(lambda: number.exists() and number.read_text(), 60, "an errand that nobody asks")
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_one_that_was_started_ahead_ends_with_who_started_it() -> None:
    command = [sys.executable, "-P", "-m", "reconciler.agent.errands.errand", "obtain"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=30)[0] == b""
        assert process.returncode == 75


def test_an_interpreter_that_is_gone_is_told(errands: Errands, tmp_path: Path) -> None:
    with pytest.raises(ErrandFailed, match="cannot be started: No such file"):
        replace(errands, python=str(tmp_path / "python")).obtain()


def test_an_errand_that_takes_too_long_is_ended(errands: Errands, tmp_path: Path) -> None:
    home = other_code(tmp_path, "import threading; threading.Event().wait()")
    with pytest.raises(ErrandFailed, match="ended with -9"):
        replace(errands, home=home, most_seconds=0.2).obtain()


def test_an_errand_ends_with_who_sent_it(device: Device) -> None:
    """The pipe of its input breaks when its agent is killed; and the next agent may begin."""
    command = [sys.executable, "-P", "-m", "reconciler.agent.errands.errand", "obtain"]
    request = {"version": reconciler.__version__, "settings": device.config.read_text(), "path": str(device.config)}
    # A server that takes the connection and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        port = silent.getsockname()[1]
        settings = device.config.read_text().replace("http://127.0.0.1", "http://localhost", 1)
        url = next(word for word in settings.split("'") if word.startswith("http"))
        request["settings"] = settings.replace(url, f"http://127.0.0.1:{port}/fleet.git")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(json.dumps({**request, "is_fetched": False}).encode() + b"\n")
            process.stdin.flush()
            connection, _ = silent.accept()
            with connection:  # it is at work
                process.stdin.close()
                assert process.wait(timeout=30) == 75
                connection.settimeout(10)
                while connection.recv(4096):  # until git hangs up, which ends as well
                    pass


def test_ctrl_c_at_a_terminal_is_for_the_agent(device: Device) -> None:
    """It reaches the whole group; the errand answers all the same."""
    command = [sys.executable, "-P", "-m", "reconciler.agent.errands.errand", "recall"]
    head = {"version": reconciler.__version__, "settings": device.config.read_text(), "path": str(device.config)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(head).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        process.wait(timeout=30)
    assert decode(line) == Answer()


def test_answers_survive_the_way() -> None:
    for one in (Answer(), Answer(unsealed=b"\x00"), Answer(error=Told("GitError", "no\nanswer", 30))):
        assert decode(encode(one)) == one
    assert hear(None) is None
