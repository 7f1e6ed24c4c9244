"""The story of the demo, one function a chapter; each ends with what was observed, or the demo fails."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from lab.device import ROOT, Device
from lab.images import build_probe
from lab.operator import Operator
from lab.processes import Server
from lab.stage import Stage
from lab.venv import program

_APPS = {"telemetry": ["collector"], "vision": ["camera", "detector"], "andon": ["board"]}
_PATCH = """\
    - target: {{app: vision, service: detector}}
      patch:
        - {{op: replace, path: /image, value: "{image}"}}
"""
_CANARY = "layers/ring/canary.yaml"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything on the stage."""

    stage: Stage
    folder: Path
    engine: str
    registry: str
    alice: Operator
    mallory: Operator
    device: Device
    agent: Server

    def seen(self) -> dict[str, dict[str, Any]]:
        """The device's containers as the Engine shows them, by app/service."""
        client, mine = docker.DockerClient(base_url=self.engine), {"label": f"fleet.device={self.device.name}"}
        try:
            # One may be removed between the list and its inspect: the device is at work.
            found = client.containers.list(all=True, filters=mine, ignore_removed=True)
            return {f"{c.labels['fleet.app']}/{c.labels['fleet.service']}": c.attrs for c in found if "." not in c.name}
        finally:
            client.close()

    def ids(self) -> dict[str, str]:
        return {name: str(attrs["Id"]) for name, attrs in self.seen().items()}

    def is_well(self) -> bool:
        wanted = {f"{app}/{service}" for app, services in _APPS.items() for service in services}
        seen = self.seen()
        return seen.keys() == wanted and all(
            one["State"]["Running"] and one["State"].get("Health", {}).get("Status") == "healthy"
            for one in seen.values()
        )

    def report(self) -> dict[str, Any]:
        """The device's newest report on the status branch; empty while there is none."""
        self.alice.git("fetch", "--quiet", "origin")
        if "origin/status" not in self.alice.git("branch", "--remotes", "--list", "origin/status"):
            return {}
        path = f"origin/status:devices/{self.device.name}/status.json"
        return dict(json.loads(self.alice.git("show", path)))

    def reports(self, kind: str, status: str, reason: str) -> bool:
        """Does the report hold this condition?"""
        conditions = self.report().get("conditions", ())
        return any((c["type"], c["status"], c["reason"]) == (kind, status, reason) for c in conditions)

    def is_applied(self, commit: str) -> bool:
        revisions = self.report().get("revisions", {})
        return str(revisions.get("healthy", "")).endswith(commit)

    def fleet(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run the `fleet` command in Alice's clone."""
        return self.stage.run(
            [program("fleet"), *arguments],
            shown=f"fleet {' '.join(arguments)}",
            folder=self.alice.work,
            env=self.alice.env(),
            codes=codes,
        )

    def git(self, *arguments: str, shown: str = "") -> str:
        """Run git as Alice."""
        told = shown or "git " + " ".join(f"'{a}'" if " " in a else a for a in arguments)
        return self.stage.run(["git", *arguments], shown=told, folder=self.alice.work, env=self.alice.env())

    def containers(self) -> None:
        """Show the device's containers with the plain docker command."""
        columns = "table {{.ID}}\t{{.Names}}\t{{.Status}}\t{{.Image}}"
        mine = f"label=fleet.device={self.device.name}"
        self.stage.run(["docker", "-H", self.engine, "ps", "--filter", mine, "--format", columns])

    def hints(self) -> list[str]:
        """What a reader may try while everything runs."""
        return [
            f"cd {self.alice.work}     # Alice's clone of the fleet repository",
            f"export GIT_CONFIG_GLOBAL={self.alice.home}/gitconfig PATH={Path(program('fleet')).parent}:$PATH",
            f"edit {_CANARY}; fleet plan HEAD; git commit -S -a -m try; git push origin HEAD:main",
            "fleet status;  git fetch origin status && git log --show-signature FETCH_HEAD",
            f"docker -H {self.engine} compose ls;  docker -H {self.engine} ps",
            f"tail -f {self.folder}/reconciler.log",
            "make demo-stop     # ends it, and removes everything",
        ]


def tell(scene: Scene) -> None:
    """The whole story."""
    first_commit(scene)
    pull_request(scene)
    unsigned_commit(scene)
    removed_by_hand(scene)
    broken_update(scene)
    audit_trail(scene)
    scene.stage.chapter("Done", "each step above was judged by what the Engine and the status branch showed")


def first_commit(scene: Scene) -> None:
    scene.stage.chapter("1. A signed commit arrives, containers start")
    work = scene.alice.work
    for name in ("fleet.yaml", "apps", "layers", "devices", "trust"):
        source = ROOT / "fleet-repo-example" / name
        shutil.copytree(source, work / name) if source.is_dir() else shutil.copy(source, work / name)
    _edit(work / "layers/base/all.yaml", "127.0.0.1:5000", scene.registry)
    file = work / f"devices/plant-7/{scene.device.name}.yaml"
    line = next(line for line in file.read_text().splitlines() if "identity:" in line)
    _edit(file, line, f"  identity: {scene.device.identity}")
    (work / "trust/allowed_signers").write_text(scene.alice.allowed_signers_line + "\n")
    # Alice is alone here, and signs commits; the policy of the example needs two people.
    (work / "trust/policy.yaml").unlink()
    scene.fleet("validate")
    scene.git("add", ".")
    scene.git("commit", "--quiet", "-S", "-m", "Three devices, three apps")
    scene.git("push", "--quiet", "origin", "HEAD:main")
    scene.stage.say(f"on {scene.device.name}, the reconciler starts; it knows the remote and Alice's public key")
    scene.stage.command(f"reconciler run --config {scene.device.config} &")
    scene.agent.start()
    commit = scene.alice.git("rev-parse", "HEAD")
    scene.stage.saw("four containers of three apps, all healthy", scene.is_well)
    scene.containers()
    scene.stage.saw("a report, signed by the device, on the branch `status`", lambda: scene.is_applied(commit))
    scene.git("fetch", "--quiet", "origin")
    scene.fleet("status")


def pull_request(scene: Scene) -> None:
    scene.stage.chapter("2. A pull request: its plan is shown, it is merged, one service is replaced")
    before = scene.ids()
    scene.git("checkout", "--quiet", "-b", "newer-detector")
    layer = scene.alice.work / _CANARY
    layer.write_text(layer.read_text() + _PATCH.format(image=f"{scene.registry}/detector:1.1"))
    scene.git("diff", "--unified=0", _CANARY)
    scene.git("commit", "--quiet", "-S", "-a", "-m", "Canaries try detector 1.1")
    scene.fleet("plan", "main..newer-detector", codes=(2,))
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "--no-ff", "-S", "-m", "Merge: canaries try detector 1.1", "newer-detector")
    scene.git("push", "--quiet", "origin", "main")
    merged = scene.alice.git("rev-parse", "HEAD")
    scene.stage.saw("the device is healthy at the merge", lambda: scene.is_applied(merged) and scene.is_well())
    after = scene.ids()
    changed = {name for name in after if after[name] != before[name]}
    scene.stage.saw("vision/detector was replaced, and nothing else", lambda: changed == {"vision/detector"})
    _print_steps(scene)


