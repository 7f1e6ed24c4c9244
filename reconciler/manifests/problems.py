"""Collects everything that is wrong in one run, so that nobody has to fix and try one error at a time."""

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.manifests.node import Node
from reconciler.model import Place


class Problems:
    """The problems found so far; the one changing thing in this room, local to one rendering."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, place: Place | str, what: str, advice: str = "", kind: ProblemKind = ProblemKind.RULE) -> None:
        problem = Problem(str(place), what, advice, kind)
        if problem not in self._found:
            self._found.append(problem)

    def expected(self, node: Node, name: str, wanted: str, advice: str = "") -> None:
        """`name` must be `wanted`, and is something else."""
        self.add(node.place, f"`{name}` must be {wanted}, not {node.kind}", advice)

    def extend(self, problems: "tuple[Problem, ...]") -> None:
        self._found += [problem for problem in problems if problem not in self._found]

    @property
    def found(self) -> tuple[Problem, ...]:
        return tuple(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises ManifestError with all of them, if there are any."""
        if self._found:
            raise ManifestError(self._found)
