"""What forges sign with OpenPGP: a real commit of GitHub's, keys and commits by real gpg, and what must not pass."""

import base64
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from signing_workbench import NOW, SECONDS, code_of, commit_payload, isolated_environment

from signing import AllowedSigners, ForgeKeys, OneIsEnough, Signer, admit_chain, sign_commit, split_commit
from signing.identity import identified
from signing.openpgp import _packets, _Signature
from signing.rules import signature_of

WEB_FLOW = Path(__file__).parent / "web_flow"
KEY = (WEB_FLOW / "key.asc").read_bytes()
ID = "57a489670474bffc47762372a6f54ca840285b41"
COMMIT = identified(ID, (WEB_FLOW / ID).read_bytes())
SIGNATURE = COMMIT.signature or b""
FINGERPRINT = "5de3e0509c47ea3cf04a42d34aee18f83afdeb23"
ALICE = Signer.generate()
KINDS = {"ed25519": ("ed25519", "sign"), "rsa-2048": ("rsa2048", "sign"), "rsa-3072": ("rsa3072", "sign")}


@dataclass(frozen=True)
class Forge:
    """A keyring of gpg's, in which one key signs."""

    home: Path

    def run(self, *command: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        env = {**isolated_environment(), "GNUPGHOME": str(self.home)}
        return subprocess.run(command, input=stdin, capture_output=True, check=check, env=env)

    def key(self) -> bytes:
        return self.run("gpg", "--batch", "--armor", "--export").stdout

    def sign(self, message: bytes, *options: str) -> bytes:
        return self.run("gpg", "--batch", "--armor", "--detach-sign", *options, stdin=message).stdout

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """The oracle."""
        (self.home / "signature").write_bytes(signature)
        command = ("gpg", "--batch", "--verify", str(self.home / "signature"), "-")
        return self.run(*command, stdin=message, check=False).returncode == 0

    def commit(self, parent: tuple[str, bytes], *more: str, tree: str = "") -> tuple[str, bytes]:
        """A commit that this key signed, as git writes it."""
        payload = commit_payload((parent[0], *more), SECONDS)
        signature = self.sign(payload).rstrip(b"\n") + b"\n"
        header = b"gpgsig " + signature.replace(b"\n", b"\n ") + b"\n"
        return named(payload.replace(b"\n\n", b"\n" + header + b"\n", 1))


def named(raw: bytes) -> tuple[str, bytes]:
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "--stdin", "--literally"], input=raw, capture_output=True, check=True
    )
    return made.stdout.decode().strip(), raw


@pytest.fixture(scope="module", params=KINDS)
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    # The path of its agent's socket must be short.
    made = Forge(Path(tempfile.mkdtemp(prefix="gpg")))
    try:
        kind, use = KINDS[request.param]
        made.run(
            "gpg", "--batch", "--passphrase", "", "--quick-generate-key", "Forge <forge@git.example>", kind, use, "0"
        )
        yield made
    finally:
        made.run("gpgconf", "--kill", "all", check=False)
        shutil.rmtree(made.home)


def test_a_real_merge_of_github_s_is_known_by_its_key() -> None:
    keys = ForgeKeys.parse(KEY)
    assert list(keys.keys) == [FINGERPRINT]
    assert keys.signed(SIGNATURE, COMMIT.payload) == FINGERPRINT
    assert code_of(lambda: keys.signed(SIGNATURE, COMMIT.payload + b".")) == "SIGNER_UNKNOWN"


def test_what_gpg_signs_is_known_and_nothing_else(forge: Forge) -> None:
    keys = ForgeKeys.parse(KEY + forge.key())
    message = b"a message\n"
    signature = forge.sign(message)
    assert keys.signed(signature, message) in keys.keys
    assert keys.signed(SIGNATURE, COMMIT.payload) == FINGERPRINT, "among others"
    assert code_of(lambda: ForgeKeys.parse(KEY).signed(signature, message)) == "SIGNER_UNKNOWN"
    assert code_of(lambda: keys.signed(forge.sign(message, "--digest-algo", "SHA512"), message)) == "accepted"
    assert code_of(lambda: keys.signed(forge.sign(message, "--textmode"), message)) == "SIG_FORMAT"
    both = forge.sign(message, "--sig-notation", "!unknown@acme.example=x")
    assert code_of(lambda: keys.signed(both, message)) == "accepted", "a critical notation changes nothing here"