def unsigned_commit(scene: Scene) -> None:
    scene.stage.chapter("3. An unsigned commit is refused, and the report says so")
    before = scene.ids()
    _edit(scene.alice.work / "apps/telemetry/compose.yaml", 'SAMPLE_SECONDS: "5"', 'SAMPLE_SECONDS: "1"')
    scene.git("commit", "--quiet", "--no-gpg-sign", "-a", "-m", "Quick fix, not signed")
    scene.git("push", "--quiet", "origin", "main")
    bad = scene.alice.git("rev-parse", "HEAD")
    scene.stage.saw(
        "condition Trusted is False, reason UNSIGNED", lambda: scene.reports("Trusted", "False", "UNSIGNED")
    )
    told = next(c["message"] for c in scene.report()["conditions"] if c["type"] == "Trusted")
    scene.stage.say(f"report: {told}")
    scene.stage.saw("the report names the commit", lambda: bad[:12] in told)
    scene.stage.saw("no container was touched", lambda: scene.ids() == before)
    scene.fleet("status")
    scene.stage.say("Alice takes it back:")
    scene.git("reset", "--quiet", "--hard", "HEAD~1")
    scene.git("push", "--quiet", "--force", "origin", "main")
    scene.stage.saw("condition Trusted is True again", lambda: scene.reports("Trusted", "True", "Verified"))


