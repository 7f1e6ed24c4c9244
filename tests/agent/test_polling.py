"""When an agent that sits idle sends an errand, and when what it knows is still true. Real Git, a clock by hand."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from soak_rig import Rig

from reconciler.admission import Admission
from reconciler.agent.errands.polling import LOOK_AGAIN_SECONDS, TROUBLE_MOST_SECONDS, PolledOrders
from reconciler.agent.orders.known import Known, Obtain
from reconciler.agent.settings.trust_settings import REPOSITORY
from reconciler.errors import ConfigError, ErrandFailed, ReconcilerError, Relayed
from reconciler.repository import Mirror, Remote


class Errands:
    """Done at once, in this process; each is counted, and the next one may fail."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.sent, self.prepares = rig, 0, 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.fails: ReconcilerError | None = None

    def recall(self) -> Known | None:
        return self._done(self.rig.reconciler._orders.recall)

    @contextmanager
    def prepared(self) -> Iterator[Obtain]:
        self.prepares += 1
        yield self.obtain

    def obtain(self, *, is_fetched: bool = False) -> Known:
        return self._done(self.rig.reconciler._orders.obtain)

    def _done(self, act: Callable[[], Known | None]) -> Known:
        self.sent += 1
        self.meanwhile, meanwhile = (lambda: None), self.meanwhile
        meanwhile()
        if self.fails is not None:
            raise self.fails
        return act()  # type: ignore[return-value]


