"""`reconciler check`: everything is well on a good device, and each check finds what it is for."""

import json
import os
import time
from collections.abc import Callable

import pytest
from service import service
from story import Story

from lab.operator import Operator
from lab.waiting import free_port
from reconciler.agent.checks import IDS

pytestmark = pytest.mark.docker


def check(story: Story, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
    """Findings by id."""
    done = story.device.reconciler("check", "-o", "json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return {found["id"]: found for found in json.loads(done.stdout)}


# What only this machine can answer for: whether its name servers do.
OF_THE_MACHINE = {"dns"}


def test_on_a_good_device_every_check_is_ok(running: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    # As systemd starts it.
    monkeypatch.setenv("NOTIFY_SOCKET", str(running.folder / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3600000000")
    with service(running):
        found = check(running)
        asked = [one for name in IDS if name not in OF_THE_MACHINE for one in ("--only", name)]
        check(running, "--warnings-as-errors", *asked)
    assert list(found) == list(IDS)
    assert {one["verdict"] for one in found.values() if one["id"] not in OF_THE_MACHINE} == {"ok"}
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


def test_what_apps_need_is_looked_at_before_a_container_is_made(running: Story) -> None:
    """One commit that asks for everything that is not there; nothing of it is done, and no check makes anything."""
    port = free_port()
    holder = running.client.containers.run(running.images["one"], detach=True, ports={f"{port}/tcp": port})
    running.foreign.append(holder)
    asked = {
        "image": running.images["two"],
        "ports": [f"{port}:80"],
        "devices": ["/dev/nowhere0"],
        "networks": ["there"],
        "runtime": "nowhere",
        "logging": {"driver": "json-file"},
    }
    compose = {"services": {"serve": asked}, "networks": {"there": {"external": True, "name": f"none-{running.tag}"}}}
    running.compose("shop", json.dumps(compose))
    running.settings("interval: 2s", "interval: 2s\n  admission: {allow: [everything]}")
    running.client.images.remove(running.images["two"], force=True)
    assert running.device.reconciler("pause").returncode == 0
    running.push("More than there is")
    running.once()
    before = len(running.recorder.writes)
    found = check(running, code=1)
    assert running.recorder.writes[before:] == []
    wrong = {name: one["told"] for name, one in found.items() if one["verdict"] == "failed"}
    assert wrong == {
        "drivers": f"{running.recorder.url}: the Engine has no runtime nowhere",
        "ports": f"{port}/tcp of {running.app_name('shop')}/serve: the container {holder.name} has it",
        "paths": f"not on this machine: /dev/nowhere0 of {running.app_name('shop')}/serve",
        "externals": f"external, and not there: network none-{running.tag}",
    }
    assert found["logs"]["told"] == f"logs without an end: {running.app_name('shop')}/serve"
    # The registry has it, and it fits.
    assert found["images"]["verdict"] == "warning"
    assert found["registries"]["told"] == "1 answer"
    assert " MB are to come, " in found["images-room"]["told"]
    assert found["drift"]["told"].startswith("paused until ")
    running.client.images.pull(running.images["two"])


def test_a_device_in_a_bad_way_is_told_all_of_it(running: Story) -> None:
    running.settings("branch: main", "branch: main, mirrors: [{url: 'http://127.0.0.1:1/fleet.git'}]")
    running.others_container(f"old-{running.tag}", labels={"fleet.device": f"gone-{running.tag}"})
    (running.device.state / "apps.json").write_text("{")
    running.app("shop", f"127.0.0.1:1/none-{running.tag}:1")
    running.push("An image that is nowhere")
    running.app("shop", "two")
    running.push("Nobody signs this", sign=False)
    running.once()
    running.container("web").stop(timeout=1)
    found = check(running, code=1)
    told = {
        "mirrors": "http://127.0.0.1:1/fleet.git: no answer",
        "state-damage": "made anew: apps.json.torn",
        "refused": "UNSIGNED since ",
        "registries": f"127.0.0.1:1/none-{running.tag}:1: ",
        "images-room": "its size is not known: the registry 127.0.0.1:1 cannot be asked",
        "drift": " steps to do: start web-",
        "leftovers": f"not of this device: old-{running.tag} of gone-{running.tag}",
        "watchdog": "no reconciler is at work here",
    }
    assert [(name, found[name]) for name, words in told.items() if words not in found[name]["told"]] == []
    wrong = {name: one["verdict"] for name, one in found.items() if one["verdict"] != "ok" and name != "dns"}
    assert wrong == {
        "mirrors": "warning",
        "state-damage": "warning",
        "refused": "warning",
        "images": "warning",
        "registries": "failed",
        "images-room": "skipped",
        "drift": "warning",
        "leftovers": "warning",
        "service": "warning",
        "settings-in-use": "skipped",
        "watchdog": "skipped",
    }


def test_settings_that_the_service_has_not_taken_up_are_told(running: Story) -> None:
    with service(running):
        assert check(running, "--only", "settings-in-use")["settings-in-use"]["verdict"] == "ok"
        later = time.time() + 60
        os.utime(running.device.config, (later, later))
        found = check(running, "--only", "settings-in-use", "--only", "watchdog")
    assert "the service has not started anew since" in found["settings-in-use"]["told"]
    assert found["watchdog"]["told"] == "nobody notices when the service hangs"


def test_what_hangs_on_something_else_is_skipped_and_says_so(running: Story) -> None:
    _no_engine(running)
    found = check(running, code=1)
    assert {name for name, one in found.items() if one["verdict"] == "failed"} == {"engine"}
    assert found["images"]["verdict"] == found["names"]["verdict"] == "skipped"
    assert found["images"]["told"] == "the Engine does not answer"