def removed_by_hand(scene: Scene) -> None:
    scene.stage.chapter("4. A container is removed by hand, and comes back")
    gone = scene.ids()["vision/camera"]
    scene.stage.run(["docker", "-H", scene.engine, "rm", "-f", "vision-camera-1"])
    scene.stage.saw("a new vision/camera runs", lambda: scene.is_well() and scene.ids()["vision/camera"] != gone)
    scene.stage.saw("the report tells of the drift", lambda: _healed(scene))
    _print_steps(scene)


def broken_update(scene: Scene) -> None:
    scene.stage.chapter("5. A broken update goes back to the last good")
    before = scene.ids()
    image = build_probe(scene.engine, scene.registry, "detector-broken", "unhealthy")
    _edit(scene.alice.work / _CANARY, f"{scene.registry}/detector:1.1", image)
    scene.git("commit", "--quiet", "-S", "-a", "-m", "Canaries try detector 2.0")
    scene.git("push", "--quiet", "origin", "main")
    scene.stage.say("signed and valid, but the new detector never becomes healthy")
    scene.stage.saw(
        "condition Ready is False, reason RolledBack", lambda: scene.reports("Ready", "False", "RolledBack")
    )
    vision = next(app for app in scene.report()["apps"] if app["name"] == "vision")
    scene.stage.say(f"report: vision went back {vision['message']}")
    old = before["vision/detector"]
    scene.stage.saw(
        f"the very same container as before serves again ({old[:12]})",
        lambda: scene.ids() == before and scene.is_well(),
    )
    _print_steps(scene)


def audit_trail(scene: Scene) -> None:
    scene.stage.chapter("6. What happened is in Git: the status branch, each commit signed by the device")
    file = scene.alice.home / "allowed_signers"
    file.write_text(file.read_text() + f'{scene.device.name} namespaces="git" {scene.device.identity}\n')
    scene.git("fetch", "--quiet", "origin")
    scene.git("log", "--format=%h %G? %GS  %s", "origin/status")
    commits = scene.alice.git("rev-list", "origin/status").split()
    good = scene.alice.git("log", "--format=%G?", "origin/status").split()
    scene.stage.saw(f"git itself verifies all {len(commits)} of them", lambda: good == ["G"] * len(commits))


def _healed(scene: Scene) -> bool:
    return any("vision/camera" in step for step in _steps(scene, "Drifted=True"))


def _steps(scene: Scene, marker: str = "") -> list[str]:
    """What the device says it did, from the newest commit of the status branch that says so."""
    scene.alice.git("fetch", "--quiet", "origin")
    bodies = scene.alice.git("log", "--format=%b%x00", "origin/status").split("\0")
    for body in bodies:
        lines = [line for line in body.strip().splitlines() if " " in line]
        steps = [line for line in lines if line.split()[0] in _VERBS]
        if steps and marker in body:
            return steps
    return []


_VERBS = {"pull", "create", "start", "stop", "rename", "remove", "wait", "connect", "disconnect", "store", "unpause"}


def _print_steps(scene: Scene) -> None:
    scene.stage.say("the device did, and says why:")
    for step in _steps(scene):
        scene.stage.say(f"  {step}")


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path}: {old!r} is not there")
    path.write_text(text.replace(old, new))
