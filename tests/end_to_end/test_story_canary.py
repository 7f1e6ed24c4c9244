"""A secret that somebody planted is in nothing that leaves the device: no report, log, error, plan, check or metric.

Attack A97 of the security model. The words of a secret are searched for in all that the device says, over paths that
end well and paths that do not.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import service
from story import Story

from lab.http_proxy import http_proxy
from lab.waiting import free_port

pytestmark = pytest.mark.docker

CANARY = "CANARY5f1c"


class Ears:
    """Everything that was said, with who said it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.said: dict[str, bytes] = {}

    def run(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        done = self.story.device.reconciler(*arguments)
        assert "Traceback" not in done.stderr
        self.said[name] = (done.stdout + done.stderr).encode()
        return done

    def once(self, name: str, code: int = 0) -> None:
        assert self.run(f"once, {name}", "once", "-v").returncode == code, self.said[f"once, {name}"]

    def all_commands(self) -> None:
        for command in ("plan", "status", "check"):
            self.run(command, command)
        self.run("status as JSON", "status", "-o", "json")

    def bundle(self) -> None:
        """All that somebody gets who helps from afar, with the logs of containers."""
        path = self.story.folder / "help.tar.gz"
        self.run("support-bundle", "support-bundle", "--logs", str(path))
        unpacked = subprocess.run(["tar", "-xzOf", str(path)], capture_output=True, check=True)
        self.said["the support bundle"] = unpacked.stdout

    def reports(self) -> None:
        """Every object that is on the status branch, whatever it is."""
        self.said["the status branch"] = self.story.git("log", "-p", "--format=raw", "status").encode()

    def told(self) -> list[str]:
        return [name for name, text in self.said.items() if CANARY.encode() in text]


@pytest.fixture
def ears(story: Story) -> Iterator[Ears]:
    """Apps with a secret in each place where people put one."""
    story.settings("spec:\n", "spec:\n  admission: {allow: [everything]}\n")
    secret = {"secrets": {"pin": {"environment": "PIN"}}, "configs": {"c": {"content": f"password={CANARY}"}}}
    story.write(f"layers/site/{story.tag}.yaml", (
        "apiVersion: fleet/v1\nkind: Layer\n"
        f"metadata: {{name: '{story.tag}'}}\nspec: {{variables: {{PIN: {CANARY}}}}}\n"
    ))  # fmt: skip
    with_secrets(story, "one", secret)
    yield Ears(story)


def with_secrets(story: Story, image: str, more: dict[str, object] | None = None, **service: object) -> None:
    story.app(
        "web", image, more={**(more or {}), "x-note": CANARY}, labels={"note": CANARY},
        environment={"PASSWORD": CANARY, "FROM_VARIABLE": "${PIN}"}, **service,
    )  # fmt: skip


def test_where_all_goes_well(ears: Ears) -> None:
    ears.story.push("The first version")
    ears.once("the first version")
    assert CANARY in (ears.story.device.state / "apps.json").read_text(), "it is on the device, of course"
    with_secrets(ears.story, "two", command=["sh", "-c", f"echo {CANARY} $$((20+22)); exec httpd -f -p 8080 -h /www"])
    ears.story.push("A secret in the command")
    ears.once("another version")
    ears.story.container("web").stop()
    ears.once("healing")
    ears.all_commands()
    ears.bundle()
    assert b"... 42" in ears.said["the support bundle"]
    ears.reports()
    assert ears.told() == []


def test_where_the_service_runs_and_is_asked_for_metrics(ears: Ears) -> None:
    listen = f"127.0.0.1:{free_port()}"
    ears.story.settings("spec:\n", f"spec:\n  metrics: {{listen: '{listen}'}}\n")
    ears.story.push("The first version")
    with service(ears.story), urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
        ears.said["metrics"] = answer.read()
    assert b'reconciler_app_phase{app="web-' in ears.said["metrics"]
    ears.said["the log of the service"] = (ears.story.folder / "run.log").read_bytes()
    ears.reports()
    assert ears.told() == []


# What somebody does, and the exit code of the pass that meets it.
WRONG = {
    "an app that never gets well": (lambda story: with_secrets(story, "sick"), 22),
    "an app that exits": (lambda story: with_secrets(story, "exits"), 22),
    "an image that is not there": (lambda story: with_secrets(story, "127.0.0.1:1/none:1"), 20),
    "a command that is none": (lambda story: with_secrets(story, "one", command=[f"PASSWORD={CANARY} /bin/run"]), 22),
    "a user that is none": (lambda story: with_secrets(story, "one", user=CANARY), 22),
    "a value of the wrong kind": (lambda story: with_secrets(story, "one", mem_limit=CANARY), 11),
    "a list in an environment": (lambda story: story.app("web", "one", environment={"A": [CANARY]}), 11),
    "a key that is none in a config": (
        lambda story: story.app("web", "one", more={"configs": {"c": {"contents": CANARY}}}), 11,
    ),
    "a variable in a port": (lambda story: story.app("web", "one", ports=["${PIN}:80"]), 11),
    "a patch that does not apply": (
        lambda story: (with_secrets(story, "one"), story.layer(patches=[{
            "target": {"app": story.app_name("web"), "service": "serve"},
            "patch": [{"op": "test", "path": "/environment/PASSWORD", "value": f"not-{CANARY}"}],
        }])), 12,
    ),
    "a file that is no YAML": (lambda story: story.compose("web", f"services: {{web: [{CANARY}\n"), 10),
}  # fmt: skip


def test_where_something_is_wrong(ears: Ears) -> None:
    ears.story.push("The good version")
    ears.once("the good version")
    for name, (act, code) in WRONG.items():
        act(ears.story)
        ears.story.push("Something is wrong")
        ears.once(name, code)
    ears.all_commands()
    ears.bundle()
    ears.reports()
    assert ears.told() == []


def test_where_a_service_tells_its_secrets_and_fails(ears: Ears) -> None:
    """Somebody asked for what services wrote; what they were given is not told even then."""
    ears.story.settings("spec:\n", "spec:\n  status: {logLines: 20}\n")
    ears.story.push("The good version")
    ears.once("the good version")
    mounts = {"configs": [{"source": "c", "target": "/c"}], "secrets": ["pin"]}
    script = "echo $$PASSWORD $$FROM_VARIABLE $$((20+22)); cat /c /run/secrets/pin; exit 3"
    secret = {"secrets": {"pin": {"environment": "PIN"}}, "configs": {"c": {"content": f"password={CANARY}"}}}
    with_secrets(ears.story, "one", secret, command=["sh", "-c", script], restart="no", **mounts)
    ears.story.push("A service that tells what it knows")
    ears.once("a service that tells what it knows", 22)
    assert b"wrote    web-" in ears.said["once, a service that tells what it knows"]
    ears.all_commands()
    (app,) = json.loads(ears.said["status as JSON"])["apps"]
    assert (app["phase"], app["log"]) == ("RolledBack", ["... ... 42", "......"])
    ears.bundle()
    ears.reports()
    assert ears.told() == []


def test_where_a_password_leads_to_the_server(ears: Ears, tmp_path: Path) -> None:
    ears.story.push("The good version")
    (tmp_path / "device/proxy").write_text(f"plant:{CANARY}")
    (tmp_path / "device/token").write_text(CANARY)
    with http_proxy(f"plant:{CANARY}") as proxy:
        ears.story.settings(
            ", branch: main}",
            f", branch: main, proxy: '{proxy.url}', proxyCredentialsFile: proxy, tokenFile: token}}",
        )
        ears.once("through a proxy")
        (tmp_path / "device/proxy").write_text(f"plant:{CANARY}-another")
        ears.once("a proxy that refuses", 31)
    ears.once("no proxy", 31)
    ears.all_commands()
    ears.reports()
    assert ears.told() == []


def test_where_settings_hold_a_password(ears: Ears) -> None:
    url = ears.story.server.url("fleet")
    ears.story.settings(url, url.replace("://", f"://ann:{CANARY}@"))
    ears.run("once", "once")
    ears.run("check", "check")
    assert ears.told() == []
