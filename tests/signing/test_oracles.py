"""git and ssh-keygen are asked: what we accept, they accept; where we are stricter, by one of these reasons.

A sample by default; with SOAK=1 the whole campaigns, whose figures stand in docs/reference/performance.md.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from signing_workbench import (
    NOW,
    TREE,
    KeyPair,
    Repository,
    code_of,
    commit_payload,
    make_repository,
    run,
)

from signing import AllowedSigners, sign_commit, verify_commit, verify_signature, verify_tag

IS_WHOLE = bool(os.environ.get("SOAK"))
COMMITS, MUTANTS, FILES = (1_000, 20_000, 5_000) if IS_WHOLE else (25, 2_000, 300)
# Where git or ssh-keygen may say yes, and we no: one key is one line, times are in UTC, options are known, nothing is
# padded, nothing stands twice.
STRICTER = {"CERT_UNSUPPORTED", "KEY_CURVE", "KEY_PARSE", "KEY_RSA_SMALL", "KEY_TYPE", "SSH_TRUNCATED"}
STRICTER |= {"SIGNERS", "SIGNERS_OPTION", "SIGNERS_TIME"}
ALIKE = {"KEY_EXPIRED", "KEY_NOT_YET_VALID", "SIG_NAMESPACE", "SIGNER_UNKNOWN"}


@pytest.fixture
def crowd(tmp_path: Path, key_pairs: dict[str, KeyPair]) -> Repository:
    """A repository that allows a key of every kind but the last."""
    repository = make_repository(tmp_path / "crowd", key_pairs["ed25519"].path)
    lines = [f"{kind}@acme.example {pair.signer.public.line}" for kind, pair in key_pairs.items()]
    repository.signers_file.write_text("".join(f"{line}\n" for line in lines[:-1]))
    return repository


def test_generated_commits_and_tags_get_the_verdict_of_git(crowd: Repository, key_pairs: dict[str, KeyPair]) -> None:
    signers = AllowedSigners.parse(crowd.signers_file.read_bytes(), "allowed_signers")
    draw, said = random.Random(20261123), Counter[str]()  # noqa: S311 - the same in each run
    kinds = list(key_pairs)
    for number in range(COMMITS):
        pair = key_pairs[kinds[number % len(kinds)]]
        message = "".join(draw.choice("abc \n\u00e4\u20ac-") for _ in range(draw.randrange(1, 80))).encode() + b"x"
        unsigned = draw.random() < 0.1
        flags = ["--no-gpg-sign"] if unsigned else [f"-S{pair.path}"]
        commit_id, raw = crowd.commit(message, *flags)
        ours = code_of(lambda raw=raw: verify_commit(raw, signers))
        theirs = crowd.git("verify-commit", commit_id, check=False).returncode == 0
        assert (ours == "accepted") == theirs, (ours, raw)
        said[f"commit {ours}"] += 1
        name = f"v{number}"
        crowd.git("tag", *(["-a"] if unsigned else ["-s", f"-u{pair.path}"]), "-F", "-", name, stdin=message)
        tag_id = crowd.git("rev-parse", f"refs/tags/{name}").stdout.decode().strip()
        tag = crowd.git("cat-file", "tag", tag_id).stdout
        ours = code_of(lambda id=tag_id, tag=tag, name=name: verify_tag(id, tag, name, signers, NOW))
        theirs = crowd.git("verify-tag", name, check=False).returncode == 0
        assert (ours == "accepted") == theirs, (ours, tag)
        said[f"tag {ours}"] += 1
    print(dict(said))
    assert {one.split()[1] for one in said} >= {"accepted", "SIGNER_UNKNOWN"}


Mutation = Callable[[bytes, random.Random], bytes]


def flip(raw: bytes, chance: random.Random) -> bytes:
    position = chance.randrange(len(raw))
    return raw[:position] + bytes([raw[position] ^ (1 << chance.randrange(8))]) + raw[position + 1 :]


def insert(raw: bytes, chance: random.Random) -> bytes:
    position = chance.randrange(len(raw))
    return raw[:position] + chance.choice([b"\n", b" ", b"\r", b"\n ", b"=", b"A", b"\0", b"\n\n"]) + raw[position:]


def move_line(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.split(b"\n")
    lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
    return b"\n".join(lines)


def copy_line(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.split(b"\n")
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return b"\n".join(lines)


def drop_line(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def rewrap(raw: bytes, chance: random.Random) -> bytes:
    """The same signature in lines of another length: both must still accept it."""
    begin, end = raw.index(b"U1NIU0lH"), raw.index(b"\n -----END")
    text, width = raw[begin:end].replace(b"\n ", b""), chance.randrange(20, 120)
    return raw[:begin] + b"\n ".join(text[at : at + width] for at in range(0, len(text), width)) + raw[end:]


def add_header(raw: bytes, chance: random.Random) -> bytes:
    """A header from the list slipped in behind the committer or before the message."""
    line = chance.choice([b"gpgsig x", b"gpgsig-sha256 x", b"gpgsigx", b"encoding x", b"tree " + TREE.encode(), b"x"])
    head, _, message = raw.partition(b"\n\n")
    place = chance.choice([b"\ngpgsig", b"\ncommitter", b"\nauthor"])
    inside = head.replace(place, b"\n" + line + place, 1)
    return chance.choice([inside, head + b"\n" + line]) + b"\n\n" + message


MUTATIONS: tuple[Mutation, ...] = (flip, insert, move_line, copy_line, drop_line, rewrap, add_header)


def test_mutated_commits_are_never_accepted_here_and_refused_by_git(
    crowd: Repository, key_pairs: dict[str, KeyPair]
) -> None:
    """git costs 20 ms, so it is asked only about those that we accept: that is the dangerous side."""
    signers = AllowedSigners.parse(crowd.signers_file.read_bytes(), "allowed_signers")
    pairs = list(key_pairs.values())[:-1]
    good = [sign_commit(commit_payload(("1" * 40,)), pair.signer) for pair in pairs]
    chance, said = random.Random(20261123), Counter[str]()  # noqa: S311 - a seed, so that a failure can be repeated
    accepted: set[bytes] = set()
    for number in range(MUTANTS):
        mutant = MUTATIONS[number % len(MUTATIONS)](good[number % len(good)], chance)
        code = code_of(lambda raw=mutant: verify_commit(raw, signers))
        said[code] += 1
        if code == "accepted":
            accepted.add(mutant)
    print(dict(said))
    assert any(mutant not in good for mutant in accepted)
    assert said["accepted"] < MUTANTS // 5
    assert [mutant for mutant in sorted(accepted) if not crowd.accepts(mutant)] == []


def test_mutated_lists_of_keys_never_let_in_whom_ssh_keygen_keeps_out(tmp_path: Path, alice: KeyPair) -> None:
    """ssh-keygen skips a line that it cannot read; we refuse the whole file. Never the other way round."""
    message, namespace = b"message", "git"
    signature = alice.signer.sign(message, namespace)
    (tmp_path / "signature").write_bytes(signature)
    key = verify_signature(signature, message, namespace)
    other = KeyPair.make(tmp_path / "other", "-t", "ed25519")
    window = f'valid-after="{NOW - timedelta(days=9):%Y%m%d}Z",valid-before="{NOW + timedelta(days=9):%Y%m%d}Z"'
    lines = [
        f"alice {alice.signer.public.line}",
        f'alice namespaces="git,file" {alice.signer.public.line} comment',
        f"alice {window} {alice.signer.public.line}",
        f'alice {window},namespaces="git" {alice.signer.public.line}',
        f'# people\n\nbob namespaces="git" {other.signer.public.line}\nalice {alice.signer.public.line}',
        f'alice namespaces="file" {alice.signer.public.line}',
        f'alice valid-before="20200101Z" {alice.signer.public.line}',
    ]
    chance, said = random.Random(20261123), Counter[str]()  # noqa: S311 - the same in each run
    for number in range(FILES):
        text = lines[number % len(lines)].encode() + b"\n"
        for _ in range(chance.randrange(3)):
            text = chance.choice((flip, insert, move_line, copy_line, drop_line, swap_word))(text, chance) or b"\n"
        ours = code_of(lambda text=text: AllowedSigners.parse(text, "f").principal_for(key, namespace, NOW))
        said[ours] += 1
        if ours == "accepted":
            principal = AllowedSigners.parse(text, "f").principal_for(key, namespace, NOW)
            assert keygen_accepts(tmp_path, text, principal, namespace, message), text
        elif ours in ALIKE and number % 10 == 0:
            assert not keygen_accepts(tmp_path, text, "alice", namespace, message), text
        else:
            assert ours in STRICTER | ALIKE, text
    print(dict(said))
    assert said["accepted"] > FILES // 20


def swap_word(raw: bytes, chance: random.Random) -> bytes:
    """A namespace, an option or a time that somebody mistyped."""
    words = {
        b"git": [b"gi", b"git2", b"*", b"!git"],
        b"namespaces": [b"namespace", b"NAMESPACES", b"cert-authority"],
        b"alice": [b"al*", b"alice,bob", b"!alice"],
        b"Z": [b"", b"z", b"00Z"],
        b"2026": [b"2025", b"202", b"9999"],
    }
    word = chance.choice(list(words))
    return raw.replace(word, chance.choice(words[word]), 1)


def keygen_accepts(folder: Path, text: bytes, principal: str, namespace: str, message: bytes) -> bool:
    (folder / "allowed").write_bytes(text)
    flags = ("-f", folder / "allowed", "-I", principal, "-n", namespace, "-s", folder / "signature")
    at = f"-Overify-time={NOW:%Y%m%d%H%M%S}Z"
    return run("ssh-keygen", "-Y", "verify", at, *flags, stdin=message, check=False).returncode == 0