def test_sha1_is_refused(forge: Forge) -> None:
    message = b"a message\n"
    weak = forge.sign(message, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    assert code_of(lambda: ForgeKeys.parse(forge.key()).signed(weak, message)) == "SIG_HASHALG"


def test_nothing_that_gpg_refuses_is_accepted(forge: Forge) -> None:
    """Flipped, cut, repeated bytes anywhere in the signature: 400 of each key."""
    keys, message, dice = ForgeKeys.parse(forge.key()), b"a message\n", random.Random(106)  # noqa: S311 - it chooses mutants
    text_of_gpg = forge.sign(message)
    binary = forge.run("gpg", "--batch", "--dearmor", stdin=text_of_gpg).stdout
    for _ in range(400):
        where = dice.randrange(len(binary))
        match dice.randrange(3):
            case 0:
                mutant = binary[:where] + bytes([binary[where] ^ 1 << dice.randrange(8)]) + binary[where + 1 :]
            case 1:
                mutant = binary[:where]
            case _:
                mutant = binary[:where] + binary[dice.randrange(len(binary)) :]
        text = forge.run("gpg", "--batch", "--enarmor", stdin=mutant).stdout
        text = text.replace(b"PGP ARMORED FILE", b"PGP SIGNATURE")
        if code_of(lambda text=text: keys.signed(text, message)) == "accepted":  # type: ignore[misc]
            # The part that nobody signed may say anything, such as another issuer, by which gpg looks for the key.
            assert forge.accepts(text, message) or signed_part(mutant) == signed_part(binary), mutant.hex()
    assert code_of(lambda: keys.signed(text_of_gpg, message)) == "accepted"


def signed_part(blob: bytes) -> tuple[bytes, bytes]:
    """What was signed, and the signature itself."""
    ((_, body),) = _packets(blob)
    signature = _Signature.parse(body)
    return signature.trailer, signature.values


def armored(blob: bytes, kind: str = "SIGNATURE") -> bytes:
    text = base64.encodebytes(blob).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{text}-----END PGP {kind}-----\n".encode()


def unarmored(text: bytes) -> bytes:
    return base64.b64decode(re.sub(rb"(?m)^(-----.*|=.{4}|)\n", b"", text))


BLOB = unarmored(SIGNATURE)
REFUSED = {
    "two signatures in the armor": (armored(BLOB + BLOB), "SIG_FORMAT"),
    "two armors": (SIGNATURE + SIGNATURE, "SIG_FORMAT"),
    "a key in place of a signature": (armored(unarmored(KEY)), "SIG_FORMAT"),
    "cut off": (armored(BLOB[:-1]), "SIG_FORMAT"),
    "something behind the number": (
        armored(BLOB[:1] + (len(BLOB) - 2).to_bytes(2, "big") + BLOB[3:] + b"x"),
        "SIG_FORMAT",
    ),
    "of version 3": (armored(BLOB.replace(b"\x04\x00\x01\x08", b"\x03\x00\x01\x08", 1)), "SIG_FORMAT"),
    "of a text": (armored(BLOB.replace(b"\x04\x00\x01\x08", b"\x04\x01\x01\x08", 1)), "SIG_FORMAT"),
    "by MD5": (armored(BLOB.replace(b"\x04\x00\x01\x08", b"\x04\x00\x01\x01", 1)), "SIG_HASHALG"),
    "by SHA-1": (armored(BLOB.replace(b"\x04\x00\x01\x08", b"\x04\x00\x01\x02", 1)), "SIG_HASHALG"),
    "an unknown subpacket that is critical": (armored(BLOB.replace(b"\x05\x02\x60", b"\x05\xe5\x60", 1)), "SIG_FORMAT"),
    "without a date": (armored(BLOB.replace(b"\x05\x02\x60", b"\x05\x65\x60", 1)), "SIG_FORMAT"),
    "by an algorithm of another key": (
        armored(BLOB.replace(b"\x04\x00\x01\x08", b"\x04\x00\x16\x08", 1)),
        "SIGNER_UNKNOWN",
    ),
    "no packet": (armored(b"\x00"), "SIG_FORMAT"),
    "a packet without a length": (armored(b"\x8b" + BLOB[3:]), "SIG_FORMAT"),
    "empty": (b"", "SIG_FORMAT"),
    "with Windows line ends": (SIGNATURE.replace(b"\n", b"\r\n"), "SIG_FORMAT"),
    "huge": (armored(b"\xc2" + b"\0" * 9000), "SIG_FORMAT"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_signature_is_refused_that_is(name: str) -> None:
    text, code = REFUSED[name]
    keys = ForgeKeys.parse(KEY)
    assert code_of(lambda: keys.signed(text, COMMIT.payload)) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "KEY_PARSE"),
        (SIGNATURE, "KEY_PARSE"),
        (armored(b"\x99\x00\x03\x04ab", "PUBLIC KEY BLOCK"), "KEY_PARSE"),
        (KEY * 80, "KEY_PARSE"),
        (armored(b"\xc6\x0e\x04" + b"\0" * 4 + b"\x01\x00\x10\xff\xff\x00\x08\x03", "PUBLIC KEY BLOCK"), "KEY_PARSE"),
    ],
)
def test_keys_are_refused_that_are_none(text: bytes, code: str) -> None:
    assert code_of(lambda: ForgeKeys.parse(text)) == code


