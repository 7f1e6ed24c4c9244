"""The agent as a service: packaging/reconciler.service as it is, under a booted systemd with an Engine (SOAK=1)."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from booted import OFFLINE, PATIENCE, UNIT, Served, commands, served
from plant import IMAGES

from lab.engine import can_start_engines
from lab.waiting import wait_until
from reconciler.fleet.cli import main as fleet
from reconciler.model.tree import wheel_path
from tests.fakes.wheels import renumbered

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="boots a machine: SOAK=1"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="no debootstrap (Debian: debootstrap)"),
]
# It does all but prove itself, and does not end when it shall.
STUCK = {
    "reconciler/agent/service/outbox.py": ("self._heard(is_proof)", "pass"),
    "reconciler/agent/versions/succession.py": ("        stop()\n\n    threading", "        pass\n\n    threading"),
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not can_start_engines():
        pytest.skip("a machine needs root and dockerd; run lab/packages.sh")
    with served(tmp_path_factory.mktemp("booted")) as device:
        yield device


@pytest.fixture
def running(here: Served) -> Iterator[Served]:
    """The service runs one app of the first image, as it was set up."""
    here.settings.write_text(here.set_up)
    commit = here.plant.write("one")
    here.start()
    try:
        here.at(commit, "one")
        yield here
        here.drop_in()
    except BaseException:
        print(here.log()[-8000:])
        raise


def write_app(here: Served, document: dict[str, Any], **serve: Any) -> None:
    """Let the app's document and its service have these keys as well."""
    path = f"apps/web-{here.plant.tag}/compose.yaml"
    text = json.loads((here.plant.ann.work / path).read_text())
    text["services"]["serve"] |= serve
    here.plant.ann.write(path, json.dumps(text | document))


def push(here: Served, message: str) -> str:
    commit = here.plant.ann.commit(message)
    here.plant.ann.push()
    return commit


def offer(here: Served, version: str, changes: dict[str, tuple[str, str]]) -> None:
    """Say in Git that the reconciler shall be this one."""
    (wheel,) = (here.machine.root / "root").glob("*.whl")
    path = here.plant.ann.work / wheel_path(version)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(renumbered(wheel.read_bytes(), version, changes))
    layer = json.loads((here.plant.ann.work / "layers/base/all.yaml").read_text())
    layer["spec"]["reconciler"] = version
    here.plant.ann.write("layers/base/all.yaml", json.dumps(layer))
    push(here, f"The reconciler shall be {version}")


def updated(here: Served) -> tuple[str, str]:
    """Why, and what it says of the version that shall run."""
    found = [one for one in here.plant.report(here.device)["conditions"] if one["type"] == "Updated"]
    return (found[0]["reason"], found[0]["message"]) if found else ("", "")


def version(here: Served) -> str:
    return str(here.plant.report(here.device)["versions"]["agent"])


def secret(here: Served) -> str:
    code, out = here.device.containers()[0].exec_run(["cat", "/run/secrets/token"])
    assert code == 0, out
    return bytes(out).decode()


def is_back(here: Served, before: int) -> bool:
    """Was it started anew, and is it well?"""
    return here.pid not in (0, before) and here.shown("StatusText").startswith("Healthy")


