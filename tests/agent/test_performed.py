"""What is left of a try when some of its apps came back."""

import pytest

from reconciler.agent.passes.perform import Performed, perform
from reconciler.errors import EngineError, ReconcilerError, SealRefused
from reconciler.model import ConfigFile
from reconciler.planning import StartContainer, Step, WriteLive
from tests.fakes.engine import FakeEngine

WRITE = WriteLive("shop", "shop/web", "changed", "~shop/web/token", ConfigFile("0" * 64, b"", secret="token"), False)


def test_every_app_that_came_back_loses_its_failure_also_out_of_a_generator() -> None:
    first = Performed(failures={name: ReconcilerError(name) for name in ("a", "b", "c")})
    left = first.without_failures(name for name in ("a", "b"))
    assert list(left.failures) == ["c"]


class Refusing(FakeEngine):
    """Says no to what is written in place."""

    def __init__(self, error: ReconcilerError) -> None:
        super().__init__()
        self.error = error

    def perform(self, step: Step) -> None:
        if isinstance(step, WriteLive):
            raise self.error


@pytest.mark.parametrize(
    ("error", "before", "touched"),
    [
        (SealRefused("SEAL_NO_KEY", "it is for others"), (), frozenset()),
        (
            SealRefused("SEAL_NO_KEY", "it is for others"),
            (StartContainer("shop", "shop/db", "was exited", "db"),),
            {"shop"},
        ),
        (EngineError("no room"), (), {"shop"}),
    ],
    ids=["a secret that stays sealed", "behind another step", "another failure"],
)
def test_an_app_whose_secret_stays_sealed_need_not_go_back(
    error: ReconcilerError, before: tuple[Step, ...], touched: set[str]
) -> None:
    done = perform((*before, WRITE), Refusing(error))
    assert done.failures == {"shop": error}
    assert done.touched == touched
