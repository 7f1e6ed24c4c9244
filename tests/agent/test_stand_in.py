"""A device whose server is away, and another one has the fleet: it goes on, and says whom it asked."""

import shutil
from pathlib import Path

import pytest
from soak_rig import Rig

from reconciler.agent.settings.config import load_config
from reconciler.errors import ConfigError
from reconciler.model import ReportedCondition
from reconciler.repository import Mirror, Remote


def test_what_a_mirror_brings_is_obeyed_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, seed=1)
    bare, copy = rig.git.git.git_dir, tmp_path / "copy.git"
    rig.reconciler._orders._source._mirror = Mirror(  # type: ignore[attr-defined]
        rig.folder / "state/repository.git", Remote(f"file://{bare}"), "main", others=(Remote(f"file://{copy}"),)
    )
    rig.step_quietly()
    assert fresh(rig).reason == "Fetched"

    shutil.copytree(bare, copy)
    rig.images = dict.fromkeys(rig.images, "good:2")
    rig.commit("New images")
    rig.step_quietly()
    newest = rig.git.main
    bare.rename(tmp_path / "away.git")
    rig.step_quietly()
    assert (fresh(rig).status, fresh(rig).reason) == ("Unknown", "StandIn")
    assert str(copy) in fresh(rig).message
    assert newest in rig.reconciler._journal.reported.report.revisions.trusted, "the mirror is behind"  # type: ignore[union-attr]

    shutil.rmtree(copy)
    shutil.copytree(tmp_path / "away.git", copy)
    (tmp_path / "away.git").rename(bare)
    rig.images = dict.fromkeys(rig.images, "good:3")
    rig.commit("Newer images")
    shutil.rmtree(copy)
    bare.rename(copy)
    rig.step_quietly()
    assert {box.service.image for box in rig.engine.boxes.values()} == {"good:3"}


def fresh(rig: Rig) -> ReportedCondition:
    reported = rig.reconciler._journal.reported
    assert reported is not None
    return next(one for one in reported.report.conditions if one.type == "Fresh")


SETTINGS = "{{apiVersion: fleet/v1, kind: Agent, metadata: {{name: press}}, spec: {{remote: {}}}}}"


def test_mirrors_have_an_address_and_keys_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    ssh = "ssh://git@10.0.0.1/fleet.git"
    path.write_text(SETTINGS.format(
        "{url: 'https://a.example/f', mirrors: [{url: 'https://b.example/f', tokenFile: t}, {url: '" + ssh + "'}]}"
    ))  # fmt: skip
    first, second = load_config(path).mirrors
    assert (first.url, first.token_file) == ("https://b.example/f", tmp_path / "t")
    assert (second.url, second.key_file) == (ssh, tmp_path / "identity")


@pytest.mark.parametrize(
    "wrong",
    ["{url: 'https://a.example/f', mirrors: [{url: 'http://b.example/f'}]}",
     "{url: 'https://a.example/f', mirrors: [{url: 'https://b.example/f', branch: x}]}",
     "{url: 'https://a.example/f', mirrors: [x]}", "{url: 'https://a.example/f', mirrors: {}}"],
)  # fmt: skip
def test_a_mirror_that_is_wrong_is_told(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS.format(wrong))
    with pytest.raises(ConfigError):
        load_config(path)