def test_it_is_up_and_says_so(running: Served) -> None:
    assert running.machine.run("systemd-analyze", "verify", UNIT).stderr == ""
    assert running.shown("ActiveState") == "active"
    wait_until(lambda: running.shown("StatusText").startswith("Healthy at main@"), PATIENCE, "its status")
    done = running.reconciler("check", "-o", "json")
    found = {one["id"]: (one["verdict"], one["told"]) for one in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {name for name, (verdict, _) in found.items() if verdict == "warning"} <= {"dns", "status-branch"}, found
    assert found["watchdog"] == ("ok", "armed: 3600 s")
    assert running.shell(f"systemctl reload {UNIT}") == ""
    exposure = running.machine.told("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    resident = running.shell(f"grep VmRSS /proc/{running.pid}/status").split()[1]
    print(f"\n{exposure}; resident {int(resident) / 1024:.1f} MiB, {running.shown('MemoryCurrent')} bytes in its group")


def test_a_container_that_dies_is_started_and_the_engine_may_go(running: Served) -> None:
    before = running.pid
    running.device.containers()[0].kill()
    here = [(IMAGES["one"], "running")]
    wait_until(lambda: running.device.images() == here, PATIENCE, "the healing")
    running.shell("systemctl stop docker.socket docker.service")
    wait_until(lambda: running.shown("StatusText").startswith("Failed"), PATIENCE, "it notices")
    running.shell("systemctl start docker.service")
    wait_until(lambda: running.shown("StatusText").startswith("Healthy"), PATIENCE, "it is well again")
    assert (running.device.images(), running.pid) == (here, before)


def test_its_end_and_its_start_touch_no_container_and_no_secret(running: Served, tmp_path: Path) -> None:
    (tmp_path / "value").write_text("CANARY")
    token = {"source": "token", "uid": "1000", "gid": "1000", "mode": 0o440}
    write_app(running, {"secrets": {"token": {"external": True}}}, secrets=[token])
    work = str(running.plant.ann.work)
    assert fleet(["-C", work, "secret", "set", "token", "--file", str(tmp_path / "value")]) == 0
    running.at(push(running, "A secret"), "one")
    before = running.untouched()
    running.shell(f"systemctl restart {UNIT}")
    running.shell(f"systemctl stop {UNIT}")
    assert (running.shown("Result"), secret(running)) == ("success", "CANARY")
    assert running.shell("cd /run/reconciler/secrets; cat ~*") == "CANARY"
    running.start()
    killed = running.pid
    running.shell(f"kill -9 {killed}")
    wait_until(lambda: is_back(running, killed), PATIENCE, "its restart", 0.2)
    assert running.shown("NRestarts") == "1"
    assert (running.untouched(), secret(running)) == (before, "CANARY")
    assert running.machine.run("grep", "-rl", "CANARY", "/var/lib/reconciler", "/var/log").stdout == ""


def test_one_that_hangs_is_ended_and_started(running: Served) -> None:
    before = running.untouched()
    running.drop_in(WatchdogSec="3s")
    hung = running.pid
    running.shell(f"kill -STOP {hung}")
    wait_until(lambda: is_back(running, hung), PATIENCE, "its restart", 0.2)
    assert "Failed with result 'watchdog'" in running.log()
    assert running.untouched() == before


def test_new_settings_start_it_anew_in_the_process_that_systemd_knows(running: Served) -> None:
    before = (running.pid, running.shown("NRestarts"), running.untouched())
    url = running.plant.server.url("fleet", running.machine.link.host)
    running.settings.write_text(
        re.sub(r"remote: .*", f"remote: {{url: '{url}', branch: main, caFile: ca.pem}}", running.set_up)
    )
    wait_until(lambda: f"obeys {url}" in running.log(), PATIENCE, "the new settings")
    wait_until(lambda: running.shown("SubState") == "running", PATIENCE, "it is ready")
    running.at(push(running, "Over HTTPS"), "one")
    assert (running.pid, running.shown("NRestarts"), running.untouched()) == before


def test_it_changes_over_to_its_next_key(running: Served) -> None:
    device, before = running.device.device, running.untouched()
    old = device.identity
    said = running.reconciler("rotate-key").stdout
    (new,) = [line for line in said.splitlines() if line.startswith("ssh-ed25519 ")]
    running.plant.ssh.allow([old, new])
    shutil.copy(running.settings.parent / "identity.next", device.key)
    running.at(running.plant.write("one", note=""), "one")
    assert (running.settings.parent / "identity.pub").read_text().split()[1] == new.split()[1]
    assert running.untouched() == before


def test_versions_by_git_prove_themselves_and_the_watchdog_waits(running: Served) -> None:
    """One that is good, and one that is not and must be ended by force, which takes longer than the watchdog waits."""
    running.settings.write_text(f"{running.set_up}  updates: {{reconciler: true, patience: 10s}}\n")
    running.drop_in(WatchdogSec="8s")
    before, began = (running.pid, "0", running.untouched()), time.time()
    offer(running, "0.1.99", {})
    wait_until(lambda: version(running) == "0.1.99", PATIENCE, "the new version", 0.2)
    offer(running, "0.1.100", STUCK)
    wait_until(lambda: updated(running)[0] == "RolledBack", 2 * PATIENCE, "the way back", 0.5)
    assert "0.1.100 was tried once: it was not well within 10 s" in updated(running)[1]
    assert (running.pid, running.shown("NRestarts"), running.untouched()) == before
    assert version(running) == "0.1.99"
    said = running.machine.told("journalctl", f"--since=@{began:.0f}", "--output=cat", "--no-pager", f"--unit={UNIT}")
    assert not re.findall(r"reception only permitted.*", said)
    running.settings.write_text(running.set_up)
    wait_until(lambda: version(running) == "0.1.0", PATIENCE, "the installed one, when Git may say nothing of it", 0.2)
    assert (running.pid, running.shown("NRestarts"), running.untouched()) == before


def test_a_version_by_hand_as_the_guide_says(running: Served) -> None:
    """What runs goes on by its own files while the link is turned."""
    (wheel,) = (running.machine.root / "root").glob("*.whl")
    new = wheel.with_name(wheel.name.replace("0.1.0", "0.2.0"))
    new.write_bytes(renumbered(wheel.read_bytes(), "0.2.0"))
    before = running.untouched()
    *steps, restart = commands("install.md", "## Update, and go back").splitlines()
    try:
        running.shell(OFFLINE + "\n".join(steps))
        running.at(push(running, "Between"), "one")
        assert version(running) == "0.1.0"
        running.shell(restart)
        wait_until(lambda: version(running) == "0.2.0", PATIENCE, "the new version", 0.2)
    finally:
        new.unlink()
        running.shell(f"ln -sfnT /opt/reconciler-0.1.0 /opt/reconciler; systemctl restart {UNIT}")
    assert running.untouched() == before


def test_no_folder_of_the_disk_is_hidden_from_it(running: Served) -> None:
    """A link that it does not see is followed by the Engine all the same."""
    modules = running.machine.root / "usr/lib/modules/6.1"
    modules.mkdir(parents=True, exist_ok=True)
    (modules / "build").unlink(missing_ok=True)
    (modules / "build").symlink_to("/etc/reconciler")
    running.settings.write_text(f"{running.set_up}  admission: {{allow: ['bind:/lib/modules', 'bind:/usr']}}\n")
    running.shell(f"systemctl restart {UNIT}")
    write_app(running, {}, volumes=["/lib/modules/6.1/build:/mnt:ro"])
    push(running, "A bind through a link")
    told = "`bind:/etc/reconciler` through the link /lib/modules/6.1/build"
    wait_until(lambda: told in running.log(), PATIENCE, "the refusal")
    hidden = running.shell(f"grep -c /systemd/inaccessible/dir /proc/{running.pid}/mountinfo")
    assert hidden == "1", "but that of systemd itself, /run/credentials"


@pytest.mark.parametrize("how", ["off", "cut"])
def test_after_a_boot_without_a_network_it_starts_what_was_last_good(how: str, running: Served, tmp_path: Path) -> None:
    (tmp_path / "value").write_text("CANARY")
    write_app(running, {"secrets": {"token": {"external": True}}}, secrets=["token"])
    assert fleet(["-C", str(running.plant.ann.work), "secret", "set", "token", "--file", str(tmp_path / "value")]) == 0
    running.at(push(running, "A secret"), "one")
    before = [one.id for one in running.device.containers()]
    running.machine.link.cut()
    {"off": running.machine.off, "cut": running.machine.cut}[how]()
    running.machine.on()
    running.connect()
    # The Engine cannot start it: what it mounts was in memory.
    wait_until(lambda: running.device.images() == [(IMAGES["one"], "running")], PATIENCE, "the app")
    assert (secret(running), [one.id for one in running.device.containers()]) == ("CANARY", before)
    running.machine.link.mend()
    running.at(running.plant.write("two"), "two")
