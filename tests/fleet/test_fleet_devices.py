"""`reconciler enroll` and `fleet device`: a device asks, a person compares keys, a branch takes it in."""

import json
import subprocess
from pathlib import Path

import pytest
from fleet_desk import FleetDesk, device
from joining import ENGINE, Site
from written_branch import WrittenBranch

from lab.git_server import GitServer
from lab.operator import Operator
from reconciler.manifests import FleetFiles
from reconciler.model import VOUCHER_NAMESPACE, Enrollment, Machine, vouched_for
from reconciler.model.codec import to_plain
from reconciler.repository import ENROLL_REFS, Author, OwnRef, Remote
from reconciler.repository.desk import Desk
from signing import AllowedSigners, Signer, load_signer, sign_commit, verify_commit, write_new_key

REQUEST = "devices/press-9/enrollment.json"


@pytest.fixture
def site(ann: Operator, capsys: pytest.CaptureFixture[str], git: GitServer, tmp_path: Path) -> Site:
    return Site(FleetDesk(ann, capsys), git, tmp_path, capsys)


def test_a_new_machine_is_taken_in(site: Site) -> None:
    fingerprint = site.enroll("press-9", "--label", "line=7")
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert (told["device"], told["state"], told["fingerprint"]) == ("press-9", "waits", fingerprint)
    assert told["request"]["machine"]["cpus"] > 0
    done = site.desk.fleet(
        "device", "approve", "press-9", "--fingerprint", fingerprint, "--label", "site=south", "--fact", "architecture",
        "--proposed", "--key", str(site.desk.owner.key),
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    files = FleetFiles(Desk(site.desk.folder).revision(Desk(site.desk.folder).fetch("enroll-press-9"))[1])
    made = files.device("press-9")
    assert dict(made.labels) == {
        "architecture": told["request"]["machine"]["architecture"],
        "line": "7",
        "site": "south",
    }
    assert made.identity == load_signer(site.etc / "identity").public.line
    assert [app.name for app in files.render("press-9").desired.apps] == ["web"]


def test_what_approves_is_signed_and_on_top_of_what_devices_obey(site: Site) -> None:
    fingerprint = site.enroll()
    key = ("--key", str(site.desk.owner.key))
    site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint, *key)
    raw = subprocess.run(
        ["git", "--git-dir", str(site.server.path("fleet")), "cat-file", "commit", "enroll-press-9"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    signers = AllowedSigners.parse(f"{site.desk.owner.allowed_signers_line}\n".encode(), "people")
    found = verify_commit(raw, signers)
    assert found.commit.parents == (site.desk.git("rev-parse", "HEAD").strip(),)
    assert found.commit.subject == "Take in press-9"


def test_after_the_merge_it_is_shown_as_approved(site: Site) -> None:
    fingerprint = site.enroll()
    site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint)
    site.desk.git("fetch", "--quiet", "origin")
    site.desk.git("merge", "--quiet", "--no-ff", "--no-edit", "origin/enroll-press-9")
    site.desk.owner.push()
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert told["state"] == "approved"
    again = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint)
    assert (again.code, again.out) == (0, "press-9 is in the fleet with this key already\n")


@pytest.mark.parametrize("given", ["", "SHA256:somebodyelses"], ids=["none", "another"])
def test_a_key_that_nobody_compared_takes_nothing_in(site: Site, given: str) -> None:
    fingerprint = site.enroll()
    answer = site.desk.fleet("device", "approve", "press-9", *(("--fingerprint", given) if given else ()))
    assert answer.code == 1
    assert f"its key is {fingerprint}" in answer.err
    assert not [name for name in site.refs() if "enroll-press-9" in name]


def test_a_device_of_the_fleet_may_get_another_key_when_somebody_says_so(site: Site) -> None:
    old = Signer.generate().public.line
    site.desk.lay({"devices/press-9.yaml": f"# in hall 3\n{device('press-9', f'identity: {old}')}"})
    site.desk.owner.commit("press-9")
    site.desk.owner.push()
    fingerprint = site.enroll()
    assert site.desk.fleet("device", "list", "-o", "json").json[0]["state"] == "waits, with another key"
    refused = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint)
    assert (refused.code, "--replace-key" in refused.err) == (1, True)
    done = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint, "--replace-key")
    assert (done.code, done.err) == (0, "")
    new = load_signer(site.etc / "identity").public.line
    before = site.file_of("main", "devices/press-9.yaml")
    assert site.file_of("enroll-press-9", "devices/press-9.yaml") == before.replace(old, new)


