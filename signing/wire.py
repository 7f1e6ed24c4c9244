"""The SSH wire format (RFC 4251): length-prefixed fields, read strictly."""

import base64
import binascii
import re

from signing.errors import SignatureError

_NAME = re.compile(rb"[!-~]+")


class Reader:
    """Takes fields off the front of a blob; `malformed` is the code for a field that is there but wrong."""

    def __init__(self, blob: bytes, malformed: str, truncated: str = "SSH_TRUNCATED") -> None:
        self._rest = blob
        self._malformed, self._truncated = malformed, truncated

    @property
    def is_more(self) -> bool:
        return bool(self._rest)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._rest))

    def take(self, count: int) -> bytes:
        if count > len(self._rest):
            raise SignatureError(self._truncated, f"the blob ends early: {count} bytes wanted, {len(self._rest)} left")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.u32())

    def name(self) -> str:
        """A string that must be printable ASCII, such as the name of an algorithm."""
        field = self.string()
        if not _NAME.fullmatch(field):
            raise SignatureError(self._malformed, "a name in the blob is empty or not plain ASCII")
        return field.decode("ascii")

    def mpint(self) -> int:
        """A positive number in its only shortest form, so that one key has one blob and one fingerprint."""
        field = self.string()
        number = int.from_bytes(field, "big")
        if number == 0 or field != mpint_bytes(number):
            raise SignatureError(self._malformed, "a number in the blob is zero, negative or padded")
        return number

    def finish(self) -> None:
        if self._rest:
            raise SignatureError(self._malformed, f"{len(self._rest)} unknown bytes after the end of the blob")


def mpint_bytes(number: int) -> bytes:
    """The content of an mpint: big endian, with a zero byte in front where the top bit is set."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def string(field: bytes) -> bytes:
    """A field with its length in front."""
    return len(field).to_bytes(4, "big") + field


def unbase64(text: bytes, malformed: str) -> bytes:
    """Decodes base64 that has exactly one spelling: stray bytes, stray bits and missing padding are refused."""
    try:
        blob = binascii.a2b_base64(text)
    except binascii.Error:
        blob = b""
    if not blob or base64.b64encode(blob) != text:
        raise SignatureError(malformed, "the base64 text is damaged; copy it again whole")
    return blob
