"""Who may write what decides whom a device obeys: root, and the user whom the agent runs as."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from checks_stage import CheckStage, found

from reconciler.agent.cli import main
from reconciler.agent.settings.config import load_config
from reconciler.agent.settings.settings_file import SettingsFile
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.owners import read_owned
from reconciler.errors import PermissionDenied

NOBODY = 65534
SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press}
spec: {remote: {url: https://git.example/fleet}, state: state}
"""
Harm = Callable[[Path], object]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")


def give(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


# What is done to a file, and which command mends it.
HARMS: dict[str, tuple[Harm, str]] = {
    "its group may write it": (lambda path: path.chmod(0o664), "chmod go-w {path}"),
    "others may write it": (lambda path: path.chmod(0o646), "chmod go-w {path}"),
    "the group of its folder may": (lambda path: path.parent.chmod(0o775), "chmod go-w {path.parent}"),
    "others may write its folder": (lambda path: path.parent.chmod(0o757), "chmod go-w {path.parent}"),
}
GIVEN: dict[str, tuple[Harm, str]] = {
    "it is of another user": (give, "chown root: {path}"),
    "its folder is of another user": (lambda path: give(path.parent), "chown root: {path.parent}"),
    "its sticky folder is": (
        lambda path: (path.parent.chmod(0o1777), give(path.parent)),
        "chown root: {path.parent}",
    ),
}
ALL = [*HARMS.items(), *GIVEN.items()]
CASES = [pytest.param(*case, id=name, marks=[needs_root] if name in GIVEN else []) for name, case in ALL]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "etc/config.yaml"
    path.parent.mkdir()
    path.write_text(SETTINGS)
    return path


@pytest.mark.parametrize(("harm", "mended"), CASES)
def test_settings_that_others_could_have_written_are_not_read(harm: Harm, mended: str, settings: Path) -> None:
    load_config(settings)
    harm(settings)
    with pytest.raises(PermissionDenied, match=f"say `{mended.format(path=settings)}`$") as caught:
        load_config(settings)
    assert caught.value.where in (str(settings), str(settings.parent))


def test_the_command_says_so_and_ends_with_the_code_of_files(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.chmod(0o666)
    assert main(["status", "--config", str(settings)]) == 50
    told = f"{settings}: others than its owner, user {os.geteuid()}, may write it; say `chmod go-w {settings}`"
    assert told in capsys.readouterr().err


def test_settings_that_others_wrote_do_not_take_hold_of_an_agent_at_work(
    settings: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = SettingsFile(settings)
    settings.write_text(SETTINGS.replace("state: state", "trust: {mode: unsafe-head}, state: state"))
    settings.chmod(0o666)
    with caplog.at_level(logging.ERROR):
        assert not known.has_newer(lambda _: None)
        assert not known.has_newer(lambda _: None)
    assert len(caplog.messages) == 1
    assert "the settings that were read before hold" in caplog.text
    settings.chmod(0o644)
    assert known.has_newer(lambda _: None)


def test_in_a_folder_where_nobody_replaces_files_of_others_the_file_itself_counts(settings: Path) -> None:
    settings.parent.chmod(0o1777)
    load_config(settings)
    settings.chmod(0o666)
    with pytest.raises(PermissionDenied, match=f"chmod go-w {settings}"):
        load_config(settings)


@needs_root
def test_files_of_the_user_who_runs_it_are_as_good_as_those_of_root(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    load_config(settings)
    give(settings)
    give(settings.parent)
    load_config(settings)


def test_settings_may_be_a_link_and_what_it_leads_to_is_guarded_as_well(settings: Path, tmp_path: Path) -> None:
    link = tmp_path / "config.yaml"
    link.symlink_to(settings)
    assert load_config(link).device == "press"
    settings.parent.chmod(0o777)
    with pytest.raises(PermissionDenied, match=f"chmod go-w {settings.parent}"):
        load_config(link)


@needs_root
def test_a_link_that_somebody_else_laid_is_not_followed(settings: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    link = tmp_path / "config.yaml"
    link.symlink_to(settings)
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(PermissionDenied, match=f"belongs to user {NOBODY}"):
        load_config(link)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(PermissionDenied, match="no regular file"):
        read_owned(tmp_path / "pipe")


# The state


@pytest.mark.parametrize(
    ("harm", "mended"),
    [
        pytest.param(give, "chown root: {path}", id="of another user", marks=needs_root),
        pytest.param(lambda path: path.chmod(0o770), "chmod go-w {path}", id="of a group"),
        # What lies in it is believed whoever made it, so that nobody can replace it does not help.
        pytest.param(lambda path: path.chmod(0o1777), "chmod go-w {path}", id="of all, and sticky"),
    ],
)
def test_a_state_folder_that_others_may_write_is_not_used(harm: Harm, mended: str, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    harm(folder)
    with pytest.raises(PermissionDenied, match=mended.format(path=folder)), Journal(folder).locked():
        pass
    assert list(folder.iterdir()) == []


def test_a_state_folder_may_be_read_by_others_and_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    with Journal(tmp_path / "state").locked():
        assert (tmp_path / "disk/lock").exists()


# reconciler check


@pytest.fixture
def at(tmp_path: Path) -> CheckStage:
    stage = CheckStage(tmp_path)
    for name in ("signers", "revoked", "forge", "ca.pem"):
        (tmp_path / name).touch()
    (tmp_path / "state").mkdir()
    remote = {"url": "https://git.acme.example/fleet.git", "caFile": "ca.pem"}
    trust = {"allowedSigners": "signers", "revokedKeys": "revoked", "forgeKeys": "forge"}
    stage.settings(remote=remote, trust=trust)
    return stage


def test_the_check_is_content_where_only_root_writes(at: CheckStage) -> None:
    assert found(at, "owners") == ("ok", "nobody else may write what is believed here")


@pytest.mark.parametrize("name", ["signers", "revoked", "forge", "state"])
def test_the_check_tells_what_others_may_write(name: str, at: CheckStage) -> None:
    (at.folder / name).chmod(0o777)
    verdict, told = found(at, "owners")
    assert (verdict, f"say `chmod go-w {at.folder / name}`" in told) == ("failed", True)


def test_the_check_tells_of_all_in_one_go(at: CheckStage) -> None:
    for name in ("forge", "state"):
        (at.folder / name).chmod(0o777)
    assert all(f"chmod go-w {at.folder / name}" in found(at, "owners")[1] for name in ("forge", "state"))


def test_the_check_warns_where_others_say_which_server_is_believed(at: CheckStage) -> None:
    (at.folder / "ca.pem").chmod(0o666)
    verdict, told = found(at, "owners")
    assert (verdict, f"chmod go-w {at.folder / 'ca.pem'}" in told) == ("warning", True)


def test_the_check_leaves_files_that_are_missing_to_others(at: CheckStage) -> None:
    (at.folder / "forge").unlink()
    assert found(at, "owners")[0] == "ok"


def test_the_checks_of_settings_and_state_fail_as_well(at: CheckStage) -> None:
    at.config.state.chmod(0o777)
    assert found(at, "state-folder")[0] == "failed"
    at.path.chmod(0o666)
    assert found(at, "settings")[0] == "failed"