def test_a_small_key_is_refused() -> None:
    body = b"\x04" + b"\0" * 4 + b"\x01" + (1024).to_bytes(2, "big") + b"\xff" * 128 + b"\x00\x11\x01\x00\x01"
    block = armored(b"\x99" + len(body).to_bytes(2, "big") + body, "PUBLIC KEY BLOCK")
    assert code_of(lambda: ForgeKeys.parse(block)) == "KEY_RSA_SMALL"


def alone(keys: ForgeKeys | None) -> OneIsEnough:
    return OneIsEnough(AllowedSigners.parse(f"alice {ALICE.public.line}\n".encode(), "allowed_signers"), keys)


def test_a_commit_of_the_forge_on_top_of_ours_is_a_rewrite_and_that_of_another_forge_unknown(forge: Forge) -> None:
    """A106: the key says who made it, and nobody is obeyed for it."""
    trusted = named(sign_commit(commit_payload((), SECONDS - 10), ALICE))
    squash = forge.commit(trusted)
    ours, other = ForgeKeys.parse(forge.key()), ForgeKeys.parse(KEY)
    assert code_of(lambda: admit_chain([squash], alone(None), trusted, NOW)) == "SIG_FORMAT"
    assert code_of(lambda: admit_chain([squash], alone(other), trusted, NOW)) == "SIGNER_UNKNOWN"
    assert code_of(lambda: admit_chain([squash], alone(ours), trusted, NOW)) == "FORGE_REWRITE"
    unsigned = named(commit_payload((trusted[0],), SECONDS))
    assert code_of(lambda: admit_chain([unsigned], alone(ours), trusted, NOW)) == "UNSIGNED"


def test_the_real_one_is_a_rewrite_or_unknown() -> None:
    other = ForgeKeys({FINGERPRINT: Ed25519PrivateKey.generate().public_key()})
    for keys, code in ((ForgeKeys.parse(KEY), "FORGE_REWRITE"), (other, "SIGNER_UNKNOWN")):
        assert code_of(lambda keys=keys: signature_of(COMMIT, alone(keys))) == code  # type: ignore[misc]


def test_split_commit_keeps_the_very_bytes() -> None:
    assert split_commit((WEB_FLOW / ID).read_bytes()).signature == SIGNATURE
