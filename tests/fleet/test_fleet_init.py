"""`fleet init`: a fleet that validates as it stands, whose owner may sign, and that is never laid over another."""

import subprocess
import sys
from pathlib import Path

import pytest
from fleet_desk import run_fleet

from lab.operator import Operator
from signing import AllowedSigners, verify_commit

ROOT = Path(__file__).parents[2]


def test_a_new_fleet_validates_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run_fleet(capsys, "init", str(tmp_path / "acme"))
    assert (made.code, made.err) == (0, "")
    assert run_fleet(capsys, "-C", str(tmp_path / "acme"), "validate").out == "1 device and 1 app are valid\n"


def test_every_file_that_was_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run_fleet(capsys, "init", str(tmp_path / "acme"))
    told = {line.removeprefix("wrote ") for line in made.lines if line.startswith("wrote ")}
    there = {str(p) for p in (tmp_path / "acme").rglob("*") if p.is_file() and ".git" not in p.parts}
    assert told == there
    assert made.lines[-1].startswith("next: ")


def test_the_new_device_is_rendered_with_its_own_name_and_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_fleet(capsys, "init", str(tmp_path / "acme"))
    shown = run_fleet(capsys, "-C", str(tmp_path / "acme"), "render", "device-1", "hello")
    assert shown.code == 0
    assert "echo hello from device-1 >" in shown.out
    assert "published: '8080'" in shown.out


def test_the_program_itself_makes_a_fleet_and_validates_it(tmp_path: Path) -> None:
    for arguments in (["init", "acme"], ["-C", "acme", "validate"]):
        done = subprocess.run(
            [sys.executable, "-m", "reconciler.fleet", *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_fleet_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "acme"
    run_fleet(capsys, "init", str(folder))
    (folder / "fleet.yaml").write_text("mine\n")
    again = run_fleet(capsys, "init", str(folder))
    assert (again.code, again.out) == (1, "")
    assert f"{folder / 'fleet.yaml'}: the file is there already" in again.err
    assert (folder / "fleet.yaml").read_text() == "mine\n"


@pytest.mark.parametrize("taken", ["apps/hello/compose.yaml", "devices/device-1.yaml", "trust/allowed_signers"])
def test_one_file_in_the_way_is_enough_to_write_nothing(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme" / taken).parent.mkdir(parents=True)
    (tmp_path / "acme" / taken).write_text("mine\n")
    assert run_fleet(capsys, "init", str(tmp_path / "acme")).code == 1
    assert [p for p in (tmp_path / "acme").rglob("*") if p.is_file()] == [tmp_path / "acme" / taken]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acme").write_text("")
    refused = run_fleet(capsys, "init", str(tmp_path / "acme"))
    assert refused.code == 1
    assert refused.err.startswith("fleet: error: ")


def test_a_signer_may_sign_from_then_on(tmp_path: Path, ann: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    signer = f"{ann.email}={ann.key.with_suffix('.pub')}"
    assert run_fleet(capsys, "init", str(ann.work), "--name", "acme", "--signer", signer).code == 0
    ann.commit("The fleet")
    file = ann.work / "trust" / "allowed_signers"
    raw = ann.git("cat-file", "commit", "HEAD").encode() + b"\n"
    assert verify_commit(raw, AllowedSigners.parse(file.read_bytes(), str(file))).principal == ann.email


def test_two_signers_have_a_line_each(tmp_path: Path, ann: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    bob = Operator.create(tmp_path / "bob", "Bob", "bob@acme.example")
    signers = [part for one in (ann, bob) for part in ("--signer", f"{one.email}={one.key.with_suffix('.pub')}")]
    assert run_fleet(capsys, "init", str(tmp_path / "acme"), *signers).code == 0
    lines = (tmp_path / "acme/trust/allowed_signers").read_text().splitlines()
    for line, one in zip(lines[-2:], (ann, bob), strict=True):
        assert line == one.allowed_signers_line.replace(
            '"git"', '"git,approve.v1@fleet,policy.v1@fleet,release.v1@fleet"'
        )
    policy = (tmp_path / "acme/trust/policy.yaml").read_text()
    assert f"root: {{principals: [{ann.email}, {bob.email}], threshold: 2}}" in policy
    assert run_fleet(capsys, "-C", str(tmp_path / "acme"), "validate").code == 0


BAD_SIGNERS = {
    "no key": ("ann@acme.example", "without a name or a key"),
    "a key file that is missing": ("ann@acme.example=/nowhere/key.pub", "no signer"),
    "a private key": ("ann@acme.example={home}/id_ed25519", "no signer"),
    "a file that is no key": ("ann@acme.example={home}/gitconfig", "no signer"),
    "a folder": ("ann@acme.example={home}", "no signer"),
    "nobody": ("={home}/id_ed25519.pub", "no signer"),
    "everybody": ("*={home}/id_ed25519.pub", "no signer"),
    "two words": ("ann cert-authority={home}/id_ed25519.pub", "no signer"),
}


@pytest.mark.parametrize("case", BAD_SIGNERS)
def test_a_bad_signer_is_refused_before_anything_is_written(
    case: str, tmp_path: Path, ann: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    signer, told = BAD_SIGNERS[case]
    refused = run_fleet(capsys, "init", str(tmp_path / "acme"), "--signer", signer.format(home=ann.home))
    assert refused.code == 1
    assert told in refused.err
    assert not (tmp_path / "acme").exists()


@pytest.mark.parametrize("name", ["a", "acme", "plant-7", "7", "a" * 63])
def test_a_dns_label_names_a_fleet(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_fleet(capsys, "init", str(tmp_path / "x"), "--name", name).code == 0
    assert run_fleet(capsys, "-C", str(tmp_path / "x"), "validate").code == 0


@pytest.mark.parametrize("name", ["Acme", "a_b", "a.b", "a b", "-a", "a-", "a" * 64, "ä", "a\n", "{a: b}"])
def test_nothing_else_does(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = run_fleet(capsys, "init", str(tmp_path / "x"), f"--name={name}")
    assert refused.code == 1
    assert "is no name for a fleet" in refused.err
    assert not (tmp_path / "x").exists()


def test_the_folder_gives_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_fleet(capsys, "init", str(tmp_path / "plant-7"))
    assert "metadata: {name: plant-7}" in (tmp_path / "plant-7/fleet.yaml").read_text()
    assert run_fleet(capsys, "init", str(tmp_path / "Plant 7")).code == 1
