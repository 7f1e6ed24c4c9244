"""Requests go where reports go: into a repository of their own, so that no device may write the fleet's."""

import subprocess
from pathlib import Path

import pytest
from fleet_desk import SMALL, FleetDesk
from joining import Site

from lab.git_doors import Doors
from lab.git_server import GitServer, git_server
from lab.operator import Operator
from reconciler.agent.settings.config import load_config
from signing import load_signer

ASKED = "refs/enroll/press-9"


@pytest.fixture
def site(ann: Operator, capsys: pytest.CaptureFixture[str], git: GitServer, tmp_path: Path) -> Site:
    """Its reports are in another repository, and the fleet's takes no requests."""
    site = Site(FleetDesk(ann, capsys), git, tmp_path, capsys)
    tiers = "tiers: [base, site]"
    site.push({"fleet.yaml": SMALL["fleet.yaml"].replace(tiers, f"{tiers}, status: {{remote: '{reports(site)}'}}")})
    git.create("reports")
    closed = ["git", "--git-dir", str(git.path("fleet")), "config", "receive.hideRefs", "refs/enroll"]
    subprocess.run(closed, check=True)
    return site


def reports(site: Site) -> str:
    return site.server.url("reports")


def test_a_new_machine_asks_where_it_will_report_and_is_found_there(site: Site) -> None:
    assert site.desk.fleet("device", "list").out == f"nobody asks to join at {reports(site)}\n"
    fingerprint = site.enroll("press-9", "--status-remote", reports(site))
    assert site.refs("reports") == [ASKED]
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert (told["device"], told["state"], told["fingerprint"]) == ("press-9", "waits", fingerprint)
    done = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint)
    assert (done.code, done.err) == (0, "")
    assert site.refs() == ["refs/heads/enroll-press-9", "refs/heads/main"]
    line = load_signer(site.etc / "identity").public.line
    assert line in site.file_of("enroll-press-9", "devices/press-9.yaml")


def test_what_it_is_told_stands_in_its_settings(site: Site) -> None:
    (site.etc).mkdir()
    for name in ("token", "other-token", "ca.pem"):
        (site.etc / name).write_text("x")
    files = ("--token-file", "token", "--status-token-file", "other-token", "--ca-file", "ca.pem")
    named = [word if word.startswith("--") else str(site.etc / word) for word in files]
    site.server.stop()
    settings = ("--name", "press-9", "--remote", site.url, "--signers", str(site.signers))
    state = ("--state", str(site.etc / "state"), "--transport", "ref")
    assert site.reconciler("enroll", *settings, *state, "--status-remote", reports(site), *named).code == 31
    config = load_config(site.config)
    assert (config.remote.url, config.remote.token_file) == (site.url, site.etc / "token")
    status = config.status.remote
    assert (status.url, status.token_file, status.ca_file) == (
        reports(site), site.etc / "other-token", site.etc / "ca.pem",
    )  # fmt: skip
    assert config.status.transport == "ref"


def test_over_ssh_the_keys_are_those_of_both_servers(site: Site, tmp_path: Path) -> None:
    site.etc.mkdir()
    for name in ("key", "hosts", "token"):
        (tmp_path / name).write_text("x")
    answer = site.reconciler(
        "enroll", "--name", "press-9", "--remote", site.url, "--signers", str(site.signers),
        "--state", str(site.etc / "state"), "--status-remote", "ssh://git@127.0.0.1:1/reports",
        "--key-file", str(tmp_path / "key"), "--known-hosts-file", str(tmp_path / "hosts"),
    )  # fmt: skip
    assert answer.code == 31
    status = load_config(site.config).status.remote
    assert (status.key_file, status.known_hosts) == (tmp_path / "key", tmp_path / "hosts")


def test_settings_that_say_another_place_are_not_overruled(site: Site) -> None:
    site.enroll("press-9", "--status-remote", reports(site))
    assert site.enroll("press-9", "--status-remote", reports(site)), "by the same words"
    for words in (("--status-remote", site.url), ("--status-token-file", "/elsewhere")):
        answer = site.reconciler("enroll", *words)
        assert (answer.code, f"for `{words[0]}`" in answer.err) == (51, True)


def test_a_token_for_no_server_is_told(site: Site) -> None:
    settings = ("--name", "press-9", "--remote", site.url, "--signers", str(site.signers))
    answer = site.reconciler("enroll", *settings, "--status-token-file", "/etc/token")
    assert (answer.code, "name `--status-remote URL`" in answer.err) == (51, True)
    assert not site.config.exists()


def test_the_token_of_the_fleet_is_not_shown_to_the_other_server(site: Site, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("fleet's")
    (tmp_path / "own").write_text("hush")
    with git_server(tmp_path / "others", doors=Doors(devices={"hush": "press-9", "fleet's": "press-9"})) as other:
        away = ("--token-file", str(tmp_path / "token"), "--status-remote", other.create("reports"))
        settings = ("--name", "press-9", "--remote", site.url, "--signers", str(site.signers), *away)
        state = ("--state", str(site.etc / "state"))
        assert site.reconciler("enroll", *settings, *state).code == 31
        site.config.unlink()
        done = site.reconciler("enroll", *settings, *state, "--status-token-file", str(tmp_path / "own"))
        assert (done.code, done.err) == (0, "")
        found = subprocess.run(
            ["git", "--git-dir", str(other.path("reports")), "for-each-ref", "--format=%(refname)"],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        assert found == [ASKED]


def test_another_key_is_asked_for_there_as_well(site: Site) -> None:
    site.enroll("press-9", "--status-remote", reports(site))
    site.member()
    asked = site.reconciler("rotate-key", "-o", "json")
    assert (asked.code, asked.err) == (0, "")
    assert site.refs() == ["refs/heads/main"]
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert (told["state"], told["fingerprint"]) == ("waits, with its next key", asked.json["fingerprint"])
    assert site.desk.fleet("device", "approve", "press-9").code == 0
    assert asked.json["identity"] in site.file_of("enroll-press-9", "devices/press-9.yaml")


def test_a_denied_request_is_gone_there(site: Site) -> None:
    site.enroll("press-9", "--status-remote", reports(site))
    assert site.desk.fleet("device", "deny", "press-9").code == 0
    assert site.refs("reports") == []
    for action in ("deny", "approve"):
        answer = site.desk.fleet("device", action, "press-9")
        assert (answer.code, f"{reports(site)}: `press-9` does not ask to join" in answer.err) == (13, True)
