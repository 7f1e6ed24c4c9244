"""What is left of a try when some of its apps came back."""

from reconciler.agent.perform import Performed
from reconciler.errors import ReconcilerError


def test_every_app_that_came_back_loses_its_failure_also_out_of_a_generator() -> None:
    first = Performed(failures={name: ReconcilerError(name) for name in ("a", "b", "c")})
    left = first.without_failures(name for name in ("a", "b"))
    assert list(left.failures) == ["c"]
