"""A device's life: it asks to join, is taken in, reports by a ref of its own, is watched by systemd, and goes."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from service import service
from story import Story

from lab.device import ROOT, Device
from lab.waiting import wait_until

pytestmark = pytest.mark.docker


def fleet(story: Story, *arguments: str, code: int = 0) -> str:
    """A `fleet` command at Ann's desk."""
    command = [sys.executable, "-m", "reconciler.fleet", "-C", str(story.ann.work), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=story.ann.env(), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def shown(story: Story, device: Device) -> dict[str, Any]:
    """What `fleet status` says of a device."""
    found: list[dict[str, Any]] = json.loads(fleet(story, "status", "-o", "json"))
    return next(one for one in found if one["device"] == device.name)


def report_by_ref(story: Story) -> None:
    """With a heartbeat for each pass, so that the device counts as silent soon after it."""
    story.settings("spec:\n", "spec:\n  status: {transport: ref, heartbeat: 1s}\n")


def test_a_machine_joins_by_itself_and_a_person_takes_it_in(story: Story) -> None:
    story.app("web", "one")
    story.push("What all devices run")
    machine = Device(f"mill-{story.tag}", story.folder / "machine")
    story.others.append(machine)
    people = story.folder / "people"
    people.write_text(f"{story.ann.allowed_signers_line}\n")
    asked = machine.reconciler(
        "enroll", "-o", "json", "--name", machine.name, "--remote", story.server.url("fleet"),
        "--signers", str(people), "--state", str(machine.state), "--transport", "ref",
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    machine.config.write_text(machine.config.read_text() + f"  engine: '{story.recorder.url}'\n")
    assert machine.reconciler("enroll").returncode == 0, "again, now that it has an Engine"

    early = machine.reconciler("once")
    assert early.returncode == 13 and "no device" in early.stderr, "it is not in the fleet yet"

    fingerprint = json.loads(asked.stdout)["fingerprint"]
    assert fingerprint in fleet(story, "device", "list")
    by = ("--fingerprint", fingerprint, "--key", str(story.ann.key))
    fleet(story, "device", "approve", machine.name, *by, "--fact", "engine")
    story.ann.git("fetch", "--quiet", "origin")
    story.ann.git("merge", "--quiet", "--no-ff", "--no-edit", "--gpg-sign", f"origin/enroll-{machine.name}")
    story.ann.push()

    taken_in = story.git("show", f"main:devices/{machine.name}.yaml")
    # Debian's has a `+`, which no label has.
    version = story.client.version()["Version"].replace("+", "-")
    assert f"engine: {version}" in taken_in, "a label, because Ann says so"

    assert machine.reconciler("once").returncode == 0
    assert shown(story, machine)["phase"] == "Silent", "nobody has collected yet"
    fleet(story, "collect")
    assert shown(story, machine)["phase"] == "Healthy"
    assert shown(story, machine)["report"]["machine"]["cpus"] == os.cpu_count()

    # Its key changes: the one that the fleet knows vouches for the next, and nothing that runs is touched.
    before = story.seen()
    changed = json.loads(machine.reconciler("rotate-key", "-o", "json").stdout)
    story.git("branch", "--quiet", "-D", f"enroll-{machine.name}")
    fleet(story, "device", "approve", machine.name, "--key", str(story.ann.key))
    story.ann.git("fetch", "--quiet", "origin")
    story.ann.git("merge", "--quiet", "--no-ff", "--no-edit", "--gpg-sign", f"origin/enroll-{machine.name}")
    story.ann.push()
    assert machine.reconciler("once").returncode == 0
    assert machine.identity == changed["identity"] != ""
    fleet(story, "collect")
    assert shown(story, machine)["phase"] == "Healthy", "its reports are signed by the new key, and believed"
    assert story.seen() == before


def test_a_device_reports_by_a_ref_of_its_own_and_nothing_piles_up(story: Story) -> None:
    report_by_ref(story)
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    assert story.history() == [], "it does not touch the shared branch"
    ref = f"refs/reports/{story.device.name}"
    assert story.git("rev-list", "--count", ref) == "1"
    fleet(story, "collect")
    assert shown(story, story.device)["lastPhase"] == "Healthy"
    story.app("web", "sick")
    story.push("A version that is not well")
    story.once()
    fleet(story, "collect")
    assert shown(story, story.device)["lastPhase"] == "RolledBack"
    assert story.git("rev-list", "--count", ref) == "1"
    assert len(fleet(story, "history", story.device.name).splitlines()) == 3
    objects = [path for path in (story.device.state / "report.git/objects").rglob("*") if path.is_file()]
    assert len(objects) <= 6, "one report's"
    assert story.device.reconciler("check", "--only", "status-branch").stdout.rstrip().endswith(f"may push {ref}")


def test_offline_its_newest_report_waits(story: Story) -> None:
    report_by_ref(story)
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    fleet(story, "collect")
    story.server.stop()
    story.container("web").stop()
    assert story.once().returncode == 31
    story.server.start()
    story.converge()
    fleet(story, "collect")
    steps = shown(story, story.device)["report"]["steps"]
    assert any("start" in step for step in steps), "what was done while nobody could hear it"


def test_a_retired_device_removes_what_it_ran_and_may_come_back(running: Story) -> None:
    running.app("keep", "one", volumes=["data:/data"], more={"volumes": {"data": {}}})
    running.push("An app with data")
    running.converge()
    volumes = {
        volume.name for volume in running.client.volumes.list(filters={"label": f"fleet.device={running.device.name}"})
    }
    assert volumes
    running.enlist(running.device, retired=True)
    running.push("It goes")
    running.converge()
    assert running.seen() == {}
    assert running.report().phase == "Retired"
    left = {
        volume.name for volume in running.client.volumes.list(filters={"label": f"fleet.device={running.device.name}"})
    }
    assert left == volumes, "data stays"
    assert running.once().stdout == "nothing to do\n"
    running.enlist(running.device)
    running.push("It stays, after all")
    running.converge()
    assert running.report().phase == "Healthy"


def test_systemd_hears_that_the_service_is_up_and_alive(running: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    path = running.folder / "notify"
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(path))
    heard: list[str] = []

    def listen() -> None:
        # All the time: what finds ten others waiting is lost (unix(7), max_dgram_qlen).
        while said := ear.recv(4096):
            heard.append(said.decode())

    listener = threading.Thread(target=listen)
    listener.start()
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    try:
        with service(running):
            wait_until(lambda: heard.count("WATCHDOG=1") >= 5, 60, "five signs of life")
    finally:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(path))
        listener.join()
        ear.close()
    # It is alive also while it waits for the last errand.
    assert "READY=1" in heard and [one for one in heard if one != "WATCHDOG=1"][-1] == "STOPPING=1"
    assert any(one.startswith("STATUS=Healthy at main@sha1:") for one in heard)


def test_the_device_s_way_to_report_leaves_its_own_clone_alone(story: Story, tmp_path: Path) -> None:
    """Reports in another repository: the fleet's is never written."""
    story.server.create("reports")
    other = story.server.url("reports")
    story.settings("spec:\n", f"spec:\n  status: {{transport: branch, remote: {{url: '{other}'}}}}\n")
    story.app("web", "one")
    story.push("The first version")
    story.converge()
    story.converge()
    assert story.history() == []
    command = ["git", "--git-dir", str(story.server.path("reports")), "log", "--format=%s", "status"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0].startswith(f"{story.device.name}: Healthy at main@")
