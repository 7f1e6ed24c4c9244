"""A disk that lost part of what was fetched: it is fetched anew, and what runs goes on until then."""

from pathlib import Path

import pytest
from soak_rig import Rig

from tests.fakes.stores import loose_object


def lose(rig: Rig, what: str) -> None:
    """An object of the commit that is obeyed is no more."""
    loose_object(rig.folder / "state/repository.git", f"{rig.git.main}:{what}").unlink()


@pytest.mark.parametrize("what", ["apps/app-0/compose.yaml", "fleet.yaml", "apps"])
def test_what_a_disk_lost_is_fetched_anew(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, seed=1)
    rig.step_quietly()
    lose(rig, what)
    rig.engine.forget(next(iter(rig.engine.boxes)))
    result = rig.reconciler.reconcile()
    assert result.errors == ()
    assert rig.is_well()
    assert (tmp_path / "state/repository.git.damaged").is_dir(), "for whoever looks into it"


def test_while_no_server_answers_what_ran_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, seed=1)
    rig.step_quietly()
    lose(rig, "apps")
    server = rig.git.git.git_dir
    server.rename(away := server.with_name("gone.git"))
    rig.engine.forget(next(iter(rig.engine.boxes)))
    rig.reconciler.reconcile()
    assert len(rig.engine.boxes) == len(rig.images), "healed, by what was last good"
    away.rename(server)
    rig.step_quietly()
    assert rig.is_well()
