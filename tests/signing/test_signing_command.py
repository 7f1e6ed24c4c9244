"""`python -m signing`: the examples of its help work, and each exit status has its case."""

import subprocess
import sys
from pathlib import Path

import pytest
from signing_workbench import NOW, KeyPair, Repository, isolated_environment, run

from signing import AllowedSigners, PublicKey, load_signer, write_new_key
from signing.__main__ import main

ROOT = Path(__file__).parents[2]


def signing(*arguments: str | Path, folder: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    environment = isolated_environment() | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "signing", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=folder, env=environment, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder where the first example of the help was followed."""
    public = write_new_key(tmp_path / "alice", "alice@example.com")
    (tmp_path / "allowed_signers").write_text(f"alice@example.com {public.line}\n")
    (tmp_path / "notes.txt").write_bytes(b"hello\n")
    return tmp_path


def test_a_new_key_can_be_allowed_at_once(tmp_path: Path) -> None:
    made = signing("new", "alice", "--comment", "alice@example.com", folder=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    key = PublicKey.parse(signing("show", "alice", folder=tmp_path).stdout)
    assert key.fingerprint in made.stdout
    assert AllowedSigners.parse(f"alice {key.line}".encode(), "f").principal_for(key, "git", NOW) == "alice"


def test_a_file_is_signed_and_verified_by_both(desk: Path) -> None:
    signed = signing("sign", "-f", "alice", "-n", "file", "notes.txt", folder=desk)
    assert (signed.returncode, signed.stderr) == (0, "")
    verified = signing("verify", "-s", "allowed_signers", "-n", "file", "notes.txt", "notes.txt.sig", folder=desk)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.startswith("good: notes.txt is signed by alice@example.com with SHA256:")
    who = ("-I", "alice@example.com", "-n", "file")
    files = ("-f", desk / "allowed_signers", "-s", desk / "notes.txt.sig")
    run("ssh-keygen", "-Y", "verify", *who, *files, stdin=b"hello\n")


def test_a_signature_is_replaced_only_by_force(desk: Path) -> None:
    (desk / "notes.txt.sig").write_text("precious")
    refused = signing("sign", "-f", "alice", "-n", "file", "notes.txt", folder=desk)
    assert (refused.returncode, "FILE_EXISTS" in refused.stderr) == (1, True)
    assert (desk / "notes.txt.sig").read_text() == "precious"
    assert signing("sign", "-f", "alice", "-n", "file", "--force", "notes.txt", folder=desk).returncode == 0
    assert signing("verify", "-s", "allowed_signers", "-n", "file", "notes.txt", folder=desk).returncode == 0


def test_show_reads_both_halves(desk: Path) -> None:
    private, public = (signing("show", name, folder=desk).stdout for name in ("alice", "alice.pub"))
    assert public == private.rstrip("\n") + " alice@example.com\n"


def test_a_commit_of_git(repository: Repository, alice: KeyPair) -> None:
    _, raw = repository.commit(b"Raise the \x1b[31mport\n", "-S")
    command = ("verify-commit", "-s", repository.signers_file)
    good = signing(*command, folder=repository.folder, stdin=raw)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout == f"good: signed by alice with {alice.signer.public.fingerprint}: Raise the ?[31mport\n"
    for stdin, code in ((raw + b"x", "SIG_INVALID"), (raw + b"x" * 1_100_000, "OBJ_TOO_BIG"), (b"", "OBJ_FORMAT")):
        refused = signing(*command, folder=repository.folder, stdin=stdin)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert f": {code}: " in refused.stderr


STATUSES = {
    "changed file": (1, "SIG_INVALID", ("verify", "-s", "allowed_signers", "-n", "file", "alice.pub", "notes.txt.sig")),
    "other namespace": (1, "SIG_NAMESPACE", ("verify", "-s", "allowed_signers", "-n", "git", "notes.txt")),
    "a key that is there": (1, "FILE_EXISTS", ("new", "alice")),
    "not a key": (1, "KEY_PARSE", ("show", "notes.txt")),
    "no allowed_signers": (2, "FILE", ("verify", "-s", "missing", "-n", "file", "notes.txt")),
    "broken allowed_signers": (2, "SIGNERS", ("verify", "-s", "notes.txt", "-n", "file", "notes.txt")),
    "no signature": (2, "FILE", ("verify", "-s", "allowed_signers", "-n", "file", "alice.pub")),
    "no file to sign": (2, "FILE", ("sign", "-f", "alice", "-n", "file", "missing")),
    "no key": (2, "FILE", ("sign", "-f", "missing", "-n", "file", "notes.txt")),
    "no command": (64, "usage", ()),
    "unknown command": (64, "usage", ("frobnicate",)),
    "no namespace": (64, "usage", ("sign", "-f", "alice", "notes.txt")),
}


@pytest.mark.parametrize(("status", "word", "arguments"), STATUSES.values(), ids=STATUSES)
def test_exit_statuses(
    status: int,
    word: str,
    arguments: tuple[str, ...],
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(desk)
    (desk / "notes.txt.sig").write_bytes(load_signer(desk / "alice").sign(b"hello\n", "file"))
    try:
        returned: object = main(arguments)
    except SystemExit as stopped:
        returned = stopped.code
    printed = capsys.readouterr()
    assert (returned, printed.out) == (status, "")
    assert word in printed.err


def test_help_teaches_with_examples(tmp_path: Path) -> None:
    shown = signing("--help", folder=tmp_path)
    assert shown.returncode == 0
    assert "git cat-file commit HEAD | python -m signing verify-commit" in shown.stdout
