"""Sealed secrets on a real device: a container reads what Git holds sealed, and nothing else ever tells it."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from story import Story

from reconciler.fleet.cli import main as fleet
from tests.fakes.sops import Sops, text

pytestmark = pytest.mark.docker

SECRETS = {"secrets": {"token": {"external": True}}}


@pytest.fixture
def memory(story: Story) -> Iterator[Path]:
    """Where the device unseals, which must be in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        story.settings("spec:\n", f"spec:\n  secrets: {{folder: {folder}/secrets}}\n")
        yield Path(folder) / "secrets"


def seal(story: Story, value: str) -> None:
    path = story.folder / "value"
    path.write_text(value)
    assert fleet(["-C", str(story.ann.work), "secret", "set", "token", "--file", str(path)]) == 0
    path.unlink()


def reads(story: Story, path: str = "/run/secrets/token") -> str:
    code, out = story.container("web").exec_run(["cat", path])
    assert code == 0, out
    return bytes(out).decode()


def lies_on_disk(story: Story, word: str) -> list[str]:
    """The files of the device and of the server in which this stands, unsealed."""
    places = [str(story.device.folder), str(story.server.path("fleet")), str(story.ann.work)]
    found = subprocess.run(["grep", "-rlaF", word, *places], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def test_a_secret_is_sealed_read_changed_and_told_nowhere(story: Story, memory: Path) -> None:
    story.app("web", "one", SECRETS, secrets=["token"])
    seal(story, "CANARY-first")
    story.push("A secret")
    done = story.converge()
    assert reads(story) == "CANARY-first"
    first = story.container("web").id
    assert "CANARY" not in done.stdout + done.stderr

    # Nothing is to do, and nothing done: the file is known to be whole.
    assert story.converge().stdout == "nothing to do\n"
    assert story.container("web").id == first

    seal(story, "CANARY-second")
    story.push("Another value")
    done = story.converge()
    assert reads(story) == "CANARY-second"
    assert story.container("web").id != first
    assert "CANARY" not in done.stdout + done.stderr
    assert lies_on_disk(story, "CANARY") == []
    assert "CANARY" not in story.git("log", "-p", "--format=raw", "status")
    assert "CANARY" not in str(story.container("web").attrs)
    held = [path.read_text() for path in memory.iterdir() if path.is_file()]
    assert held == ["CANARY-second"], "what nobody needs any more is gone from memory"


def test_memory_is_lost_with_the_power_and_the_device_unseals_anew_offline(story: Story, memory: Path) -> None:
    story.app("web", "one", SECRETS, secrets=["token"])
    seal(story, "CANARY")
    story.push("A secret")
    story.converge()
    subprocess.run(["rm", "-r", str(memory)], check=True)
    story.container("web").stop()
    story.server.path("fleet").rename(story.folder / "away")
    try:
        assert story.once().returncode == 31
    finally:
        (story.folder / "away").rename(story.server.path("fleet"))
    assert story.container("web").status == "running"
    assert reads(story) == "CANARY"


def test_a_secret_for_others_leaves_the_old_container(story: Story, memory: Path) -> None:
    story.app("web", "one")
    story.push("Without a secret")
    story.converge()
    before = story.seen()
    stranger = story.folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    document = Sops({"token": "CANARY"}, [stranger.with_suffix(".pub").read_text().strip()]).document()
    story.write("secrets/mail.yaml", text(document).decode())
    named = {"secrets": {"token": {"external": True, "name": "mail/token"}}}
    story.app("web", "two", named, secrets=["token"])
    story.push("A secret for somebody else")
    done = story.once()
    assert done.returncode == 41
    assert "SOPS_NO_KEY" in done.stderr
    assert story.seen() == before
    told = story.git("cat-file", "blob", f"refs/heads/status:devices/{story.device.name}/status.json")
    assert "SOPS_NO_KEY" in told

    # Sealed for this device as well, it comes; and a value of it is text in a file like any other.
    document = Sops({"token": "CANARY"}, [story.device.identity]).document()
    story.write("secrets/mail.yaml", text(document).decode())
    story.push("For this device")
    story.converge()
    assert reads(story) == "CANARY"
    assert lies_on_disk(story, "CANARY") == []


def test_a_container_is_told_of_a_new_value_in_place(story: Story, memory: Path) -> None:
    story.app("web", "one", SECRETS, secrets=["token"], **{"x-reload": "SIGHUP"})
    seal(story, "CANARY-first")
    story.push("A secret")
    story.converge()
    before = story.container("web").id
    seal(story, "CANARY-second")
    story.push("Another value")
    story.converge()
    assert story.container("web").id == before
    assert reads(story) == "CANARY-second"
    assert lies_on_disk(story, "CANARY") == []
