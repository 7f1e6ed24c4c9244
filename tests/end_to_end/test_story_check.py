"""`reconciler check`: everything is well on a good device, and each check finds what it is for."""

import json
from collections.abc import Callable

import pytest
from service import service
from story import Story

from lab.operator import Operator
from reconciler.agent.checks import IDS

pytestmark = pytest.mark.docker


def check(story: Story, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
    """Findings by id."""
    done = story.device.reconciler("check", "-o", "json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return {found["id"]: found for found in json.loads(done.stdout)}


def test_on_a_good_device_every_check_is_ok(running: Story) -> None:
    with service(running):
        found = check(running, "--warnings-as-errors")
    assert list(found) == list(IDS)
    assert {one["verdict"] for one in found.values()} == {"ok"}
    told = running.device.reconciler("check", "--only", "trust").stdout
    assert told.startswith("ok       trust            ")
    assert told.rstrip().endswith(f"by {running.ann.email}")
    assert running.device.reconciler("check", "--list").stdout.split() == list(IDS)


def _wrong_settings(story: Story) -> None:
    story.settings("kind: Agent", "kind: Device")


def _open_key(story: Story) -> None:
    story.device.key.chmod(0o644)


def _no_keys(story: Story) -> None:
    (story.device.folder / "allowed_signers").write_text("nonsense\n")


def _ended_keys(story: Story) -> None:
    who, options, *key = story.ann.allowed_signers_line.split(" ")
    line = " ".join([who, f'{options},valid-before="20200101Z"', *key])
    (story.device.folder / "allowed_signers").write_text(f"{line}\n")


def _no_server(story: Story) -> None:
    story.server.stop()


def _no_branch(story: Story) -> None:
    story.settings("branch: main", "branch: none")


def _torn_trust(story: Story) -> None:
    (story.device.state / "trusted.json").write_text("{")


def _another_key(story: Story) -> None:
    stranger = Operator.create(story.folder / "stranger", "S", "s@acme.example")
    story.document(f"devices/{story.device.name}.yaml", "Device", story.device.name, {"identity": stranger.public_key})
    story.push("Another key for the device")
    story.once()


def _not_allowed(story: Story) -> None:
    story.app("web", "one", privileged=True)
    story.push("More than the device allows")
    story.once()


def _no_engine(story: Story) -> None:
    story.settings("engine: 'unix://", "engine: 'unix:///nowhere")


def _full_disk(story: Story) -> None:
    story.settings("interval: 2s", "interval: 2s\n  images: {keepFree: 900t}")


def _missing_image(story: Story) -> None:
    story.app("web", f"127.0.0.1:1/none-{story.tag}:1")
    story.push("An image that is nowhere")
    story.once()


def _taken_name(story: Story) -> None:
    story.app("shop", "one")
    story.others_container(story.container_name("shop"))
    story.push("A name that is taken")
    story.once()


def _nothing_trusted(story: Story) -> None:
    story.device.reconciler("trust", "reset", "--yes")


WRONG: dict[str, tuple[Callable[[Story], None], str, str]] = {
    "settings": (_wrong_settings, "failed", "`kind` must be Agent"),
    "identity": (_open_key, "failed", "KEY_MODE"),
    "allowed-signers": (_no_keys, "failed", "SIGNERS"),
    "allowed-signers, all ended": (_ended_keys, "failed", "no key counts any more"),
    "remote": (_no_server, "failed", "no answer"),
    "remote, no branch": (_no_branch, "failed", "no refs/heads/none"),
    "status-branch": (_no_server, "failed", "may not push"),
    "trust": (_torn_trust, "failed", "the state is not believed"),
    "trust, of nothing": (_nothing_trusted, "warning", "nothing is trusted yet"),
    "device-file": (_another_key, "failed", "this device has SHA256:"),
    "rendering": (_not_allowed, "failed", "ADMISSION_PRIVILEGED"),
    "engine": (_no_engine, "failed", "no Docker Engine answers"),
    "engine-room": (_full_disk, "failed", "no room on the disk"),
    "images": (_missing_image, "warning", "not on the device"),
    "names": (_taken_name, "failed", "taken by containers of somebody else"),
    "service": (lambda story: None, "warning", "no reconciler is at work"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_check_finds_what_it_is_for(name: str, running: Story) -> None:
    break_it, verdict, told = WRONG[name]
    break_it(running)
    one = name.partition(",")[0]
    found = check(running, "--only", one, code=1 if verdict == "failed" else 0)[one]
    assert found["verdict"] == verdict, found
    assert told in found["told"]
    if verdict == "warning":
        assert check(running, "--only", one, "--warnings-as-errors", code=1)


def test_what_hangs_on_something_else_is_skipped_and_says_so(running: Story) -> None:
    _no_engine(running)
    found = check(running, code=1)
    assert {name for name, one in found.items() if one["verdict"] == "failed"} == {"engine"}
    assert found["images"]["verdict"] == found["names"]["verdict"] == "skipped"
    assert found["images"]["told"] == "the Engine does not answer"
