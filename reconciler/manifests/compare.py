"""Two revisions of one fleet: for each device, the apps that could have become something else, and only those rendered.

What an app becomes hangs on its files, its patches and the variables that it mentions. Where these are the same in both
revisions, so is the app, and neither side needs to be rendered.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from reconciler.errors import ManifestError
from reconciler.manifests.apps import remember
from reconciler.manifests.compose.variables import DEVICE_VARIABLE
from reconciler.manifests.documents import Patch
from reconciler.manifests.explain import setters_of
from reconciler.manifests.mentions import Mention
from reconciler.manifests.reasons import Reason, arrival, departure, reasons_of, side_of
from reconciler.manifests.render import FleetFiles, Readings, Rendering, Wanted
from reconciler.model import App
from reconciler.model.tree import SECRETS, Tree, files_under
from reconciler.reading import Problems, plain


@dataclass(frozen=True, slots=True)
class Pair:
    """What is asked of one device in two revisions; nothing before for one that is new, or could not be rendered."""

    before: Wanted | None
    after: Wanted

    @property
    def apps(self) -> frozenset[str]:
        """Every app of either side."""
        return frozenset(self.after.apps) | frozenset(self.before.apps if self.before else ())


class Comparison:
    """Two revisions, which share what says the same in both."""

    def __init__(self, before: Tree, after: Tree) -> None:
        readings = Readings()
        self.before, self.after = FleetFiles(before, readings), FleetFiles(after, readings)
        self._same_files: dict[str, bool] = {}
        self._alike: dict[tuple[int, int], bool] = {}
        self._reasons: dict[object, tuple[Reason, ...]] = {}

    def names(self) -> list[str]:
        """The devices of either revision. Raises ManifestError when those of the new one cannot be told."""
        return sorted(self.after.device_paths.keys() | self.known_before)

    @cached_property
    def known_before(self) -> Collection[str]:
        """The devices of the old revision; none, when its files are too broken for any."""
        try:
            _ = self.before.fleet, self.before.layers
            return self.before.device_paths.keys()
        except ManifestError:
            return frozenset()

    def pair(self, name: str) -> Pair:
        """Both sides of a device of the new revision. Raises ManifestError, UnknownDevice for the new side."""
        before = self._wanted_before(name) if name in self.known_before else None
        return Pair(before, self.after.wanted(name, like=before))

    def _wanted_before(self, name: str) -> Wanted | None:
        try:
            return self.before.wanted(name)
        except ManifestError:
            return None

    def differing(self, pair: Pair) -> frozenset[str]:
        """The apps that could be something else now."""
        return frozenset(app for app in pair.apps if not self._is_same(app, pair))

    def touched(self, pair: Pair, chosen: Collection[str], asked: Collection[Mention]) -> frozenset[str]:
        """Those of the other apps that name one of these things, or a container as a chosen app does."""
        names = frozenset(asked) | self._containers(self.after, pair.after, chosen)
        if pair.before is not None:
            names |= self._containers(self.before, pair.before, chosen)
        return frozenset(app for app in pair.apps if app not in chosen and self._touches(app, pair.after, names))

    def render(self, pair: Pair, chosen: Collection[str]) -> tuple[Rendering | None, Rendering]:
        """Both sides of these apps; the others count as untouched."""
        before = self.before.render_apps(pair.before, chosen) if pair.before else None
        return before, self.after.render_apps(pair.after, chosen)

    def reasons(self, pair: Pair, name: str, old: App | None, new: App | None) -> tuple[Reason, ...]:
        """Why an app of the device is another one. Devices with the same documents and variables share the answer."""
        if new is None:
            return (departure(name, pair.before),) if pair.before and name not in pair.after.apps else ()
        if old is None or pair.before is None:
            return (arrival(name, pair.after),)
        key = self._reasons_key(pair, old, new)
        if key not in self._reasons:
            before, after = side_of(self.before, pair.before, old), side_of(self.after, pair.after, new)
            found = tuple(reasons_of(before, after)) if before and after else ()
            if key is None:
                return found
            remember(self._reasons, key, found)
        return self._reasons[key]

    def _reasons_key(self, pair: Pair, old: App, new: App) -> object:
        """What the reasons hang on; None when it is of one device alone."""
        before, after = pair.before, pair.after
        if before is None or not all(
            patch.is_shared for patch in (*before.patches[old.name], *after.patches[new.name])
        ):
            return None
        if any(file.secret for file in new.configs):
            # Each device has a file of its own.
            return None
        patches = tuple(map(id, before.patches[old.name])), tuple(map(id, after.patches[new.name]))
        services = tuple(service.name for service in new.services if service != old.service(service.name))
        if before.variables is after.variables:
            return new.name, patches, services, ()
        return new.name, patches, services, self._setters(pair)

    def _setters(self, pair: Pair) -> tuple[object, ...]:
        """The variables that have other values now, with the places that set them."""
        old, new = pair.before, pair.after
        if old is None:
            return ()
        names = {
            name for name in {**old.variables, **new.variables} if old.variables.get(name) != new.variables.get(name)
        }
        first, then = setters_of(old.sources), setters_of(new.sources)
        return tuple((name, tuple(first.get(name, ())), tuple(then.get(name, ()))) for name in sorted(names))

    def _containers(self, files: FleetFiles, wanted: Wanted, chosen: Collection[str]) -> frozenset[Mention]:
        found = (
            files.apps.mentions(app, wanted.apps[app], wanted.patches[app]) for app in chosen if app in wanted.apps
        )
        return frozenset(name for one in found if one is not None for name in one.containers(wanted.variables))

    def _touches(self, app: str, wanted: Wanted, asked: frozenset[Mention]) -> bool:
        mentions = self.after.apps.mentions(app, wanted.apps[app], wanted.patches[app])
        return mentions is not None and mentions.touch(asked, wanted.variables)

    def _is_same(self, app: str, pair: Pair) -> bool:
        old, new = pair.before, pair.after
        if old is None or app not in old.apps or app not in new.apps or not self._has_same_files(app, new):
            return False
        if (self._all_secrets_changed or new.device.name in self._new_secrets_for) and self._may_be_sealed(app, new):
            return False
        if old is new:
            return True
        if not self._are_alike(old.patches[app], new.patches[app]):
            return False
        if old.variables == new.variables:
            return True
        patched = self.after.apps.patched(app, new.apps[app], new.patches[app], Problems())
        return patched is not None and patched.values(old.variables) == patched.values(new.variables)

    @cached_property
    def _changed_secrets(self) -> frozenset[str]:
        old, new = self.before.tree, self.after.tree
        paths = {*files_under(old, SECRETS), *files_under(new, SECRETS)}
        return frozenset(path for path in paths if old.get(path) != new.get(path))

    @cached_property
    def _all_secrets_changed(self) -> bool:
        return any(not path.endswith(".age") for path in self._changed_secrets)

    @cached_property
    def _new_secrets_for(self) -> frozenset[str]:
        """The devices that a sealed file of their own changed for."""
        return frozenset(path.rpartition("/")[2].removesuffix(".age") for path in self._changed_secrets)

    def _may_be_sealed(self, app: str, wanted: Wanted) -> bool:
        """Might the app use a sealed secret? Its document says so, as if it mentioned the device."""
        patched = self.after.apps.patched(app, wanted.apps[app], wanted.patches[app], Problems())
        return patched is None or patched.variables is None or DEVICE_VARIABLE in patched.variables

    def _has_same_files(self, app: str, wanted: Wanted) -> bool:
        if app not in self._same_files:
            self._same_files[app] = self.after.apps.is_same(app, wanted.apps[app], self.before.apps)
        return self._same_files[app]

    def _are_alike(self, old: Iterable[Patch], new: Iterable[Patch]) -> bool:
        old, new = tuple(old), tuple(new)
        return len(old) == len(new) and all(map(self._is_alike, old, new))

    def _is_alike(self, old: Patch, new: Patch) -> bool:
        """Does it the same, wherever in its file it stands?"""
        if old is new:
            return True
        if not (old.is_shared and new.is_shared):
            return _told(old) == _told(new)
        key = (id(old), id(new))
        if key not in self._alike:
            self._alike[key] = _told(old) == _told(new)
        return self._alike[key]


def _told(patch: Patch) -> tuple[object, ...]:
    # As text, because to Python 1, 1.0 and true are equal.
    return patch.app, patch.service, patch.is_merge, patch.optional, patch.is_shared, repr(plain(patch.body))
