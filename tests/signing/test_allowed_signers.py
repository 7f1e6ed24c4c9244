"""allowed_signers: who is named, for what and when; every doubt refuses the whole file."""

import base64
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from signing_workbench import NOW, KeyPair, allow, code_of, field, run

from signing import AllowedSigners, Signer, UnableToCheck, parse_revoked

ALICE, BOB = Signer.generate(), Signer.generate()
A, B = ALICE.public.line, BOB.public.line
_WEAK = field("ssh-rsa") + field(b"\1\0\1") + field(b"\0" + b"\xc1" * 128)
RSA_1024 = "ssh-rsa " + base64.b64encode(_WEAK).decode()

FILES = {
    "one line": (f"alice {A}\n", "accepted"),
    "no last line feed": (f"alice {A}", "accepted"),
    "comments, blank lines, tabs": (f"# people\n\n \t\n\talice\t{A}  her laptop\n  # end\n", "accepted"),
    "two people": (f"alice {A}\nbob@example.com {B} bob, ü\n", "accepted"),
    "one person, two keys": (f"alice {A}\nalice {B}\n", "accepted"),
    "all options": (
        f'alice namespaces="git,file",valid-after="20260101Z",valid-before="202701010000Z" {A}\n',
        "accepted",
    ),
    "option in capitals": (f'alice NameSpaces="git" {A}\n', "accepted"),
    "empty": ("", "SIGNERS"),
    "comments only": ("# nobody\n", "SIGNERS"),
    "one key, two people": (f"alice {A}\nbob {A}\n", "SIGNERS"),
    "one key twice": (f"alice {A}\nalice {A} again\n", "SIGNERS"),
    "two names in one line": (f"alice,bob {A}\n", "SIGNERS"),
    "wildcard": (f"*@example.com {A}\n", "SIGNERS"),
    "everybody": (f"* {A}\n", "SIGNERS"),
    "one letter open": (f"alic? {A}\n", "SIGNERS"),
    "negation": (f"!alice {A}\n", "SIGNERS"),
    "quoted name": (f'"alice" {A}\n', "SIGNERS"),
    "name with look-alike letters": (f"\u0430lice {A}\n", "SIGNERS"),
    "CRLF": (f"alice {A}\r\n", "SIGNERS"),
    "BOM": (f"\ufeffalice {A}\n", "SIGNERS"),
    "NUL": (f"alice {A}\0\n", "SIGNERS"),
    "terminal escape": (f"alice {A} \x1b[2J\n", "SIGNERS"),
    "unknown option": (f'alice frobnicate="x" {A}\n', "SIGNERS_OPTION"),
    "unknown flag": (f"alice no-touch-required {A}\n", "SIGNERS_OPTION"),
    "good line, then an unknown option": (f'alice {A}\nbob verify-required="x" {B}\n', "SIGNERS_OPTION"),
    "cert-authority": (f"alice cert-authority {A}\n", "SIGNERS_OPTION"),
    "cert-authority with a namespace": (f'alice cert-authority,namespaces="git" {A}\n', "SIGNERS_OPTION"),
    "option twice": (f'alice namespaces="git",namespaces="file" {A}\n', "SIGNERS_OPTION"),
    "option without quotes": (f"alice namespaces=git {A}\n", "SIGNERS_OPTION"),
    "option without value": (f"alice namespaces {A}\n", "SIGNERS_OPTION"),
    "option with an escape": (f'alice namespaces="g\\"it" {A}\n', "SIGNERS_OPTION"),
    "option not closed": (f'alice namespaces="git {A}\n', "SIGNERS_OPTION"),
    "namespace pattern": (f'alice namespaces="*" {A}\n', "SIGNERS_OPTION"),
    "namespace negated": (f'alice namespaces="!git,*" {A}\n', "SIGNERS_OPTION"),
    "no namespace": (f'alice namespaces="" {A}\n', "SIGNERS_OPTION"),
    "namespace with a space": (f'alice namespaces="git, file" {A}\n', "SIGNERS_OPTION"),
    "before without Z": (f'alice valid-before="20260101" {A}\n', "SIGNERS_TIME"),
    "after without Z": (f'alice valid-after="202601011200" {A}\n', "SIGNERS_TIME"),
    "no such day": (f'alice valid-after="20260230Z" {A}\n', "SIGNERS_TIME"),
    "no such minute": (f'alice valid-after="202601011260Z" {A}\n', "SIGNERS_TIME"),
    "year only": (f'alice valid-after="2026Z" {A}\n', "SIGNERS_TIME"),
    "time empty": (f'alice valid-after="" {A}\n', "SIGNERS_TIME"),
    "foreign digits": (f'alice valid-after="\uff12\uff10\uff12\uff160101Z" {A}\n', "SIGNERS_TIME"),
    "window turned round": (f'alice valid-after="20270101Z",valid-before="20260101Z" {A}\n', "SIGNERS_TIME"),
    "no key": ("alice\n", "SIGNERS_OPTION"),
    "key cut": (f"alice {A[:-8]}\n", "SSH_TRUNCATED"),
    "key of another type": (f"alice ssh-rsa {A.split()[1]}\n", "KEY_PARSE"),
    "key weak": (f"alice {RSA_1024}\n", "KEY_RSA_SMALL"),
    "key unknown": ("alice ssh-dss AAAAB3NzaC1kc3M=\n", "KEY_TYPE"),
}


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_a_file_is_judged(text: str, expected: str) -> None:
    assert code_of(lambda: AllowedSigners.parse(text.encode(), "allowed_signers")) == expected


