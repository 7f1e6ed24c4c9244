"""What a pass would do now; nothing is changed."""

from datetime import datetime

from reconciler.agent.engine.seam import Engine
from reconciler.agent.orders.known import Known
from reconciler.agent.passes.last_good import admitted, choose, chosen_state, last_good_state
from reconciler.agent.settings.config import Config
from reconciler.agent.state.journal import Journal
from reconciler.errors import ReconcilerError
from reconciler.planning import Plan, make_plan


def make_preview(config: Config, known: Known, engine: Engine, journal: Journal, now: datetime) -> Plan:
    """The plan of a pass by what is known. Raises what the pass would report."""
    memory = journal.memory
    desired = known.rendered.desired or last_good_state(config.device, memory)
    if desired is None:
        raise known.rendered.error or ReconcilerError("nothing is trusted yet")
    memory = admitted(memory, known.admission, config.real)
    choices = choose(desired, known.revision(config.branch), memory, now.timestamp())
    return make_plan(chosen_state(desired, choices), engine.observe(config.device))
