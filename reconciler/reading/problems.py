"""Collects everything that is wrong in one run, so that nobody has to fix and try one error at a time."""

from collections.abc import Mapping

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.model import Place
from reconciler.reading.node import Node


class Problems:
    """The problems found so far; the one changing thing in this room, local to one rendering."""

    def __init__(self, hidden: Mapping[str, str] | None = None) -> None:
        # Values of variables, by value: a message shows their names, because it goes further than the files.
        self._hidden = sorted((hidden or {}).items(), key=lambda pair: -len(pair[0]))
        # A mapping, for its order and because a hostile file has one problem in every line.
        self._found: dict[Problem, None] = {}

    def add(self, place: Place | str, what: str, advice: str = "", kind: ProblemKind = ProblemKind.RULE) -> None:
        for value, name in self._hidden:
            # Shorter ones are no secrets, and would be found inside of words.
            if len(value) > 3:
                what, advice = what.replace(value, f"${{{name}}}"), advice.replace(value, f"${{{name}}}")
        self._found.setdefault(Problem(str(place), what, advice, kind))

    def expected(self, node: Node, name: str, wanted: str, advice: str = "") -> None:
        """`name` must be `wanted`, and is something else."""
        self.add(node.place, f"`{name}` must be {wanted}, not {node.kind}", advice)

    def extend(self, problems: "tuple[Problem, ...]") -> None:
        self._found.update(dict.fromkeys(problems))

    @property
    def found(self) -> tuple[Problem, ...]:
        return tuple(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises ManifestError with all of them, if there are any."""
        if self._found:
            raise ManifestError(self.found)