def test_not_utf8_or_huge() -> None:
    assert code_of(lambda: AllowedSigners.parse(f"alice {A} \xff\n".encode("latin-1"), "f")) == "SIGNERS"
    assert code_of(lambda: AllowedSigners.parse(b"#" * 1_100_000, "f")) == "SIGNERS"


def test_a_refusal_names_file_and_line_and_counts_as_unable_to_check() -> None:
    with pytest.raises(UnableToCheck, match=r"^SIGNERS_OPTION: trust/allowed_signers:3: option `colour`"):
        AllowedSigners.parse(f'# people\nalice {A}\nbob colour="red" {B}\n'.encode(), "trust/allowed_signers")


QUESTIONS = {
    "no options": ("", "git", NOW, "accepted"),
    "its namespace": ('namespaces="file,git"', "git", NOW, "accepted"),
    "other namespace": ('namespaces="file"', "git", NOW, "SIG_NAMESPACE"),
    "namespace begins alike": ('namespaces="git"', "gi", NOW, "SIG_NAMESPACE"),
    "inside": ('valid-after="20260601Z",valid-before="20260602Z"', "git", NOW, "accepted"),
    "too early": ('valid-after="20260602Z"', "git", NOW, "KEY_NOT_YET_VALID"),
    "too late": ('valid-before="20260601Z"', "git", NOW, "KEY_EXPIRED"),
    "first second": ('valid-after="20260601120000Z"', "git", NOW, "accepted"),
    "second before": ('valid-after="20260601120001Z"', "git", NOW, "KEY_NOT_YET_VALID"),
    "last second": ('valid-before="20260601120000Z"', "git", NOW, "accepted"),
    "second after": ('valid-before="20260601115959Z"', "git", NOW, "KEY_EXPIRED"),
    "minutes": ('valid-before="202606011159Z"', "git", NOW, "KEY_EXPIRED"),
}


@pytest.mark.parametrize(("options", "namespace", "at", "expected"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_key_is_judged(options: str, namespace: str, at: datetime, expected: str) -> None:
    signers = allow(ALICE, options=options)
    assert code_of(lambda: signers.principal_for(ALICE.public, namespace, at)) == expected


@pytest.mark.parametrize(("options", "namespace", "at", "expected"), QUESTIONS.values(), ids=QUESTIONS)
def test_ssh_keygen_judges_the_same(options: str, namespace: str, at: datetime, expected: str, tmp_path: Path) -> None:
    signers, signature = tmp_path / "allowed_signers", tmp_path / "sig"
    signers.write_text(f"alice {options} {A}\n")
    signature.write_bytes(ALICE.sign(b"hello", namespace))
    verified = run(
        *("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "alice", "-n", namespace, "-s", signature),
        *("-O", f"verify-time={at.strftime('%Y%m%d%H%M%S')}Z"),
        stdin=b"hello",
        check=False,
    )
    assert (verified.returncode == 0) == (expected == "accepted"), verified.stderr


def test_the_principal_is_the_one_of_the_key() -> None:
    signers = AllowedSigners.parse(f"alice {A}\nbob {B}\n".encode(), "allowed_signers")
    assert signers.principal_for(BOB.public, "git", NOW) == "bob"


def test_an_unknown_key_is_named_by_its_fingerprint() -> None:
    with pytest.raises(Exception, match="SIGNER_UNKNOWN") as caught:
        allow(ALICE).principal_for(BOB.public, "git", NOW)
    assert BOB.public.fingerprint in str(caught.value)
    assert not isinstance(caught.value, UnableToCheck)


def test_times_are_utc_wherever_the_device_stands() -> None:
    signers = allow(ALICE, options='valid-after="20260601120000Z"')
    east = NOW.astimezone(timezone(timedelta(hours=9))) - timedelta(seconds=1)
    assert code_of(lambda: signers.principal_for(ALICE.public, "git", east)) == "KEY_NOT_YET_VALID"


def test_the_file_stays_usable_by_ssh_keygen(pair: KeyPair, tmp_path: Path) -> None:
    text = f'alice namespaces="git,file",valid-after="20200101Z" {pair.signer.public.line} laptop\n'
    signers, signature = tmp_path / "allowed_signers", tmp_path / "sig"
    signers.write_text(text)
    signature.write_bytes(pair.signer.sign(b"hello", "file"))
    found = run("ssh-keygen", "-Y", "find-principals", "-f", signers, "-s", signature).stdout.decode().strip()
    assert found == AllowedSigners.parse(text.encode(), "f").principal_for(pair.signer.public, "file", NOW) == "alice"


def test_a_revoked_key_is_not_heard_whatever_the_file_says() -> None:
    text = f"# gone\n\n{A} her laptop\n{BOB.public.fingerprint}\n"
    revoked = parse_revoked(text.encode(), "revoked")
    assert revoked == {ALICE.public.fingerprint, BOB.public.fingerprint}
    signers = replace(allow(ALICE), revoked=revoked)
    assert code_of(lambda: signers.principal_for(ALICE.public, "git", NOW)) == "KEY_REVOKED"
    assert parse_revoked(b"", "revoked") == frozenset()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"SSHKRL\n\0\0\0\0\1", "SIGNERS"),
        (b"SHA256:short\n", "KEY_PARSE"),
        (f"alice {A}\n".encode(), "KEY_PARSE"),
        (f"{A}\nrubbish\n".encode(), "KEY_PARSE"),
        (b"\xff\n", "SIGNERS"),
        (f"{A}\r\n".encode(), "SIGNERS"),
    ],
)
def test_who_cannot_read_what_is_revoked_hears_nobody(text: bytes, code: str) -> None:
    with pytest.raises(UnableToCheck, match="revoked"):
        parse_revoked(text, "revoked")
    assert code_of(lambda: parse_revoked(text, "revoked")) == code
