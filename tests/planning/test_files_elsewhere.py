"""A container keeps the paths that it was made with: where the folder of configs is another, it is made anew."""

from dataclasses import replace

from workbench import DEVICE, applied, desired

from reconciler.planning import CreateContainer, make_plan
from tests.fakes.engine import FakeEngine

STATE = desired({"shop": {"services": {"web": {"image": "web", "configs": ["words"]}},
                          "configs": {"words": {"content": "hello"}}}})  # fmt: skip


def test_a_container_whose_files_lie_elsewhere_is_made_anew() -> None:
    engine = FakeEngine()
    observed = applied(STATE, engine).observe(DEVICE)
    assert not make_plan(STATE, observed)
    (container,) = observed.containers
    elsewhere = replace(observed, containers=(replace(container, files=frozenset()),))
    (made,) = (step for step in make_plan(STATE, elsewhere) if isinstance(step, CreateContainer))
    assert made.cause == "mounts changed"


def test_a_file_that_changes_in_place_is_not_looked_for_there() -> None:
    service = {"image": "web", "configs": ["words"], "x-reload": "SIGHUP"}
    state = desired({"shop": {"services": {"web": service}, "configs": {"words": {"content": "hello"}}}})
    assert not make_plan(state, applied(state, FakeEngine()).observe(DEVICE))
