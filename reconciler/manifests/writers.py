"""Who of one tier writes which JSON pointer of a device's apps: two layers must not write the same place.

Nobody should have to know the order of their names. A place above or below is the same place: whoever replaces
`/environment` also writes `/environment/A`.
"""

from collections.abc import Iterable, Iterator

from reconciler.manifests.documents import Patch
from reconciler.model import Place
from reconciler.reading import Problems

_ADVICE = "two layers of one tier must not both write it: move one to another tier"


class Writers:
    """What the layers of one tier write, for one device; local to one rendering."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], Place] = {}
        # Above each written pointer: that pointer.
        self._above: dict[tuple[str, str], str] = {}

    def add(self, patches: Iterable[Patch], problems: Problems) -> None:
        """The patches of one more layer. Problems: what a layer before it writes too."""
        own = [(patch.app, pointer, place) for patch in patches for pointer, place in patch.writes]
        for app, pointer, place in own if self._written else ():
            self._check(app, pointer, place, problems)
        for app, pointer, place in own:
            self._written[app, pointer] = place
            for above in _above(pointer):
                # What is above it is there as well, then.
                if self._above.setdefault((app, above), pointer) != pointer:
                    break

    def _check(self, app: str, pointer: str, place: Place, problems: Problems) -> None:
        # Two that append to one list do not meet.
        if (app, pointer) in self._written and not pointer.endswith("/-"):
            what = f"{_told(app, pointer)} is also written at {self._written[app, pointer]}"
            problems.add(place, what, _ADVICE)
            return
        below = self._above.get((app, pointer))
        if below is not None:
            what = f"{_told(app, pointer)} holds `{below}`, which is written at {self._written[app, below]}"
            problems.add(place, what, _ADVICE)
        for above in _above(pointer):
            if (app, above) in self._written:
                what = f"{_told(app, pointer)} lies in what is written at {self._written[app, above]}"
                problems.add(place, what, _ADVICE)


def _told(app: str, pointer: str) -> str:
    return f"`{pointer}` of `{app}`" if pointer else f"the app `{app}`"


def _above(pointer: str) -> Iterator[str]:
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
