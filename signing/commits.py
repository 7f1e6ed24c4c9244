"""Signed commits on raw bytes: taken apart, verified, signed, without Git."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from signing.allowed_signers import AllowedSigners
from signing.errors import SignatureError, shown
from signing.keys import PublicKey
from signing.sshsig import verify_signature

NAMESPACE = "git"
MAX_COMMIT = 1024 * 1024

# Git writes the signature under the name of the repository's hash, told by the length of ids.
_SIGNATURE_HEADERS = {40: b"gpgsig", 64: b"gpgsig-sha256"}
_IDENT = re.compile(rb"((?:[^<>\n]* )?<[^<>\n]*>) (0|[1-9][0-9]{0,11}) [+-][0-9]{4}")
_ID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_ONCE = (b"tree", b"parent", b"author", b"committer")


class Signs(Protocol):
    """Whatever makes an armored SSHSIG: a key here, or a program that has one."""

    def sign(self, message: bytes, namespace: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SignedObject:
    """A commit taken apart: what was signed, by which signature, and what it says."""

    payload: bytes
    signature: bytes | None
    tree: str
    parents: tuple[str, ...]
    committed_at: datetime
    committer: str
    author: str
    subject: str


@dataclass(frozen=True, slots=True)
class CommitSignature:
    """Who signed a commit, with which key, and the commit."""

    principal: str
    key: PublicKey
    commit: SignedObject


@dataclass(frozen=True, slots=True)
class _Header:
    """One header with its continuation lines, as bytes of the object and as a value."""

    raw: bytes
    name: bytes
    value: bytes | None


def verify_commit(raw: bytes, signers: AllowedSigners) -> CommitSignature:
    """Who signed this commit, judged at its committer's time. Raises SignatureError unless one of `signers` did."""
    return verify_split(split_commit(raw), signers)


def verify_split(commit: SignedObject, signers: AllowedSigners, since: datetime | None = None) -> CommitSignature:
    """As `verify_commit`, for a commit taken apart already; with `since`, the key must count at that time as well."""
    if commit.signature is None:
        raise SignatureError("UNSIGNED", "the commit has no signature; sign it with `git commit -S`")
    key = verify_signature(commit.signature, commit.payload, NAMESPACE)
    principal = signers.principal_for(key, NAMESPACE, commit.committed_at)
    if since is not None and since > commit.committed_at:
        signers.principal_for(key, NAMESPACE, since)
    return CommitSignature(principal, key, commit)


def sign_commit(payload: bytes, signer: Signs) -> bytes:
    """The raw commit with a signature header where Git puts it: the last header, before the message."""
    commit = split_commit(payload)
    if commit.signature is not None:
        raise SignatureError("SIG_MULTIPLE", "the commit is signed already")
    armored = signer.sign(payload, NAMESPACE).rstrip(b"\n")
    header = _SIGNATURE_HEADERS[len(commit.tree)] + b" " + armored.replace(b"\n", b"\n ")
    head, _, message = payload.partition(b"\n\n")
    return head + b"\n" + header + b"\n\n" + message


def split_commit(raw: bytes) -> SignedObject:
    """Takes a commit's content apart, strictly: bytes that Git would skip are refused, never ignored."""
    if len(raw) > MAX_COMMIT:
        raise SignatureError("OBJ_TOO_BIG", f"the commit has more than {MAX_COMMIT} bytes")
    if b"\0" in raw:
        raise SignatureError("OBJ_NUL", "the commit holds a NUL byte, behind which programs see different texts")
    # A blank line inside a header's value is written as one space, so this is the end of the headers.
    head, blank, message = raw.partition(b"\n\n")
    if not blank:
        raise SignatureError("OBJ_FORMAT", "the commit has no blank line between headers and message")
    headers = _headers(head)
    tree, parents = _ids(headers)
    author, committer = headers[1 + len(parents) : 3 + len(parents)]
    signature = _signature(headers[3 + len(parents) :], len(tree))
    kept = b"".join(header.raw for header in headers if header is not signature)
    author_name, _ = _ident(author)
    committer_name, committed_at = _ident(committer)
    return SignedObject(
        payload=kept + b"\n" + message,
        signature=None if signature is None else signature.value,
        tree=tree,
        parents=parents,
        committed_at=committed_at,
        committer=committer_name,
        author=author_name,
        subject=_text(message.lstrip(b"\n").partition(b"\n")[0]),
    )


def _headers(head: bytes) -> list[_Header]:
    blocks: list[list[bytes]] = []
    for line in head.split(b"\n"):
        if not line.startswith(b" "):
            blocks.append([line])
        elif blocks:
            blocks[-1].append(line[1:])
        else:
            raise SignatureError("OBJ_FORMAT", "the commit begins with a space")
    return [_header(lines) for lines in blocks]


def _header(lines: list[bytes]) -> _Header:
    name, space, first = lines[0].partition(b" ")
    value = b"\n".join([first, *lines[1:], b""]) if space else None
    return _Header(b"\n ".join(lines) + b"\n", name, value)


def _ids(headers: list[_Header]) -> tuple[str, tuple[str, ...]]:
    """Tree and parents, when the headers are tree, parents, author, committer in this order and each once."""
    names = [header.name for header in headers]
    count = names.count(b"parent")
    if names[: 3 + count] != [b"tree", *[b"parent"] * count, b"author", b"committer"] or _repeated(names[3 + count :]):
        raise SignatureError("OBJ_FORMAT", "the commit must have one tree, its parents, one author, one committer")
    ids = [(header.value or b"")[:-1] for header in headers[: 1 + count]]
    if not all(_ID.fullmatch(one) and len(one) == len(ids[0]) for one in ids):
        raise SignatureError("OBJ_FORMAT", "a tree or parent of the commit is not an object id")
    tree, *parents = (one.decode("ascii") for one in ids)
    return tree, tuple(parents)


def _repeated(names: list[bytes]) -> bool:
    return any(name in _ONCE for name in names)


def _signature(headers: list[_Header], id_length: int) -> _Header | None:
    """The one signature header. Git drops every header that begins with gpgsig from what it verifies; we count them."""
    found = [header for header in headers if header.name.startswith(b"gpgsig")]
    if not found:
        return None
    if len(found) > 1:
        raise SignatureError("SIG_MULTIPLE", "the commit has more than one signature header; sign it once")
    header, expected = found[0], _SIGNATURE_HEADERS[id_length]
    if header.name != expected or header.value is None:
        raise SignatureError("SIG_FORMAT", f"the signature header is {shown(header.name)}, must be {shown(expected)}")
    if header.value.count(b"-----BEGIN ") > 1:
        raise SignatureError("SIG_ARMOR", "the signature header holds more than one signature; sign the commit once")
    return header


def _ident(header: _Header) -> tuple[str, datetime]:
    found = _IDENT.fullmatch((header.value or b"")[:-1])
    if found is None:
        raise SignatureError("OBJ_IDENT", f"the {_text(header.name)} must read `Name <mail> seconds +zone`")
    try:
        return _text(found[1]), datetime.fromtimestamp(int(found[2]), tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureError("OBJ_IDENT", f"the {_text(header.name)}'s time {shown(found[2])} is too late") from error


def _text(line: bytes) -> str:
    """For people to read, after the bytes were judged: UTF-8, else the older latin-1, which fits any byte."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
