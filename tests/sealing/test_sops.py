"""Files of SOPS: what a device reads of them, and each way in which they may have been changed (A95, A96)."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml

from reconciler.errors import ManifestError, SealRefused
from reconciler.sealing import Keys, unseal_value
from tests.fakes.sops import Sops, text

IDENTITY = pyrage.x25519.Identity.generate()
OURS, OTHER = str(IDENTITY.to_public()), str(pyrage.x25519.Identity.generate().to_public())
KEYS = Keys.parse(str(IDENTITY).encode())
VALUES = {
    "plain_unencrypted": "told to all",
    "password": "p4ss wörd\n",
    "empty": "",
    "nothing": None,
    "port": 5432,
    "ratio": 0.1,
    "big": 1e21,
    "whole": 5.0,
    "on": True,
    "nested": {"user": "ann", "hosts": ["a", "b"], "deep": {"er": "x"}},
}
SUFFIX = {"unencrypted_suffix": "_unencrypted"}
Change = Callable[[dict[str, Any]], object]


def read(document: bytes, pointer: str = "password", keys: Keys = KEYS) -> bytes:
    return unseal_value(document, keys, pointer, "secrets/mail.yaml")


def refusal(document: bytes, pointer: str = "password", keys: Keys = KEYS) -> str:
    with pytest.raises(SealRefused) as refused:
        read(document, pointer, keys)
    assert "p4ss" not in str(refused.value)
    assert refused.value.exit_code == 41
    return refused.value.code


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("password", "p4ss wörd\n"),
        ("port", "5432"),
        ("ratio", "0.1"),
        ("big", "1000000000000000000000"),
        ("whole", "5"),
        ("on", "true"),
        ("nested/user", "ann"),
        ("nested/deep/er", "x"),
    ],
)
def test_a_value_is_read_as_text_whatever_its_type(pointer: str, value: str) -> None:
    assert read(text(Sops(VALUES, [OTHER, OURS], SUFFIX).document()), pointer) == value.encode()


@pytest.mark.parametrize(
    "rule",
    [
        {},
        SUFFIX,
        {"encrypted_suffix": "word"},
        {"unencrypted_regex": "^(port|on)$"},
        {"encrypted_regex": "^(password|nested)$"},
    ],
    ids=lambda rule: next(iter(rule), "none"),
)
@pytest.mark.parametrize("sealed_only", [False, True])
def test_each_rule_of_what_is_sealed_is_kept(rule: dict[str, str], sealed_only: bool) -> None:
    assert read(text(Sops(VALUES, [OURS], rule, sealed_only).document())) == b"p4ss w\xc3\xb6rd\n"


def test_a_device_reads_by_the_ssh_key_that_it_has(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    recipient = (tmp_path / "key.pub").read_text().strip()
    document = text(Sops({"password": "x"}, [OTHER, recipient]).document())
    assert read(document, keys=Keys.parse((tmp_path / "key").read_bytes())) == b"x"


def moved(document: dict[str, Any]) -> None:
    document["password"] = document["nested"]["user"]


def swapped(document: dict[str, Any]) -> None:
    hosts = document["nested"]["hosts"]
    hosts[0], hosts[1] = hosts[1], hosts[0]


def flip(value: str) -> str:
    at = value.index("data:") + 5
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


A95: dict[str, tuple[Change, str]] = {
    "moved ciphertext": (moved, "SOPS_DAMAGED"),
    "a changed ciphertext": (lambda d: d.update(password=flip(d["password"])), "SOPS_DAMAGED"),
    "no base64": (lambda d: d.update(password=d["password"].replace("data:", "data:?")), "SOPS_DAMAGED"),
    "another form": (lambda d: d.update(password=d["password"].replace("type:str", "type:map")), "SOPS_DAMAGED"),
    "no AES": (lambda d: d.update(password=d["password"].replace("AES256", "AES128")), "SOPS_PLAIN"),
    "plaintext instead": (lambda d: d.update(password="changed"), "SOPS_PLAIN"),
    "a number instead": (lambda d: d.update(port=1), "SOPS_PLAIN"),
    "no mac": (lambda d: d["sops"].pop("mac"), "SOPS_NO_MAC"),
    "an empty mac": (lambda d: d["sops"].update(mac=""), "SOPS_NO_MAC"),
    "a mac in plain text": (lambda d: d["sops"].update(mac="0" * 128), "SOPS_MAC"),
    "a changed mac": (lambda d: d["sops"].update(mac=flip(d["sops"]["mac"])), "SOPS_MAC"),
    "another time": (lambda d: d["sops"].update(lastmodified="2026-11-24T02:03:05Z"), "SOPS_MAC"),
    "no time": (lambda d: d["sops"].pop("lastmodified"), "SOPS_MAC"),
    "a plain value changed": (lambda d: d.update(plain_unencrypted="told to nobody"), "SOPS_MAC"),
    "a plain value more": (lambda d: d.update(more_unencrypted="x"), "SOPS_MAC"),
    "a sealed value less": (lambda d: d.pop("port"), "SOPS_MAC"),
    "two values swapped": (swapped, "SOPS_MAC"),
    "a rule that lets all be plain": (lambda d: d["sops"].update(unencrypted_suffix="d"), "SOPS_MAC"),
    "another rule beside": (lambda d: d["sops"].update(encrypted_regex="^x$"), "SOPS_FORMAT"),
    "a rule for comments": (lambda d: d["sops"].update(encrypted_comment_regex="x"), "SOPS_FORMAT"),
    "only sealed values count": (lambda d: d["sops"].update(mac_only_encrypted=True), "SOPS_MAC"),
    "key groups": (lambda d: d["sops"].update(key_groups=[{}]), "SOPS_FORMAT"),
    "a threshold": (lambda d: d["sops"].update(shamir_threshold=2), "SOPS_FORMAT"),
    "no recipients": (lambda d: d["sops"].pop("age"), "SOPS_NO_KEY"),
    "a wrap without an end": (lambda d: d["sops"]["age"][0].update(enc="-----BEGIN AGE"), "SOPS_DAMAGED"),
    "no metadata": (lambda d: d.pop("sops"), "SOPS_FORMAT"),
}


@pytest.mark.parametrize("case", A95)
def test_a_file_that_was_changed_is_refused(case: str) -> None:
    change, code = A95[case]
    document = Sops(VALUES, [OURS], SUFFIX).document()
    assert read(text(document)) == b"p4ss w\xc3\xb6rd\n"
    change(document)
    assert refusal(text(document)) == code


def test_a_value_that_is_none_is_refused() -> None:
    document = text(Sops(VALUES, [OURS], SUFFIX).document())
    for pointer in ("nobody", "plain_unencrypted", "nested", "nested/hosts", "sops/mac", "password/more"):
        assert refusal(document, pointer) == "SOPS_PLAIN"


def test_a_file_for_others_is_refused() -> None:
    assert refusal(text(Sops(VALUES, [OTHER], SUFFIX).document())) == "SOPS_NO_KEY"


def test_a_wrapped_key_of_another_length_is_refused() -> None:
    sops = Sops(VALUES, [OURS], SUFFIX)
    document = sops.document()
    sops.key = b"short"
    document["sops"]["age"][0]["enc"] = sops.wrap(OURS)
    assert refusal(text(document)) == "SOPS_DAMAGED"


def test_a_rule_that_cannot_be_read_is_refused() -> None:
    document = Sops(VALUES, [OURS]).document()
    # What repeats may match for ever, and what is no expression at all.
    for regex in ("(", "a" * 501, "^(a+)+$", "a{99999999999}", "[a", ".*", "(a|b", "a)(b"):
        document["sops"]["encrypted_regex"] = regex
        assert refusal(text(document)) == "SOPS_FORMAT"


def test_a_wrap_for_somebody_else_may_be_damaged() -> None:
    document = Sops(VALUES, [OTHER, OURS], SUFFIX).document()
    document["sops"]["age"][0]["enc"] = "-----BEGIN AGE"
    assert read(text(document)) == b"p4ss w\xc3\xb6rd\n"


def test_a_key_with_a_slash_is_no_way_to_another_value() -> None:
    document = text(Sops({"a": {"b": "meant"}, "a/b": "other"}, [OURS]).document())
    assert read(document, "a/b") == b"meant"


def test_a_post_quantum_key_is_refused_by_name() -> None:
    with pytest.raises(SealRefused, match="SOPS_PQ_UNSUPPORTED"):
        Keys.parse(b"# age\nAGE-SECRET-KEY-PQ-1QQQQ\n")


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    return {("renamed_unencrypted" if key == "plain_unencrypted" else key): v for key, v in document.items()}


def boundary(document: dict[str, Any]) -> dict[str, Any]:
    """`told to all` is two values now: together they are the same bytes."""
    more = {"plain_unencrypted": "told to", "next_unencrypted": " all"}
    return {k: v for key, value in document.items() for k, v in (more if key in more else {key: value}).items()}


def as_list(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "plain_unencrypted": [document["plain_unencrypted"]]}


A96 = {
    "a plain key renamed": renamed,
    "a boundary moved": boundary,
    "a value made a list": as_list,
    "a null key more": lambda document: {"more": None, **document},
}


@pytest.mark.parametrize("case", A96)
def test_what_the_code_of_sops_does_not_cover_is_what_signatures_are_for(case: str) -> None:
    """Unsealing alone accepts these: whoever has the file may make them. A device reads only what is signed."""
    document = Sops(VALUES, [OURS], SUFFIX).document()
    changed = A96[case](document)
    assert text(changed) != text(document)
    assert read(text(changed)) == b"p4ss w\xc3\xb6rd\n"


@pytest.mark.parametrize("foreign", [b"", b"[]", b"a: [", b"sops: 1", b"a: &a [*a]", b"sops: {age: 1}", b"\xff"])
def test_foreign_bytes_are_refused_and_no_more(foreign: bytes) -> None:
    with pytest.raises((SealRefused, ManifestError)):
        read(foreign)


ORACLE = os.environ.get("SOPS_AGE", "")
_JS = """
import {decryptSops} from 'sops-age';
console.log(JSON.stringify(await decryptSops(process.argv[1], {secretKey: process.argv[2], fileType: 'yaml'})));
"""


@pytest.mark.skipif(not ORACLE, reason="SOPS_AGE names no folder with the npm package sops-age")
def test_another_reader_of_sops_reads_what_the_tests_write() -> None:
    """The tests write their own files: so somebody else must read them the same way."""
    document = text(Sops({k: v for k, v in VALUES.items() if v is not None}, [OURS], SUFFIX).document())
    command = ["node", "--input-type=module", "-e", _JS, document.decode(), str(IDENTITY)]
    done = subprocess.run(command, cwd=ORACLE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {k: v for k, v in VALUES.items() if v is not None}
    assert yaml.safe_load(document)["password"].startswith("ENC[")
