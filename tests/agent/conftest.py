"""Fixtures of the room."""

from pathlib import Path

import pytest
from released_stage import Stage

from reconciler.agent.state.remembered import Trusted


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def released(stage: Stage) -> Stage:
    """A device that obeys release 1."""
    commit = stage.release(1)
    stage.publish()
    obtained = stage.obtain()
    assert obtained.trusted == Trusted(commit, "alice, bob", "", "main/1", obtained.trusted.tag_id)  # type: ignore[union-attr]
    return stage
