"""A device without a machine: our agent as it is, with settings, key, state and real Git, on an Engine in memory.

Whatever of the agent's inside a simulation needs stands in this file.
"""

from pathlib import Path

from reconciler.agent.errands.delivery import encode
from reconciler.agent.orders.known import Known
from reconciler.agent.passes.build import build
from reconciler.agent.settings.config import load_config
from reconciler.agent.state.journal import Journal
from reconciler.errors import ReconcilerError
from signing import PublicKey, write_new_key
from tests.fakes.engine import FakeEngine

_SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {{name: {name}}}
spec:
  remote: {{url: '{fleet}', tokenFile: token}}
  interval: 60s
  trust: {{mode: commits, allowedSigners: ../allowed_signers}}
  identity: identity
  state: state
  status: {{transport: {transport}, remote: {{url: '{reports}', tokenFile: token}}}}
"""


class SimulatedDevice:
    """One device in a folder of its own, beside the file of those whom all obey."""

    def __init__(self, folder: Path, name: str, token: str) -> None:
        self.folder, self.name = folder, name
        self.engine = FakeEngine(name)
        folder.mkdir(parents=True)
        (folder / "token").write_text(token)
        self.identity: PublicKey = write_new_key(folder / "identity", name)
        self._journal = Journal(folder / "state")
        self._known: Known | None = None

    def settle_in(self, fleet: str, reports: str, transport: str = "ref") -> None:
        """Take its settings, or other ones: the repository that it obeys, and where and how it reports."""
        settings = self.folder / "config.yaml"
        text = _SETTINGS.format(name=self.name, fleet=fleet, reports=reports, transport=transport)
        settings.write_text(text)
        self._reconciler = build(load_config(settings), self._journal, self.engine)

    def converge(self) -> str:
        """A pass without its last step: fetch, verify, render, apply, write the report down. The phase."""
        self._known = self._reconciler.obtain()
        return self._reconciler.converge(self._known, is_full=True).report.phase

    def suffer(self) -> str:
        """A container dies; the device heals it without asking Git, and has something to report. The phase."""
        assert self._known is not None
        self.engine.kill(next(iter(self.engine.boxes)))
        return self._reconciler.converge(self._known).report.phase

    def send(self) -> ReconcilerError | None:
        """The last step: sign the report and push it; the error when it has to wait."""
        return self._reconciler.send()

    @property
    def report(self) -> bytes:
        """The newest report, as it shall lie on the branch."""
        recorded = self._journal.reported
        return encode(recorded.report) if recorded else b""