def test_a_request_that_waits_on_a_branch_is_not_made_twice(site: Site) -> None:
    fingerprint = site.enroll()
    assert site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint).code == 0
    answer = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint)
    assert (answer.code, "there is a branch `enroll-press-9` already" in answer.err) == (1, True)


def test_a_denied_request_is_gone(site: Site) -> None:
    site.enroll()
    assert site.desk.fleet("device", "deny", "press-9").code == 0
    assert site.desk.fleet("device", "list").out == "nobody asks to join\n"
    assert site.desk.fleet("device", "deny", "press-9").code == 13


# What lies on the ref of press-9, and why it is refused.
def enrollment(**fields: object) -> bytes:
    return json.dumps({"device": "press-9", "identity": KEY.public.line, "time": "x", **fields}).encode()


KEY, OTHER = Signer.generate(), Signer.generate()
REFUSED = {
    "nobody signed it": ({REQUEST: enrollment()}, None, "UNSIGNED"),
    "another key signed it": ({REQUEST: enrollment()}, OTHER, "SIGNER_UNKNOWN"),
    "it asks for another": ({REQUEST: enrollment(device="press-8")}, KEY, "ENROLLMENT_REJECTED"),
    "its key is none": ({REQUEST: enrollment(identity="ssh-ed25519 AAAA")}, KEY, "SSH_"),
    "a key with two lines": ({REQUEST: enrollment(identity=f"{KEY.public.line}\nx {OTHER.public.line}")}, KEY, "KEY_"),
    "a field too many": ({REQUEST: enrollment(admin=True)}, KEY, "ENROLLMENT_REJECTED"),
    "more than the request": ({REQUEST: enrollment(), "apps/x": b"x"}, KEY, "STATUS_REJECTED"),
    "too big": ({REQUEST: enrollment(time="x" * 20_000)}, KEY, "ENROLLMENT_REJECTED"),
    "no request": ({"x": b"x"}, KEY, "STATUS_REJECTED"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_its_key_did_not_sign_is_refused(site: Site, name: str, tmp_path: Path) -> None:
    files, signer, code = REFUSED[name]
    forger = WrittenBranch(tmp_path / "forger.git")
    commit = forger.write(files, signer)
    push = ["git", "--git-dir", str(forger.bare), "push", "--quiet", site.url, f"{commit}:refs/enroll/press-9"]
    subprocess.run(push, check=True, capture_output=True)
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert (told["state"], told["why"][: len(code)]) == ("refused", code)
    answer = site.desk.fleet("device", "approve", "press-9", "--fingerprint", KEY.public.fingerprint)
    assert (answer.code, "its request is refused" in answer.err) == (1, True)


def test_labels_that_are_none_are_told_before_anybody_reviews_them(site: Site) -> None:
    fingerprint = site.enroll("press-9", "--label", "line=a b")
    answer = site.desk.fleet("device", "approve", "press-9", "--fingerprint", fingerprint, "--proposed")
    assert (answer.code, "devices/press-9.yaml" in answer.err) == (11, True)
    assert not [name for name in site.refs() if "enroll-press-9" in name]


def test_a_fact_that_the_device_does_not_tell_is_no_label(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "reconciler.agent.commands.enroll.look_at_machine", lambda _: Machine("arm64", model="A board, rev. 2")
    )
    fingerprint = site.enroll()
    named = ("device", "approve", "press-9", "--fingerprint", fingerprint)
    answer = site.desk.fleet(*named, "--fact", "gpu")
    assert (answer.code, "press-9 does not tell `gpu`; it tells architecture, model, engine" in answer.err) == (1, True)
    assert f"arm64, Engine {ENGINE}" in site.desk.fleet("device", "list").out
    assert site.desk.fleet(*named, "--fact", "model", "--fact", "engine").code == 0
    assert f"    model: A-board-rev.-2\n    engine: {ENGINE}\n" in site.file_of(
        "enroll-press-9", "devices/press-9.yaml"
    )


# reconciler enroll


def test_settings_and_key_that_are_there_are_kept(site: Site) -> None:
    first = site.enroll()
    before = site.config.read_bytes()
    again = site.reconciler("enroll", "-o", "json")
    assert (again.code, again.json["fingerprint"]) == (0, first)
    assert site.config.read_bytes() == before
    assert site.enroll() == first, "by the same words"
    for words in (
        ("--remote", "https://elsewhere.example/fleet.git"),
        ("--transport", "ref"),
        ("--state", "/elsewhere"),
    ):
        other = site.reconciler("enroll", *words)
        assert (other.code, "there are settings already, and they say" in other.err) == (51, True)
    assert (site.etc / "state").stat().st_mode & 0o777 == 0o700


def test_without_settings_it_says_what_it_needs(site: Site) -> None:
    answer = site.reconciler("enroll", "--name", "press-9")
    assert (answer.code, "--signers FILE" in answer.err) == (51, True)
    assert not site.config.exists()


def test_settings_that_cannot_be_read_are_not_left(site: Site) -> None:
    arguments = ("--name", "Press 9", "--remote", site.url, "--signers", str(site.signers))
    answer = site.reconciler("enroll", *arguments)
    assert (answer.code, "is no name of a device" in answer.err) == (51, True)
    assert list(site.etc.iterdir()) == []


def test_a_server_that_is_away_loses_nothing(site: Site) -> None:
    site.server.stop()
    arguments = ("--name", "press-9", "--remote", site.url, "--signers", str(site.signers))
    answer = site.reconciler("enroll", *arguments, "--state", str(site.etc / "state"))
    assert answer.code == 31
    key = (site.etc / "identity").read_bytes()
    site.server.start()
    assert site.reconciler("enroll").code == 0
    assert (site.etc / "identity").read_bytes() == key


# fleet device retire


def test_a_retired_device_runs_nothing(site: Site) -> None:
    text = f"# in hall 3\n{device('d1', 'variables: {TITLE: x}')}"
    site.desk.lay({"devices/d1.yaml": text})
    site.desk.owner.commit("d1")
    site.desk.owner.push()
    done = site.desk.fleet("device", "retire", "d1")
    assert (done.code, done.err) == (0, "")
    assert site.file_of("retire-d1", "devices/d1.yaml") == text.replace("spec:\n", "spec:\n  retired: true\n")
    desk = Desk(site.desk.folder)
    desired = FleetFiles(desk.revision(desk.fetch("retire-d1"))[1]).render("d1").desired
    assert (desired.apps, desired.is_retired, desired.allow_empty) == ((), True, True)


def test_a_device_that_said_it_stays_is_retired(site: Site) -> None:
    text = device("d1", "retired: false   # for now\nvariables: {TITLE: x}")
    site.desk.lay({"devices/d1.yaml": text})
    site.desk.owner.commit("d1")
    site.desk.owner.push()
    assert site.desk.fleet("device", "retire", "d1").code == 0
    assert site.file_of("retire-d1", "devices/d1.yaml") == text.replace("false", "true")


def test_in_a_clone_without_a_remote_the_branch_is_here(site: Site) -> None:
    site.desk.git("remote", "remove", "origin")
    done = site.desk.fleet("device", "retire", "d1")
    assert (done.code, done.err) == (0, "")
    assert "retired: true" in site.desk.git("show", "retire-d1:devices/d1.yaml")
    assert "there is a branch" in site.desk.fleet("device", "retire", "d1").err
    assert site.desk.fleet("device", "list").code == 30


def test_a_place_that_cannot_be_written_is_told(site: Site) -> None:
    site.etc.write_text("a file where the folder should be")
    answer = site.reconciler("enroll", "--remote", site.url, "--signers", str(site.signers))
    assert answer.code in (50, 52)
    assert "Traceback" not in answer.err


def test_names_that_no_device_has_ask_for_nothing(site: Site) -> None:
    site.enroll()
    bare = site.server.path("fleet")
    head = site.desk.git("rev-parse", "HEAD").strip()
    for name in (
        b"refs/enroll/x\xff",
        "refs/enroll/press-9\u2028x".encode(),
        b"refs/heads/refs/enroll/q",
        b"refs/enroll/a/b",
    ):
        subprocess.run([b"git", b"--git-dir", str(bare).encode(), b"update-ref", name, head.encode()], check=True)
    assert [one["device"] for one in site.desk.fleet("device", "list", "-o", "json").json] == ["press-9"]


def test_numbers_with_too_many_digits_are_refused(site: Site, tmp_path: Path) -> None:
    forger = WrittenBranch(tmp_path / "forger.git")
    content = enrollment(machine={"memory_bytes": 10**400})
    push = ["git", "--git-dir", str(forger.bare), "push", "--quiet", site.url]
    subprocess.run([*push, f"{forger.write({REQUEST: content}, KEY)}:refs/enroll/press-9"], check=True)
    answer = site.desk.fleet("device", "list")
    assert (answer.code, "too many digits" in answer.out) == (0, True)


def test_a_device_that_is_written_otherwise_is_retired_by_hand(site: Site) -> None:
    flow = "apiVersion: fleet/v1\nkind: Device\nmetadata: {name: d1}\nspec: {variables: {}}\n"
    site.desk.lay({"devices/d1.yaml": flow})
    site.desk.owner.commit("d1")
    site.desk.owner.push()
    answer = site.desk.fleet("device", "retire", "d1")
    assert (answer.code, "write `retired: true` there by hand" in answer.err) == (1, True)
    assert site.desk.fleet("device", "retire", "d7").code == 13


def test_a_key_that_is_there_is_used(site: Site) -> None:
    site.etc.mkdir()
    write_new_key(site.etc / "identity", "press-9")
    assert site.enroll() == load_signer(site.etc / "identity").public.fingerprint


def test_a_device_that_changes_its_key_is_vouched_for_by_the_one_before(site: Site) -> None:
    before = site.member()
    asked = site.reconciler("rotate-key", "-o", "json")
    assert (asked.code, asked.err) == (0, "")
    assert asked.json["fingerprint"] != before
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert (told["state"], told["fingerprint"]) == ("waits, with its next key", asked.json["fingerprint"])
    # Nobody has to compare anything: the key that the fleet knows has said so.
    assert site.desk.fleet("device", "approve", "press-9", "--fingerprint", "SHA256:another").code == 1
    done = site.desk.fleet("device", "approve", "press-9")
    assert (done.code, done.err) == (0, "")
    assert asked.json["identity"] in site.file_of("enroll-press-9", "devices/press-9.yaml")
    assert load_signer(site.etc / "identity").public.fingerprint == before, "it changes over when its file says so"
    again = site.reconciler("rotate-key", "-o", "json")
    assert again.json == asked.json, "asked twice, it is the same key"


@pytest.mark.parametrize("harm", ["no voucher", "by a stranger", "for another device", "for another key", "garbage"])
def test_nobody_else_vouches(harm: str, site: Site) -> None:
    site.member()
    known, stranger = load_signer(site.etc / "identity"), Signer.generate()
    # Somebody who may push a request, and has made a key of its own.
    following = Signer.generate()
    line = following.public.line
    voucher = {
        "no voucher": b"",
        "by a stranger": stranger.sign(vouched_for("press-9", line), VOUCHER_NAMESPACE),
        "for another device": known.sign(vouched_for("press-8", line), VOUCHER_NAMESPACE),
        "for another key": known.sign(vouched_for("press-9", stranger.public.line), VOUCHER_NAMESPACE),
        "garbage": b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
    }[harm]
    asked = Enrollment("press-9", line, "2026-11-24T00:00:00Z", voucher=voucher.decode())
    bare = site.desk.owner.home / "forger.git"
    own = OwnRef(bare, Remote.parse(site.url))
    content = json.dumps(to_plain(asked)).encode()
    author = Author("press-9", "press-9@devices.invalid", 1_790_000_000)
    own.put(f"{ENROLL_REFS}/press-9", {REQUEST: content}, "Mine", author, lambda raw: sign_commit(raw, following))
    (told,) = site.desk.fleet("device", "list", "-o", "json").json
    assert told["state"] == "waits, with another key"
    assert site.desk.fleet("device", "approve", "press-9").code == 1
