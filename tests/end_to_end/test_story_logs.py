"""What services wrote, and what somebody gets who helps from afar."""

import json
import subprocess
import tarfile

import pytest
from story import Story

from lab.device import ROOT
from lab.waiting import wait_until

pytestmark = pytest.mark.docker

SERVE = "exec httpd -f -p 8080 -h /www"


def talks(story: Story, app: str, *words: str) -> None:
    """An app that writes a line each, to one stream and the other, and goes on serving."""
    said = "; ".join(f"echo {word}" for word in words)
    story.app(app, "one", command=["sh", "-c", f"{said}; echo error >&2; {SERVE}"], stop_signal="SIGKILL")


def logs(story: Story, *arguments: str, code: int = 0) -> list[tuple[str, str]]:
    done = story.device.reconciler("logs", "-o", "json", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["service"].partition("-")[0], line["line"]) for line in lines]


def test_logs_of_all_of_one_and_of_the_newest_lines(story: Story) -> None:
    talks(story, "web", "one", "two")
    talks(story, "shop", "three")
    story.push("Two apps that talk")
    story.converge()
    assert set(logs(story)) == {
        ("web", "one"), ("web", "two"), ("web", "error"), ("shop", "three"), ("shop", "error"),
    }  # fmt: skip
    web = story.app_name("web")
    assert [line for line in logs(story, web) if line[1] != "error"] == [("web", "one"), ("web", "two")]
    assert len(logs(story, f"{web}/serve", "-n", "1")) == 1
    assert logs(story, web, "--since", "1h") == logs(story, web)
    told = story.device.reconciler("logs", web).stdout.splitlines()
    assert f"{web}/serve | one" in told
    assert logs(story, "nothing", code=1) == []
    assert logs(story, f"{web}/other", code=1) == []


def test_following_goes_on_until_the_container_ends(story: Story) -> None:
    story.app(
        "web",
        "one",
        command=["sh", "-c", "echo begins; while true; do sleep 0.2; echo again; done"],
        healthcheck={"disable": True},
        stop_signal="SIGKILL",
    )
    story.push("An app that goes on talking")
    story.converge()
    command = story.device.command("logs", "-f", "-n", "1")
    path = story.folder / "followed"
    with path.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stdin=subprocess.DEVNULL) as process:
        wait_until(lambda: path.read_text().count("again") >= 3, 60, "three lines more")
        story.container("web").stop(timeout=1)
        assert process.wait(30) == 0


def test_a_bundle_for_somebody_who_helps_has_no_value_of_an_environment(story: Story) -> None:
    story.app("web", "sick", environment={"PASSWORD": "hunter2hunter2"})
    story.push("An app that is not well")
    story.once()
    bundle = story.folder / "help.tar.gz"
    done = story.device.reconciler("support-bundle", "-o", "json", str(bundle))
    assert done.returncode == 0, done.stderr
    with tarfile.open(bundle) as archive:
        found = {one.name.removeprefix("support/"): archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    assert set(found) == set(json.loads(done.stdout))
    assert json.loads(found["report.json"])["phase"] == "RolledBack" or b"unhealthy" in found["report.json"]
    assert b"refs/reconciler/main" in found["refs.txt"]
    assert json.loads(found["trusted.json"])["principal"] == story.ann.email
    (seen,) = json.loads(found["containers.json"])
    assert (seen["name"], seen["state"]) == (story.container_name("web"), "running")
    assert {"health", "exit_code", "out_of_memory", "restarts", "labels", "ports", "mounts", "networks"} <= set(seen)
    assert {"environment", "command", "Env", "Cmd"}.isdisjoint(seen)
    assert b"container" in found["plan.txt"] or b"nothing to do" in found["plan.txt"]
    assert f" signed by {story.ann.email} (SHA256:" in found["commits.txt"].decode()
    assert f"{story.app_name('web')}_default {story.device.name}" in found["networks.txt"].decode().splitlines()
    assert not found["volumes.txt"].startswith(b"not found out")
    assert not [name for name, content in found.items() if b"hunter2" in content]
