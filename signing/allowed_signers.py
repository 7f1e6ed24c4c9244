"""Who may speak: OpenSSH's allowed_signers format, read so that no line has two meanings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from signing.errors import SignatureError, UnableToCheck, shown
from signing.keys import PublicKey

_MAX_FILE = 1024 * 1024
_OPTIONS = ("namespaces", "valid-after", "valid-before")
# ssh-keygen reads * ? ! and the comma as patterns; here one line names one person.
_PRINCIPAL = re.compile(r"[!-~]{1,255}")
_PATTERN = frozenset('*?!,"')
_NAMESPACE = re.compile(r"[A-Za-z0-9._@+/-]+")
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"\\]*)")?(,| +)')
_TIMES = {9: "%Y%m%dZ", 13: "%Y%m%d%H%MZ", 15: "%Y%m%d%H%M%SZ"}
_TIME = re.compile(r"[0-9]+Z")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_KRL = b"SSHKRL\n\0"


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """One line: a person, a key, and what for and when it counts. `namespaces` None means every namespace."""

    principal: str
    key: PublicKey
    namespaces: frozenset[str] | None = None
    valid_after: datetime | None = None
    valid_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AllowedSigners:
    """The keys of one allowed_signers file, by their blobs."""

    source: str
    by_blob: Mapping[bytes, AllowedSigner]
    # Fingerprints of keys that are not heard, whatever stands in the file.
    revoked: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: bytes, source: str) -> Self:
        """Reads a whole file or raises UnableToCheck naming `source:line`: half a list of keys is no list."""
        by_blob: dict[bytes, AllowedSigner] = {}
        for number, line in enumerate(_lines(text, source), start=1):
            if not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
                continue
            try:
                signer = _signer(line.strip(" \t"))
                _refuse_second(signer, by_blob.get(signer.key.blob))
            except SignatureError as error:
                raise UnableToCheck(error.code, f"{source}:{number}: {error.message}") from error
            by_blob[signer.key.blob] = signer
        if not by_blob:
            raise UnableToCheck("SIGNERS", f"{source}: names no key; add a line `you@example.com ssh-ed25519 AAAA...`")
        return cls(source, by_blob)

    def principal_for(self, key: PublicKey, namespace: str, at: datetime) -> str:
        """Whose key this is. Raises SignatureError unless it may sign in `namespace` at the time `at`."""
        signer = self.by_blob.get(key.blob)
        if signer is None:
            raise SignatureError("SIGNER_UNKNOWN", f"key {key.fingerprint} ({key.type}) is not in {self.source}")
        who = f"key {key.fingerprint} of {signer.principal}"
        if key.fingerprint in self.revoked:
            raise SignatureError("KEY_REVOKED", f"{who} is revoked")
        if signer.namespaces is not None and namespace not in signer.namespaces:
            allowed = ",".join(sorted(signer.namespaces))
            raise SignatureError("SIG_NAMESPACE", f"{who} may sign for {allowed}, not for {shown(namespace)}")
        # Both ends count as inside, as in ssh-keygen(1).
        if signer.valid_after is not None and at < signer.valid_after:
            raise SignatureError("KEY_NOT_YET_VALID", f"{who} counts from {_utc(signer.valid_after)}, used {_utc(at)}")
        if signer.valid_before is not None and at > signer.valid_before:
            raise SignatureError("KEY_EXPIRED", f"{who} counts until {_utc(signer.valid_before)}, used {_utc(at)}")
        return signer.principal


def parse_revoked(text: bytes, source: str) -> frozenset[str]:
    """The fingerprints of a file of public keys, one a line, as of git's `gpg.ssh.revocationFile`; or `SHA256:...`.

    Raises UnableToCheck: whoever cannot read who is revoked hears nobody.
    """
    if text.startswith(_KRL):
        raise UnableToCheck("SIGNERS", f"{source}: a binary KRL is not read; list the public keys, one a line")
    found: set[str] = set()
    for number, line in enumerate(_lines(text, source), start=1):
        words = line.strip(" \t")
        if not words or words.startswith("#"):
            continue
        try:
            found.add(words if _FINGERPRINT.fullmatch(words) else PublicKey.parse(words).fingerprint)
        except SignatureError as error:
            raise UnableToCheck(error.code, f"{source}:{number}: {error.message}") from error
    return frozenset(found)


def _lines(text: bytes, source: str) -> list[str]:
    if len(text) > _MAX_FILE:
        raise UnableToCheck("SIGNERS", f"{source}: larger than {_MAX_FILE} bytes")
    try:
        # Not splitlines(): it also splits at characters that ssh-keygen takes for part of a comment.
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UnableToCheck("SIGNERS", f"{source}: not UTF-8; save the file as plain UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f\ufeff]", line):
            raise UnableToCheck("SIGNERS", f"{source}:{number}: control character; use LF line ends and no BOM")
    return lines


def _signer(line: str) -> AllowedSigner:
    principal, _, rest = line.replace("\t", " ").partition(" ")
    if not _PRINCIPAL.fullmatch(principal) or _PATTERN & set(principal):
        raise SignatureError("SIGNERS", f"{shown(principal)} must be one plain name, without * ? ! , or quotes")
    rest = rest.lstrip(" ")
    options: dict[str, str] = {}
    if not re.match(r"[^ ]+ +AAAA", rest):
        options, rest = _options(rest)
    key = PublicKey.parse(re.sub(r"^([^ ]+) +", r"\1 ", rest))
    after, before = _time(options, "valid-after"), _time(options, "valid-before")
    if after is not None and before is not None and before <= after:
        raise SignatureError("SIGNERS_TIME", "valid-before is not later than valid-after")
    return AllowedSigner(principal, key, _namespaces(options), after, before)


def _options(text: str) -> tuple[dict[str, str], str]:
    """The options and what follows them. An unknown one may be a restriction, so it cannot be skipped."""
    options: dict[str, str] = {}
    position = 0
    while found := _OPTION.match(text, position):
        name, value = found[1].lower(), found[2]
        if name == "cert-authority":
            raise SignatureError("SIGNERS_OPTION", "cert-authority is not supported yet; list each person's own key")
        if name not in _OPTIONS or value is None or name in options:
            raise SignatureError("SIGNERS_OPTION", f"option {shown(found[1])} is unknown, repeated or without value")
        options[name] = value
        position = found.end()
        if found[3] != ",":
            return options, text[position:]
    raise SignatureError("SIGNERS_OPTION", f'cannot read the options at {shown(text[position:])}; write name="value"')


def _namespaces(options: Mapping[str, str]) -> frozenset[str] | None:
    if "namespaces" not in options:
        return None
    names = options["namespaces"].split(",")
    for name in names:
        if not _NAMESPACE.fullmatch(name):
            raise SignatureError("SIGNERS_OPTION", f"namespace {shown(name)} must be a plain name, not a pattern")
    return frozenset(names)


def _time(options: Mapping[str, str], name: str) -> datetime | None:
    text = options.get(name)
    if text is None:
        return None
    if _TIME.fullmatch(text) and len(text) in _TIMES:
        try:
            # The pattern's Z is a letter to strptime; the zone comes from here.
            return datetime.strptime(text, _TIMES[len(text)]).replace(tzinfo=UTC)
        except ValueError:
            pass
    raise SignatureError("SIGNERS_TIME", f"{name} {shown(text)} must be YYYYMMDD[HHMM[SS]]Z, with the Z for UTC")


def _refuse_second(signer: AllowedSigner, earlier: AllowedSigner | None) -> None:
    if earlier is not None:
        raise SignatureError(
            "SIGNERS",
            f"key {signer.key.fingerprint} of {signer.principal} was already given to {earlier.principal};"
            " one key, one line",
        )


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