class Desk:
    """A device that polls, and its clock."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        mirrors: tuple[Remote, ...] = (),
        allow: frozenset[str] = frozenset(),
    ) -> None:
        self.rig, self.now = Rig(folder, monkeypatch, seed=1), 0.0
        self.errands = Errands(self.rig)
        self.config = replace(self.rig.reconciler._config, mirrors=mirrors, allow=allow)
        self.orders = self.boot()
        self.server = self.rig.git.git.git_dir

    def boot(self) -> PolledOrders:
        remote, mirrors = self.config.remote, self.config.mirrors
        mirror = Mirror(self.rig.folder / "state" / "repository.git", remote, "main", others=mirrors)
        return PolledOrders(self.config, self.errands, mirror, lambda: self.now)

    def polls(self, seconds: float = 60.0) -> tuple[Known, int]:
        """What is known by the poll so much later, and how many errands it took."""
        before = self.errands.sent
        self.now += seconds
        return self.orders.obtain(), self.errands.sent - before


def reasons(known: Known) -> dict[str, str]:
    return {fact.type: fact.reason for fact in known.obtained.facts}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path, monkeypatch)
    assert made.polls()[1] == 1
    return made


def test_nothing_new_takes_no_errand(desk: Desk) -> None:
    first, _ = desk.polls()
    for _ in range(5):
        assert desk.polls() == (first, 0)
    assert first.obtained.errors == ()


def test_a_commit_takes_one_errand(desk: Desk) -> None:
    desk.rig.commit("New")
    known, sent = desk.polls()
    assert (known.obtained.trusted.commit, sent) == (desk.rig.git.main, 1)  # type: ignore[union-attr]
    assert desk.polls()[1] == 0


@pytest.mark.parametrize("name", ["allowed_signers", "revoked_keys", "forge_keys", "identity", "identity.next"])
def test_each_file_by_which_is_judged_counts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, monkeypatch)
    trust = replace(
        desk.orders._config.trust,
        allowed_signers=tmp_path / "allowed_signers",
        revoked_keys=tmp_path / "revoked_keys",
        forge_keys=tmp_path / "forge_keys",
    )
    desk.orders._config = replace(desk.orders._config, trust=trust, identity=tmp_path / "identity")
    assert [desk.polls()[1] for _ in range(2)] == [1, 0]
    assert desk.errands.prepares == 1
    (tmp_path / name).write_text("x")
    assert [desk.polls()[1] for _ in range(2)] == [1, 0]
    (tmp_path / name).chmod(0o666)
    assert [desk.polls()[1] for _ in range(2)] == [1, 0], "others may write it now"


def test_approvals_take_an_errand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, monkeypatch)
    trust = replace(desk.orders._config.trust, policy=REPOSITORY)
    desk.orders._config = replace(desk.orders._config, trust=trust)
    assert [desk.polls()[1] for _ in range(2)] == [1, 0]
    desk.rig.git.document({"approvals/x": b"y"})
    assert [desk.polls()[1] for _ in range(2)] == [1, 0]


def test_keys_that_changed_take_one_errand(desk: Desk) -> None:
    keys = desk.rig.folder / "keys"
    keys.write_text(keys.read_text().splitlines()[1] + "\n")
    known, sent = desk.polls()
    assert sent == 1
    assert [fact.reason for fact in known.obtained.facts if fact.type == "Trusted"] == ["TRUST_LOST"]


def test_keys_of_the_same_size_and_time_that_are_another_file_are_seen(desk: Desk) -> None:
    keys = desk.rig.folder / "keys"
    times = keys.stat()
    beside = keys.with_name("keys.new")
    beside.write_bytes(keys.read_bytes())
    os.utime(beside, ns=(times.st_atime_ns, times.st_mtime_ns))
    beside.rename(keys)
    assert desk.polls()[1] == 1


def test_somebody_who_asks_gets_an_errand_and_only_one(desk: Desk) -> None:
    desk.orders.insist()
    assert [desk.polls()[1] for _ in range(2)] == [1, 0]


def test_while_the_server_is_away_what_was_known_holds_and_no_errand_goes(desk: Desk) -> None:
    before, _ = desk.polls()
    desk.server.rename(desk.server.with_name("away"))
    for _ in range(3):
        known, sent = desk.polls()
        assert (sent, known.rendered, known.admission) == (0, before.rendered, before.admission)
        assert known.obtained.is_cut_off
        assert {fact.type: (fact.status, fact.reason) for fact in known.obtained.facts} == {
            "Trusted": (True, "Kept"),
            "Fresh": (False, "RemoteUnavailable"),
        }
    desk.server.with_name("away").rename(desk.server)
    assert desk.polls() == (before, 0)


def test_what_was_refused_is_refused_while_the_server_is_away(desk: Desk) -> None:
    keys = desk.rig.folder / "keys"
    keys.write_text(keys.read_text().splitlines()[1] + "\n")
    desk.polls()
    desk.server.rename(desk.server.with_name("away"))
    known, sent = desk.polls(1)
    assert (sent, {fact.type: fact.reason for fact in known.obtained.facts}) == (
        0,
        {"Trusted": "TRUST_LOST", "Fresh": "RemoteUnavailable"},
    )


def test_an_errand_that_found_nobody_there_says_nothing_of_later(desk: Desk) -> None:
    """The agent's own fetch had an answer, and the errand's had none: a busy server, or a bad link."""
    desk.polls()
    desk.rig.commit("New")
    desk.errands.meanwhile = lambda: desk.server.rename(desk.server.with_name("away"))
    known, _ = desk.polls()
    desk.server.with_name("away").rename(desk.server)
    assert known.obtained.is_cut_off
    known, sent = desk.polls()
    assert (sent, known.obtained.is_cut_off) == (1, False)
    for _ in range(4):
        assert desk.polls(LOOK_AGAIN_SECONDS)[1] == 1
    assert desk.orders._troubles == 0


def test_a_fetch_that_fails_otherwise_is_judged_ever_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a branch that is not there yet: nobody has to hear of it at each poll."""
    desk = Desk(tmp_path, monkeypatch)
    desk.rig.git.git.run("update-ref", "-d", "refs/heads/main")
    assert 3 <= sum(desk.polls(61)[1] for _ in range(20)) <= 7


def test_a_fetch_that_begins_to_fail_is_told_at_once(desk: Desk) -> None:
    """What was found well says nothing of a branch that is gone; and then not at each poll."""
    desk.polls()
    tip = desk.rig.git.main
    desk.rig.git.git.run("update-ref", "-d", "refs/heads/main")
    known, sent = desk.polls()
    assert (sent, reasons(known)) == (1, {"Trusted": "Kept", "Fresh": "UnknownRevision"})
    assert not known.is_from_git
    assert [desk.polls(61)[1] for _ in range(3)] == [1, 0, 1]
    desk.rig.git.git.run("update-ref", "refs/heads/main", tip)
    known, sent = desk.polls(1)
    assert (sent, reasons(known)) == (1, {"Trusted": "Verified", "Fresh": "Fetched"})


def test_a_start_without_a_server_takes_no_errand_to_it(desk: Desk) -> None:
    desk.polls()
    desk.server.rename(desk.server.with_name("away"))
    desk.orders = desk.boot()
    before = desk.orders.recall()
    assert before is not None
    known, sent = desk.polls(1)
    assert (sent, known.rendered) == (0, before.rendered)
    assert reasons(known) == {"Trusted": "Kept", "Fresh": "RemoteUnavailable"}


