"""After a plan was performed on a real Engine, the next plan is empty: nothing that runs is taken for a difference.

A sample by default, of projects that use different keys; with SOAK=1, the whole corpus.
"""

import os
from pathlib import Path

import pytest

from reconciler.agent.docker_engine import DockerEngine
from reconciler.errors import ReconcilerError
from reconciler.model import DesiredState
from reconciler.planning import ConnectNetwork, CreateContainer, PullImage, RestartContainer, Step, make_plan
from tests.like_compose.left_out import CANNOT_RUN, MAY_NOT_RUN, NOT_CREATED
from tests.like_compose.projects import DEVICE, READ, STARTING, desired_of, watched_for

pytestmark = [pytest.mark.docker, pytest.mark.slow]

# Longer than what exits at once takes to exit.
WATCHED_SECONDS = 1.0
SAMPLE = """
    configs-from-files depends-on-with-all-conditions devices-in-all-forms mac-address-of-a-service
    namespaces-of-host-and-services networks-with-all-fields not-run-volumes-that-are-external ports-with-ranges
    stack-of-a-pipeline-with-one-shot-jobs sysctls-in-both-forms volumes-anonymous volumes-at-the-top-with-all-fields
""".split()
CASES = [folder for folder in READ if os.environ.get("SOAK") or folder.name in SAMPLE]
# What may be left to do of a project that was made and does not run.
NOT_RUNNING = (*STARTING, RestartContainer)
NOT_MADE = (*NOT_RUNNING, PullImage, CreateContainer, ConnectNetwork)


def test_the_lists_name_projects_of_the_corpus() -> None:
    names = {folder.name for folder in READ}
    assert {*SAMPLE, *NOT_CREATED, *CANNOT_RUN, *MAY_NOT_RUN} <= names
    assert CANNOT_RUN.keys().isdisjoint(MAY_NOT_RUN)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_second_plan_is_empty(project: Path, engine: DockerEngine, kind: str) -> None:
    desired = watched_for(WATCHED_SECONDS, desired_of(project))
    failed = perform(desired, engine)
    rest = list(make_plan(desired, engine.observe(DEVICE)))
    if not failed:
        assert rest == []
        assert project.name not in CANNOT_RUN, "it runs: take it off the list"
        return
    reason = why_not(project.name, kind)
    assert reason, failed
    allowed = NOT_MADE if project.name in NOT_CREATED else NOT_RUNNING
    assert [step for step in (*(step for step, _ in failed), *rest) if not isinstance(step, allowed)] == []
    if project.name not in CANNOT_RUN:
        pytest.skip(f"does not run here: {reason}")


def perform(desired: DesiredState, engine: DockerEngine) -> list[tuple[Step, str]]:
    """Perform a whole plan, but nothing more of what failed; the steps that failed, and why.

    Nothing is pulled: what is not there is in no registry either.
    """
    failed: list[tuple[Step, str]] = []
    for step in make_plan(desired, engine.observe(DEVICE)):
        if step.subject in {earlier.subject for earlier, _ in failed} or isinstance(step, PullImage):
            continue
        try:
            engine.perform(step)
        except ReconcilerError as error:
            failed.append((step, str(error)))
    return failed


def why_not(name: str, kind: str) -> str:
    """The reason that the lists give for a project that does not run on this Engine."""
    without = NOT_CREATED.get(name)
    if without and kind in without.engines:
        return without.why
    return CANNOT_RUN.get(name) or MAY_NOT_RUN.get(name, "")
