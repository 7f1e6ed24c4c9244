"""Signed tags on raw bytes: the rule of mode `tag`."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from signing.allowed_signers import AllowedSigners
from signing.commits import MAX_COMMIT, NAMESPACE
from signing.errors import SignatureError, shown
from signing.identity import SLACK
from signing.keys import PublicKey
from signing.sshsig import verify_signature

_BEGIN = b"-----BEGIN "
_HEADERS = re.compile(
    rb"object ([0-9a-f]{40}|[0-9a-f]{64})\n"
    rb"type ([a-z]+)\n"
    rb"tag ([^\n]+)\n"
    rb"(?:tagger (?:[^<>\n]* )?<[^<>\n]*> (0|[1-9][0-9]{0,11}) [+-][0-9]{4}\n)?"
    rb"\n"
)


@dataclass(frozen=True, slots=True)
class TagSignature:
    """A good tag: the commit that it names, who signed it, and when."""

    name: str
    commit: str
    principal: str
    key: PublicKey
    tagged_at: datetime


def verify_tag(tag_id: str, raw: bytes, name: str, signers: AllowedSigners, now: datetime) -> TagSignature:
    """Who signed this tag object, which must be named `name` inside as well, and be of a commit. Raises SignatureError.

    git compares neither the name nor the type, and takes text behind the signature for a part of the tag. A key must
    count when the tag was made and also now: the date in a tag is chosen by whoever makes it.
    """
    commit, tagged_at, payload, signature = _split(tag_id, raw, name)
    if tagged_at > now + SLACK:
        raise SignatureError("FUTURE", f"tagged at {tagged_at}, here it is {now}; check this device's clock")
    key = verify_signature(signature, payload, NAMESPACE)
    signers.principal_for(key, NAMESPACE, tagged_at)
    return TagSignature(name, commit, signers.principal_for(key, NAMESPACE, now), key, tagged_at)


def _split(tag_id: str, raw: bytes, name: str) -> tuple[str, datetime, bytes, bytes]:
    """The commit, the time, what was signed, and the signature."""
    if len(raw) > MAX_COMMIT:
        raise SignatureError("OBJ_TOO_BIG", f"the tag has more than {MAX_COMMIT} bytes")
    if b"\0" in raw:
        raise SignatureError("OBJ_NUL", "the tag holds a NUL byte, behind which programs see different texts")
    hash_name = {40: "sha1", 64: "sha256"}.get(len(tag_id))
    if hash_name is None or hashlib.new(hash_name, b"tag %d\0" % len(raw) + raw).hexdigest() != tag_id:
        raise SignatureError("OBJ_ID", "the bytes do not have this id; the object store is damaged or lies")
    found = _HEADERS.match(raw)
    if found is None or len(found[1]) != len(tag_id):
        raise SignatureError("OBJ_FORMAT", "the tag must have one object, its type, its name and its tagger")
    if found[4] is None:
        raise SignatureError("OBJ_IDENT", "nobody tagged it; make it with `git tag -s`")
    if found[2] != b"commit":
        raise SignatureError("TAG_TYPE", f"a tag of a {shown(found[2])}, must be of a commit")
    if found[3] != name.encode():
        raise SignatureError("TAG_NAME", f"the tag says that it is {shown(found[3])}, the ref says {shown(name)}")
    begin = raw.find(b"\n" + _BEGIN, found.end() - 1) + 1
    if not begin:
        raise SignatureError("UNSIGNED", "the tag has no signature; make it with `git tag -s`")
    payload, signature = raw[:begin], raw[begin:]
    if signature.count(_BEGIN) > 1:
        raise SignatureError("SIG_MULTIPLE", "the tag holds more than one signature; sign it once")
    return found[1].decode(), _moment(found[4]), payload, signature


def _moment(seconds: bytes) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureError("OBJ_IDENT", f"the tagger's time {shown(seconds)} is too late") from error
