"""What Git says, judged by the rules of the device's mode, and rendered for this device: all that needs much memory."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import reconciler
from reconciler.admission import Admission
from reconciler.agent.orders.image_signatures import ImageSignatures
from reconciler.agent.orders.known import Known, Obtained, Rendered, unasked
from reconciler.agent.orders.source import Source
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Trusted
from reconciler.agent.versions.code import code_home
from reconciler.agent.versions.unpacked import Versions
from reconciler.agent.versions.updating import told
from reconciler.errors import GitError, ManifestError, Problem, ReconcilerError, StateError, UpdateRefused
from reconciler.manifests import FleetFiles
from reconciler.model import Fact
from reconciler.model.tree import wheel_path
from reconciler.repository import Mirror

log = logging.getLogger("reconciler")


class DirectOrders:
    """Worked out in this process."""

    def __init__(  # the parts that they are made of, handed in by the command line and by tests
        self,
        config: Config,
        source: Source,
        mirror: Mirror,
        journal: Journal,
        *,
        signatures: ImageSignatures | None = None,
        identity: Identity | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config, self._source, self._mirror, self._journal = config, source, mirror, journal
        self._signatures, self._identity, self._clock = signatures, identity, clock

    def obtain(self, bundle: Path | None = None, *, is_fetched: bool = False) -> Known:
        """As all Orders; or out of this bundle, as if it were the server."""
        known = self._known(self._source.obtain(self._clock(), bundle, is_fetched=is_fetched))
        if _is_unreadable(known) and self._mirror.renew_if_damaged():
            log.warning("store    it was damaged, and is fetched anew")
            known = self._known(self._source.obtain(self._clock(), bundle))
        self._mirror.tidy()
        return known

    def recall(self) -> Known | None:
        try:
            trusted = self._journal.trusted
            facts = (Fact("Trusted", True, "Kept", "not asked yet"), Fact("Fresh", None, "NotAsked", ""))
            return self._known(Obtained("", trusted, facts), asks=False) if trusted is not None else None
        except StateError as error:
            # What ran well before stands elsewhere, and may go on.
            return unasked(error, self._config.allow)

    def look(self, *, fetch: bool) -> Known:
        """As `obtain`, for a preview: nothing is remembered. Raises what there is to say when nothing is trusted."""
        obtained = self._source.look(self._clock(), fetch=fetch)
        if obtained.trusted is None:
            raise obtained.errors[0] if obtained.errors else ReconcilerError("nothing is trusted yet")
        for error in obtained.errors:
            log.warning("%s", error)
        admission = self._source.admission(self._config.device, self._config.allow)
        known = Known(obtained, self._render(obtained.trusted, admission, asks=fetch), admission)
        if known.rendered.error is not None:
            log.warning("%s", known.rendered.error)
        return known

    def _known(self, obtained: Obtained, *, asks: bool = True) -> Known:
        try:
            admission = self._source.admission(self._config.device, self._config.allow)
        except StateError as error:
            # Nothing new is let in; what runs was let in before, and goes on being healed.
            problem = Problem(error.where, error.what, error.advice)
            nothing = Rendered(None, (problem,), error) if obtained.trusted is not None else Rendered(None)
            return Known(obtained, nothing, Admission(self._config.allow))
        rendered = self._render(obtained.trusted, admission, asks=asks)
        # Who is refused now starts no new program by an old word.
        is_refused = any(fact.type == "Trusted" and fact.status is False for fact in obtained.facts)
        update, fact = (None, None) if is_refused else self._update(obtained.trusted, rendered)
        if fact is not None:
            obtained = replace(obtained, facts=(*obtained.facts, fact))
        return Known(obtained, rendered, admission, update)

    def _update(self, trusted: Trusted | None, rendered: Rendered) -> tuple[str | None, Fact | None]:
        """The version of the reconciler itself that Git wants, unpacked and ready, and what there is to say of it."""
        if trusted is None or rendered.desired is None:
            return None, None
        wanted = rendered.desired.reconciler
        if not wanted:
            return "", None
        if wanted == reconciler.__version__:
            return None, Fact("Updated", True, "Running", wanted)
        if not self._config.updates.allowed:
            denied = f"{wanted} is wanted, and `updates.reconciler` in the settings of the device does not allow it"
            return None, Fact("Updated", False, "NotAllowed", denied)
        versions, path = Versions(self._config.state), wheel_path(wanted)
        try:
            wheel = self._mirror.named(trusted.commit, [path])[path]
            if not wheel:
                raise UpdateRefused("it is not there, or too big", where=path, advice="put the wheel there")
            name = versions.store(wanted, wheel)
        except ReconcilerError as error:
            return None, Fact("Updated", False, "UpdateRefused", str(error))
        versions.sweep({name, self._journal.updates.proven, versions.name_of(code_home())})
        return name, told(wanted, self._journal.updates.failed.get(name))

    def _render(self, trusted: Trusted | None, admission: Admission, *, asks: bool) -> Rendered:
        """What a commit says of this device. Registries are asked for signatures of images, or only remembered."""
        if trusted is None:
            return Rendered(None)
        try:
            fleet = FleetFiles(self._mirror.files(trusted.commit, self._config.device))
            rendering = fleet.render(self._config.device)
            if self._identity is not None and rendering.device.identity:
                self._identity.settle(rendering.device.identity)
            if self._signatures is not None:
                images = (service.image for app in rendering.desired.apps for service in app.services)
                known = self._signatures.known(admission.images, images, asks=asks)
                admission = replace(admission, images=known)
            rendering = fleet.admit(rendering, admission, self._config.real)
        except ManifestError as error:
            return Rendered(None, error.problems, error)
        except ReconcilerError as error:
            return Rendered(None, (Problem(error.where, error.what, error.advice),), error)
        broken = ManifestError(rendering.problems) if rendering.problems else None
        return Rendered(rendering.desired, rendering.problems, broken)


def _is_unreadable(known: Known) -> bool:
    """Did git fail at what was fetched? A server that is away has an error of its own, and so has a bad tree."""
    return any(type(error) is GitError for error in (*known.obtained.errors, known.rendered.error))
