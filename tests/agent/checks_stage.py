"""A device for its checks: real settings, a fake machine in a folder, and answers of an Engine that is not there."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.agent.checks import CHECKS
from reconciler.agent.checks.checked import Checked, Skipped, Timed, Warned
from reconciler.agent.docker_engine.probing import EngineFacts, Occupant
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Reported
from reconciler.errors import ReconcilerError
from reconciler.manifests import FleetFiles
from reconciler.model import ObservedState, Report, ReportedCondition
from signing import write_new_key

NOW = 1_800_000_000.0
DEVICE = "press-1"


class CheckStage(Checked):
    """What checks look at, set up by hand."""

    def __init__(self, folder: Path, now: float = NOW) -> None:
        super().__init__(folder / "config.yaml", lambda: now, folder / "machine")
        self.folder = folder
        write_new_key(folder / "identity", DEVICE)
        self.settings()
        self.machine("proc/locks", "")
        facts = EngineFacts(
            "28.0.1", "1.48", "amd64", now, Path("/"), frozenset({"runc"}), frozenset({"json-file", "local"}),
            frozenset({"bridge"}), frozenset({"local"}), (),
        )  # fmt: skip
        self.engine = Timed(facts, now, now)
        self.observed = ObservedState(DEVICE)
        self.occupants: tuple[Occupant, ...] = ()
        self.labelled_networks: dict[str, str] = {}

    def settings(self, **spec: Any) -> None:
        whole = {"remote": {"url": "https://git.acme.example/fleet.git"}, "state": "state", **spec}
        head = {"apiVersion": "fleet/v1", "kind": "Agent", "metadata": {"name": DEVICE}}
        self.path.write_text(json.dumps({**head, "spec": whole}))

    def machine(self, name: str, text: str) -> None:
        """A file of the machine."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def says(self, **facts: Any) -> None:
        """The Engine is another one."""
        assert isinstance(self.engine, Timed)
        self.engine = replace(self.engine, value=replace(self.engine.value, **facts))

    def runs(self, more: Mapping[str, Any] | None = None, **services: Mapping[str, Any]) -> None:
        """The fleet gives this device an app `a` of these services; `more` is the rest of its Compose document."""
        body = {"services": {name: {"image": "acme/app", **one} for name, one in services.items()}, **(more or {})}
        head = "apiVersion: fleet/v1, kind: {}, metadata: {{name: {}}}, spec: {}"
        tree = {
            "fleet.yaml": f"{{{head.format('Fleet', 'f', '{tiers: [base]}')}}}",
            "layers/base/l.yaml": f"{{{head.format('Layer', 'l', '{apps: [a]}')}}}",
            f"devices/{DEVICE}.yaml": f"{{{head.format('Device', DEVICE, '{}')}}}",
            "apps/a/compose.yaml": json.dumps(body),
        }
        self.rendered = FleetFiles({path: text.encode() for path, text in tree.items()}).render(DEVICE)
        assert self.rendered.problems == ()

    def reports(self, *conditions: ReportedCondition, is_sent: bool = True, sent_at: float = NOW) -> None:
        report = Report(DEVICE, "Healthy", "2027-01-15T08:00:00Z", conditions=conditions)
        Journal(self.config.state).write_reported(Reported(report, is_sent, sent_at))


def found(at: Checked, name: str) -> tuple[str, str]:
    """The verdict of a check, and its words with the advice."""
    try:
        return "ok", CHECKS[name](at)
    except Skipped as error:
        return "skipped", str(error)
    except Warned as error:
        return "warning", str(error)
    except ReconcilerError as error:
        return "failed", str(error)
