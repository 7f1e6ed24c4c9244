"""Writes files of SOPS as `sops` does, for the tests: from its description, apart from what reads them."""

import base64
import hashlib
import os
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyrage
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHANGED = "2026-11-24T02:03:04Z"


@dataclass
class Sops:
    """One file: what it says, for whom, and by which rule; `key` seals its values."""

    values: dict[str, Any]
    recipients: list[str]
    rule: dict[str, str] = field(default_factory=dict)
    sealed_only: bool = False
    key: bytes = field(default_factory=lambda: os.urandom(32))

    def document(self) -> dict[str, Any]:
        """The whole file, before it is text: tests change it."""
        code = hashlib.sha512(hashlib.sha256(b"sops").digest() if self.sealed_only else b"")
        sealed = {key: self._sealed(value, (key,), code) for key, value in self.values.items()}
        metadata: dict[str, Any] = {
            "age": [{"recipient": one, "enc": self.wrap(one)} for one in self.recipients],
            "lastmodified": CHANGED,
            "mac": self.seal(code.hexdigest().upper().encode(), CHANGED, "str"),
            **self.rule,
            "version": "3.10.2",
        }
        if self.sealed_only:
            metadata["mac_only_encrypted"] = True
        return {**sealed, "sops": metadata}

    def wrap(self, recipient: str) -> str:
        kind = pyrage.x25519.Recipient if recipient.startswith("age1") else pyrage.ssh.Recipient
        return pyrage.encrypt(self.key, [kind.from_str(recipient)], armored=True).decode()

    def seal(self, value: bytes, bound_to: str, kind: str) -> str:
        nonce = os.urandom(32)
        whole = AESGCM(self.key).encrypt(nonce, value, bound_to.encode())
        data, iv, tag = (base64.b64encode(part).decode() for part in (whole[:-16], nonce, whole[-16:]))
        return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"

    def _sealed(self, value: Any, path: tuple[str, ...], code: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._sealed(child, (*path, key), code) for key, child in value.items()}
        if isinstance(value, list):
            return [self._sealed(child, path, code) for child in value]
        if value is None or value == "":
            return value
        kind, text = told(value)
        if not self._is_sealed(path):
            if not self.sealed_only:
                code.update(text)
            return value
        code.update(text)
        return self.seal(text, "".join(f"{part}:" for part in path), kind)

    def _is_sealed(self, path: tuple[str, ...]) -> bool:
        for name, said in (self.rule or {"unencrypted_suffix": "_unencrypted"}).items():
            fits = str.endswith if name.endswith("suffix") else lambda part, said: re.search(said, part) is not None
            return any(fits(part, said) for part in path) is name.startswith("encrypted")
        return True


def told(value: Any) -> tuple[str, bytes]:
    """A value's type, and its text, as Go writes it."""
    if isinstance(value, bool):
        return "bool", str(value).encode()
    if isinstance(value, float):
        return "float", format(Decimal(repr(value)).normalize(), "f").encode()
    if isinstance(value, int):
        return "int", str(value).encode()
    return "str", value.encode()


def text(document: dict[str, Any]) -> bytes:
    return yaml.safe_dump(document, sort_keys=False, width=10_000, allow_unicode=True).encode()
