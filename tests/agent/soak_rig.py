"""A device on which all goes wrong that can, pass after pass: real Git and journal, an Engine in memory, and a die."""

import gc
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from roles_stage import ANN, BEN, MALLORY, Stage

from reconciler.agent.errands.delivery import DirectDelivery
from reconciler.agent.orders.commit_source import CommitSource
from reconciler.agent.orders.orders import DirectOrders
from reconciler.agent.passes.publish import Publisher
from reconciler.agent.passes.reconcile import Reconciler
from reconciler.agent.settings.config import Config, StatusSettings
from reconciler.agent.settings.trust_settings import TrustSettings
from reconciler.agent.state import journal as journals
from reconciler.agent.state.journal import Journal
from reconciler.errors import StateError
from reconciler.repository import Mirror, Remote, StatusBranch
from signing import Signer
from tests.fakes.engine import FakeEngine, PowerCut

APPS = tuple(f"app-{number}" for number in range(5))
# What images do; the others are well.
BEHAVIOURS = {"sick:1": "unhealthy", "exits:1": "exits", "gone:1": "missing"}
GOOD = tuple(f"good:{number}" for number in range(4))
_HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"
Clock = Callable[[], datetime]


class Rig:
    """One device and its server. `clock` moves a minute with each pass, and sometimes by years."""

    minute = timedelta(minutes=1)

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        self.folder, self.monkeypatch, self.dice = folder, monkeypatch, random.Random(seed)  # noqa: S311 - it plays
        self.now = datetime(2026, 6, 1, tzinfo=UTC)
        self.git = Stage(folder)
        self.identity = Signer.generate()
        self.engine = FakeEngine("press")
        self.engine.behaviours.update(BEHAVIOURS)
        self.images = dict.fromkeys(APPS, GOOD[0])
        (folder / "keys").write_text(f"ann {ANN.public.line}\nben {BEN.public.line}\n")
        self.commit("The fleet", first=True)
        self.reconciler = self.boot()

    def boot(self) -> Reconciler:
        """What a machine does when its power is back."""
        state, remote = self.folder / "state", Remote(f"file://{self.git.git.git_dir}")
        trust = TrustSettings("commits", self.folder / "keys")
        config = Config(
            "press", remote, "main", trust, self.folder / "none", StatusSettings(remote), 60.0, "fake", state
        )
        journal, mirror = Journal(state), Mirror(state / "repository.git", remote, "main")
        way = StatusBranch(state / "reports.git", remote, "status", sleep=lambda _: None)
        source = CommitSource(mirror, journal, trust, "main")
        publisher = Publisher(DirectDelivery(way, self.identity), journal, 900.0)
        orders = DirectOrders(config, source, mirror, journal, clock=lambda: self.now)
        return Reconciler(config, orders, self.engine, journal, publisher, lambda: self.now)

    def commit(self, why: str, *, first: bool = False, signer: Signer | None = ANN) -> None:
        """A commit of what the apps shall be."""
        compose = {name: {"services": {"serve": {"image": image, "restart": "unless-stopped"}}}
                   for name, image in self.images.items()}  # fmt: skip
        files = {
            "fleet.yaml": _HEAD.format("Fleet", "soak", "{tiers: [base]}"),
            "layers/base/all.yaml": _HEAD.format("Layer", "all", json.dumps({"apps": sorted(self.images)})),
            "devices/press.yaml": _HEAD.format("Device", "press", json.dumps({"identity": self.identity.public.line})),
            "NOTES.md": why,
            **{f"apps/{name}/compose.yaml": json.dumps(body) for name, body in compose.items()},
        }
        self.git.clock = int(self.now.timestamp())
        content = {path: text.encode() for path, text in files.items()}
        known = () if first else self.git.git.run("ls-tree", "-r", "--name-only", self.git.main).decode().split()
        parent = "" if first else self.git.main
        self.git.push(self.git.commit(content, signer, parent=parent, without=set(known) - set(files)))

    # What goes wrong

    def mishap(self) -> None:
        """Something happens, or nothing."""
        happening = self.dice.choices(
            (self.change, self.meddle, self.forge, self.jump, self.reboot, lambda: None), (6, 6, 1, 1, 1, 5)
        )[0]
        happening()

    def change(self) -> None:
        """A commit: an app is another one, comes, or goes."""
        name = self.dice.choice(APPS)
        if name in self.images and self.dice.random() < 0.2 and len(self.images) > 1:
            del self.images[name]
        else:
            self.images[name] = self.dice.choice((*GOOD, *BEHAVIOURS))
        self.commit(f"Change {name}")

    def meddle(self) -> None:
        """Somebody with the docker command."""
        if self.engine.boxes:
            box = self.dice.choice(list(self.engine.boxes.values()))
            if self.dice.random() < 0.5 and box.is_up:
                self.engine.kill(box.id)
            else:
                self.engine.forget(box.id)

    def forge(self) -> None:
        """A commit that nobody may follow; at once taken back by somebody who may."""
        before = self.git.main
        self.commit("Not allowed", signer=self.dice.choice((None, MALLORY)))
        self.step()
        self.git.push(before)

    def jump(self) -> None:
        """The clock is off by years, for this pass."""
        years = self.dice.choice((-30, -1, 1, 10))
        before = self.now
        self.now += timedelta(days=365 * years)
        self.step()
        self.now = before

    def reboot(self) -> None:
        self.engine.reboot()
        self.reconciler = self.boot()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Something is away for a pass, or the power fails in it."""
        away = self.folder / "away.git"
        bare = self.git.git.git_dir
        match self.dice.choices(("none", "git", "engine", "disk", "power"), (70, 10, 6, 6, 8))[0]:
            case "git":
                bare.rename(away)
            case "engine":
                self.engine.is_available = False
            case "disk":
                self._writes(StateError("no space left on device"), self.dice.randrange(3))
            case "power" if self.dice.random() < 0.5:
                self._writes(PowerCut(), self.dice.randrange(4))
            case "power":
                self.engine.fail_at(self.dice.randrange(6), after=self.dice.random() < 0.5)
        try:
            yield
        finally:
            if away.exists():
                away.rename(bare)
            self.engine.is_available = True
            self.engine.fail_at(None)
            # `undo` forgets what it undid: a failure kept by it would keep its traceback, and so all of the pass.
            self.monkeypatch.undo()

    def _writes(self, failure: BaseException, at: int) -> None:
        """The journal's write with this number fails, and all behind it."""
        left = at

        def failing(*arguments: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise failure
            _REAL(*arguments)  # type: ignore[arg-type]

        self.monkeypatch.setattr(journals, "write_atomically", failing)

    # What is done, and looked at

    def step(self) -> None:
        """One pass, in which something may go wrong."""
        self.now += self.minute
        self.engine.writes.clear()
        with self.outage():
            try:
                self.reconciler.reconcile()
            except PowerCut:
                self.engine.reboot()
                self.reconciler = self.boot()
        self.engine.settle()

    def step_quietly(self) -> None:
        """One pass in which nothing goes wrong."""
        self.now += self.minute
        self.reconciler.reconcile()
        self.engine.settle()

    def calm_down(self) -> None:
        """Nothing goes wrong any more, and what is wanted is good."""
        self.images = {name: self.dice.choice(GOOD) for name in APPS}
        self.commit("Calm")
        for _ in range(3):
            self.now += timedelta(hours=7)
            self.reconciler.reconcile()
            self.engine.settle()

    def is_well(self) -> bool:
        """Does it obey the newest commit, runs all that it says, and has it said so?"""
        runs = {box.app: box.service.image for box in self.engine.boxes.values() if box.state == "running"}
        report = json.loads(self.git.git.run("cat-file", "blob", "refs/heads/status:devices/press/status.json"))
        trusted = Journal(self.folder / "state").trusted
        return (
            trusted is not None
            and trusted.commit == self.git.main
            and runs == self.images
            and len(self.engine.boxes) == len(APPS)
            and self.git.main in json.dumps(report["revisions"]["healthy"])
        )

    def costs(self) -> dict[str, int]:
        """What it holds: kilobytes of memory, open files, bytes and files of the state without the stores of Git."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        own = [path for path in (self.folder / "state").rglob("*") if not {*_STORES} & {*path.parts}]
        return {
            "memory": pages * os.sysconf("SC_PAGESIZE") // 1024,
            "open": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - one of them is of the listing itself
            "bytes": sum(path.stat().st_size for path in own if path.is_file()),
            "files": len(own),
        }

    def store(self) -> int:
        """Bytes of the stores of Git."""
        held = (path for store in _STORES for path in (self.folder / "state" / store).rglob("*"))
        return sum(path.stat().st_size for path in held if path.is_file())


_REAL = journals.write_atomically
_STORES = ("repository.git", "reports.git")
