"""Have enough different people signed these bytes? One person counts once, with however many keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from signing.allowed_signers import AllowedSigners
from signing.errors import SignatureError
from signing.sshsig import verify_signature

# More people than a quorum ever has; each costs a third of a millisecond.
MAX_SIGNATURES = 64


@dataclass(frozen=True, slots=True)
class Role:
    """People, and how many of them must agree."""

    principals: frozenset[str]
    threshold: int


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who has signed, and with which key."""

    principal: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Voices:
    """All who have signed some bytes, and why other signatures do not count."""

    heard: tuple[Voice, ...]
    unheard: tuple[str, ...] = ()

    @property
    def people(self) -> frozenset[str]:
        return frozenset(voice.principal for voice in self.heard)


def voices_of(
    message: bytes,
    signatures: Mapping[str, bytes],
    namespace: str,
    signers: AllowedSigners,
    revoked: Collection[str],
    at: datetime,
) -> Voices:
    """Who of `signers` has signed `message` for `namespace`, by keys that count at that moment and are not revoked.

    `signatures` are armored ones by the names of their files, which say nothing about who signed.
    """
    heard: set[Voice] = set()
    unheard: list[str] = []
    if len(signatures) > MAX_SIGNATURES:
        raise SignatureError("QUORUM", f"{len(signatures)} signatures, {MAX_SIGNATURES} is the most")
    for name, armored in sorted(signatures.items()):
        try:
            key = verify_signature(armored, message, namespace)
            principal = signers.principal_for(key, namespace, at)
            if key.fingerprint in revoked:
                raise SignatureError("KEY_REVOKED", f"key {key.fingerprint} of {principal} is revoked")
            heard.add(Voice(principal, key.fingerprint))
        except SignatureError as error:
            unheard.append(f"{name}: {error}")
    return Voices(tuple(sorted(heard, key=lambda voice: (voice.principal, voice.fingerprint))), tuple(unheard))


class Pending(SignatureError):
    """Refused only because not all have signed yet."""


def has_quorum(voices: Voices, role: Role) -> bool:
    return len(voices.people & role.principals) >= role.threshold


def check_quorum(voices: Voices, name: str, role: Role, what: str, code: str = "QUORUM") -> None:
    """Raises SignatureError with `code` unless the role has spoken."""
    if has_quorum(voices, role):
        return
    signed = ", ".join(sorted(voices.people & role.principals)) or "nobody"
    others = "".join(f"; {reason}" for reason in voices.unheard[:3])
    told = f"{what} needs {role.threshold} of role `{name}`, signed by {signed} of them{others}"
    kind = Pending if voices.people & role.principals else SignatureError
    raise kind(code, told)
