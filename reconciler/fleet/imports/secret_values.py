"""What looks like a secret, by its name or by itself, and how it is kept out of everything that is printed.

A guess, on the safe side: a secret that is written to Git is public to everybody who can read the fleet repository, for
ever; a harmless value that is taken for one costs the user a line.
"""

import re

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# A name that ends with one of these says something about a secret, and does not hold it.
_ABOUT = set("file path dir url uri name id type policy ttl timeout expiry length size interval enabled method".split())
_SECRET_WORDS = {"pass", "pwd", "token", "tokens", "key", "keys", "sas", "credential", "credentials", "pat"}
# As an end too, for names without a mark between their words, such as PGPASS.
_SECRET_ENDS, _NO_SECRETS = ("pass", "pwd", "token"), {"bypass", "compass"}
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret", "connectionstring", "apikey", "privatekey", "accesskey")
_IN_VALUE = re.compile(
    r"SharedAccess(Key|Signature)\s*[= ]|AccountKey\s*=|-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-1"
    r"|[?&]sig=|\w://[^/\s:@$]*:[^/\s@$]+@|\b(password|passwd|pwd|secret|token|api[_-]?key)\s*=\s*[^\s;$]",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"\s*|true|false|yes|no|on|off|none|null|[0-9]|\$+(\w+|\{.*\})", re.IGNORECASE)
_FLAG = re.compile(r"--?([A-Za-z][\w-]*)")
_FLAG_IN_TEXT = re.compile(r"(?<!\S)--?([A-Za-z][\w-]*)[= ]([^\s-]\S*)")
# What is shorter is no secret, and hiding it would hide half of every message. The same length of a long secret's start
# is enough to know it by: messages quote long values cut.
_SHORTEST, _START = 3, 8
# More secrets with one start are an attack on our time: then all that follows is hidden.
_MANY = 100


def secret_part(name: str, text: str, before: str = "") -> str:
    """What of a text is a secret, or nothing. An element of a list has an index as its name, and one before it."""
    if not name.isdigit():
        return text if _is_secret(name, text) else ""
    left, sign, value = text.partition("=")
    if sign and _is_secret(left, value):
        return value
    # `--token X` in two words
    flag = _FLAG.fullmatch(before)
    return text if _is_secret(flag[1] if flag and not _FLAG.fullmatch(left) else "", text) else ""


def _is_secret(name: str, value: str) -> bool:
    if _HARMLESS.fullmatch(value):
        return False
    if _IN_VALUE.search(value) or _names_a_secret(name):
        return True
    return any(_names_a_secret(m[1]) and not _HARMLESS.fullmatch(m[2]) for m in _FLAG_IN_TEXT.finditer(value))


def _names_a_secret(name: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    joined = "".join(words)
    if any(part in joined for part in _SECRET_PARTS) or words[-1] in _SECRET_WORDS:
        return True
    return words[-1].endswith(_SECRET_ENDS) and words[-1] not in _NO_SECRETS


class SecretValues:
    """The secrets that an input is known to hold."""

    def __init__(self) -> None:
        # By their start, so that a text is gone through once, however many there are.
        self._by_start: dict[str, set[str]] = {}
        self._whole: set[str] = set()

    def note(self, value: str) -> None:
        """Remember a secret, in every way that a message may quote it."""
        self._whole.add(value)
        quoted = repr(value)[1:-1]
        for form in (value, quoted, quoted.replace("'", "\\'"), value.replace("$", "$$"), *value.split()):
            if len(form) >= _SHORTEST:
                self._by_start.setdefault(form[:_START], set()).add(form)

    def holds(self, value: str) -> bool:
        """Is this text, as it stands, a secret that was seen elsewhere under its own name?"""
        return value in self._whole

    def hide(self, text: str) -> str:
        """The text with `***` in the place of every secret, and of every long secret's start."""
        kept, position = [], 0
        lengths = sorted({len(start) for start in self._by_start}, reverse=True)
        while lengths and position < len(text):
            hidden = next((n for n in lengths if text[position : position + n] in self._by_start), 0)
            if hidden:
                hidden = self._length(text[position : position + hidden], text[position:])
            kept.append("***" if hidden else text[position])
            position += hidden or 1
        return "".join(kept) + text[position:]

    def _length(self, start: str, text: str) -> int:
        """How much of a text is one of the secrets that start like this."""
        alike = self._by_start[start]
        if len(alike) > _MANY:
            return len(text)
        return max(_common(value, text) for value in alike)


def _common(value: str, text: str) -> int:
    """The length of what both start with."""
    pairs = enumerate(zip(value, text, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(value), len(text)))