def test_an_agent_that_could_not_recall_tries_again_while_the_server_is_away(desk: Desk) -> None:
    desk.polls()
    desk.server.rename(desk.server.with_name("away"))
    desk.orders = desk.boot()
    desk.errands.fails = ErrandFailed("out of memory")
    known = desk.orders.recall()
    assert known is not None
    assert reasons(known) == {"Trusted": "ErrandFailed", "Fresh": "NotAsked"}
    assert (known.rendered.desired, known.admission) == (None, Admission(desk.config.allow))
    assert reasons(desk.polls()[0])["Fresh"] == "RemoteUnavailable"
    desk.errands.fails = None
    known, sent = desk.polls()
    assert (sent, known.rendered.desired is None) == (1, False)


def test_without_a_word_of_what_was_trusted_what_ran_well_is_healed(desk: Desk) -> None:
    """At a start, before Git was asked: its server may be away for long."""
    desk.rig.reconciler.reconcile()
    (desk.rig.folder / "state" / "trusted.json").write_text("{")
    for box in list(desk.rig.engine.boxes.values()):
        desk.rig.engine.kill(box.id)
    known = desk.boot().recall()
    assert known is not None
    result = desk.rig.reconciler.converge(known, is_full=True)
    assert reasons(known) == {"Trusted": "TRUST_STATE", "Fresh": "NotAsked"}
    assert all(box.is_up for box in desk.rig.engine.boxes.values())
    assert result.steps


def test_an_errand_that_fails_at_first_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the device allows is in its settings: good states that need it are not forgotten."""
    desk = Desk(tmp_path, monkeypatch, allow=frozenset({"privileged"}))
    desk.errands.fails = ErrandFailed("out of memory")
    known, _ = desk.polls()
    assert known.admission == Admission(frozenset({"privileged"}))
    assert reasons(known) == {"Trusted": "ErrandFailed", "Fresh": "NotAsked"}


def test_with_mirrors_an_errand_finds_one_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy.git"
    desk = Desk(tmp_path, monkeypatch, (Remote(f"file://{copy}"),))
    desk.polls()
    desk.server.rename(copy)
    # Each time: whether the mirror moved, only an errand can tell.
    assert [desk.polls()[1] for _ in range(2)] == [1, 1]


def test_what_is_wrong_is_looked_at_again_ever_later_and_at_once_when_it_changes(desk: Desk) -> None:
    desk.rig.images["app-0"] = ""
    desk.rig.commit("Broken")
    known, sent = desk.polls()
    assert (sent, bool(known.rendered.problems)) == (1, True)
    looks = [desk.polls(61)[1] for _ in range(60)]
    assert looks[:7] == [1, 0, 1, 0, 0, 0, 1], "after one, two and four intervals"
    assert sum(looks[30:]) == 30 * 61 // TROUBLE_MOST_SECONDS, "and then in each quarter of an hour"
    desk.rig.images["app-0"] = "good:1"
    desk.rig.commit("Mended")
    known, sent = desk.polls()
    assert (sent, known.rendered.problems) == (1, ())


def test_what_is_well_is_looked_at_again_after_an_hour(desk: Desk) -> None:
    assert desk.polls(LOOK_AGAIN_SECONDS - 61)[1] == 0
    assert desk.polls(61)[1] == 1


def test_an_errand_that_fails_changes_nothing_that_runs_and_is_sent_again(desk: Desk) -> None:
    before, _ = desk.polls()
    desk.rig.commit("New")
    desk.errands.fails = ErrandFailed("the errand `obtain` ended with -9")
    known, sent = desk.polls()
    assert (sent, known.rendered, known.obtained.trusted) == (1, before.rendered, before.obtained.trusted)
    assert [(f.status, f.reason) for f in known.obtained.facts if f.type == "Fresh"] == [(False, "ErrandFailed")]
    desk.errands.fails = None
    known, sent = desk.polls()
    assert (sent, known.obtained.trusted.commit) == (1, desk.rig.git.main)  # type: ignore[union-attr]


def test_at_a_start_what_only_people_can_mend_ends_it_and_nothing_else_does(desk: Desk) -> None:
    desk.errands.fails = Relayed("this device's key cannot be used", ConfigError.exit_code)
    with pytest.raises(Relayed, match="cannot be used"):
        desk.orders.recall()
    desk.errands.fails = ErrandFailed("out of memory")
    assert desk.orders.recall() is not None, "what it knew before"
