"""Files of SOPS with age keys, read only: `sops` itself writes them (https://github.com/getsops/sops, "Encryption
protocol").

A random data key, wrapped for each recipient, seals each value apart, bound to the keys that lead to it; a code over
all values in their order is sealed with the time of the last change. That code says nothing of keys, lists and empty
values: what a file says is known by the signature of its commit, and by that alone.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.errors import SealRefused
from reconciler.reading import Node, parse
from reconciler.sealing.age import Keys, unseal

_VALUE = re.compile(r"ENC\[AES256_GCM,data:([^,\]]*),iv:([^,\]]+),tag:([^,\]]+),type:(str|int|float|bool|bytes|time)\]")
_SEALED_STARTS = "ENC[AES256_GCM,"
# SOPS begins the code with it where it covers the sealed values only.
_SEALED_ONLY = hashlib.sha256(b"sops").digest()
_MOST_REGEX = 500
# What rules are read: names, perhaps several, perhaps from the start or to the end. An expression with repeats may take
# for ever, and nothing else goes on while Python matches it.
_NAME = r"(?:[A-Za-z0-9_ /:@.-]|\\[.-])+"
_NAMES = re.compile(rf"\^?(?:{_NAME}|\({_NAME}(?:\|{_NAME})*\))\$?|{_NAME}(?:\|{_NAME})+")
_MOST_RECIPIENTS = 20_000
_RULES = ("unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex")
_REWRITE = "write it with `sops` again"


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A value as it stands in the file."""

    data: bytes
    nonce: bytes
    tag: bytes
    type: str


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A scalar of the document, and the keys that lead to it; elements of lists have none of their own."""

    path: tuple[str, ...]
    node: Node
    is_element: bool = False


def unseal_value(document: bytes, keys: Keys, pointer: str, file: str) -> bytes:
    """The value at `pointer`, its keys with slashes between. Every value is unsealed, and the code over all checked.

    Raises SealRefused with SOPS_FORMAT, SOPS_NO_KEY, SOPS_PLAIN, SOPS_DAMAGED, SOPS_NO_MAC or SOPS_MAC, and
    ManifestError for what is no YAML.
    """
    root = parse(document, file)
    metadata = root.entries.get("sops")
    if metadata is None:
        raise _refused("SOPS_FORMAT", "no file of SOPS", file)
    key = _data_key(metadata, keys, file)
    is_sealed = _rule(metadata, file)
    values: dict[tuple[str, ...], bytes] = {}
    covers_sealed_only = _flag(metadata, "mac_only_encrypted")
    code = hashlib.sha512(_SEALED_ONLY if covers_sealed_only else b"")
    for leaf in _leaves(root):
        sealed = is_sealed(leaf.path)
        value = _unsealed(leaf, key, file) if sealed else _plain(leaf.node)
        if sealed or not covers_sealed_only:
            code.update(value)
        if sealed and not leaf.is_element:
            is_flag = str(leaf.node.value).endswith(",type:bool]")
            # SOPS seals `True`, and tells it as YAML does.
            values[leaf.path] = value.lower() if is_flag else value
    _check_code(metadata, key, code.hexdigest().upper(), file)
    path = tuple(pointer.split("/"))
    if path not in values:
        raise _refused("SOPS_PLAIN", f"`{pointer}` is no sealed value", file)
    return values[path]


def _refused(code: str, what: str, where: str, advice: str = _REWRITE) -> SealRefused:
    return SealRefused(code, what, where=where, advice=advice)


def _text(node: Node, key: str) -> str:
    found = node.entries.get(key)
    return found.value if found is not None and isinstance(found.value, str) else ""


def _flag(node: Node, key: str) -> bool:
    found = node.entries.get(key)
    return found is not None and found.value is True


def _data_key(metadata: Node, keys: Keys, file: str) -> bytes:
    """The key that seals the values, out of the first wrap that is ours."""
    if any(key in metadata.entries and metadata.entries[key].value for key in ("key_groups", "shamir_threshold")):
        raise _refused("SOPS_FORMAT", "key groups are not read here", file, "use one group of age keys")
    wraps = metadata.entries["age"].elements if "age" in metadata.entries else ()
    damaged: SealRefused | None = None
    for wrap in wraps[:_MOST_RECIPIENTS]:
        try:
            key = unseal(_text(wrap, "enc").encode(), keys)
        except SealRefused as error:
            if error.code != "SEAL_NO_KEY":
                # It may be somebody else's.
                damaged = _refused("SOPS_DAMAGED", f"a wrap of its key: {error.what}", str(wrap.place))
            continue
        if len(key) != 32:
            raise _refused("SOPS_DAMAGED", f"its key has {len(key)} bytes", str(wrap.place))
        return key
    if damaged is not None:
        raise damaged
    advice = "add this device's `identity` to its age recipients, and `sops updatekeys`"
    raise _refused("SOPS_NO_KEY", f"none of its {len(wraps)} age recipients is this device", file, advice)


def _rule(metadata: Node, file: str) -> Callable[[tuple[str, ...]], bool]:
    """Which values must be sealed, as the file says; where it says nothing, all but those with the usual suffix."""
    rules = {name: _text(metadata, name) for name in _RULES if _text(metadata, name)}
    if len(rules) > 1 or any(name.endswith("comment_regex") for name in metadata.entries):
        raise _refused("SOPS_FORMAT", "a rule that is not read here", file, f"use one of {', '.join(_RULES)}")
    ((name, said),) = rules.items() or (("unencrypted_suffix", "_unencrypted"),)
    if name.endswith("suffix"):
        fits: Callable[[str], object] = lambda part: part.endswith(said)  # noqa: E731
    elif len(said) > _MOST_REGEX or not _NAMES.fullmatch(said):
        raise _refused("SOPS_FORMAT", f"`{name}` is more than names", file, "write it as in ^(data|password)$")
    else:
        fits = re.compile(said).search
    seals = name.startswith("encrypted")
    return lambda path: any(fits(part) for part in path) is seals


def _leaves(root: Node) -> Iterator[_Leaf]:
    """Every scalar but those of the metadata, in the order of the document."""
    open_nodes = [_Leaf((key,), child) for key, child in reversed(list(root.entries.items())) if key != "sops"]
    while open_nodes:
        leaf = open_nodes.pop()
        if leaf.node.is_mapping:
            entries = reversed(list(leaf.node.entries.items()))
            open_nodes += [_Leaf((*leaf.path, key), child, leaf.is_element) for key, child in entries]
        elif leaf.node.is_list:
            open_nodes += [_Leaf(leaf.path, child, is_element=True) for child in reversed(leaf.node.elements)]
        else:
            yield leaf


def _unsealed(leaf: _Leaf, key: bytes, file: str) -> bytes:
    value, place = leaf.node.value, str(leaf.node.place)
    if value is None or value == "":
        # SOPS leaves these as they are.
        return b""
    if not isinstance(value, str) or not value.startswith(_SEALED_STARTS):
        raise _refused("SOPS_PLAIN", f"`{'/'.join(leaf.path)}` is not sealed", place)
    sealed = _parsed(value, place)
    return _opened(sealed, key, "".join(f"{part}:" for part in leaf.path), place)


def _parsed(text: str, place: str) -> _Sealed:
    match = _VALUE.fullmatch(text)
    if match is None:
        raise _refused("SOPS_DAMAGED", "a sealed value that is none", place)
    try:
        data, nonce, tag = (base64.b64decode(part, validate=True) for part in match.group(1, 2, 3))
    except binascii.Error as error:
        raise _refused("SOPS_DAMAGED", "a sealed value that is no base64", place) from error
    return _Sealed(data, nonce, tag, match[4])


def _opened(sealed: _Sealed, key: bytes, bound_to: str, place: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.data + sealed.tag, bound_to.encode())
    except (InvalidTag, ValueError) as error:
        told = "a sealed value was changed, or belongs elsewhere"
        raise _refused("SOPS_DAMAGED", told, place) from error


def _plain(node: Node) -> bytes:
    """A value that is not sealed, as SOPS counts it in its code."""
    match node.value:
        case None:
            return b""
        case bool():
            return str(node.value).encode()
        case float():
            return _shortest(node.value).encode()
        case _:
            return str(node.value).encode()


def _shortest(number: float) -> str:
    """As Go's strconv.FormatFloat(number, 'f', -1, 64): the fewest digits that mean it, and no exponent."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _check_code(metadata: Node, key: bytes, expected: str, file: str) -> None:
    said, changed = _text(metadata, "mac"), _text(metadata, "lastmodified")
    if not said:
        raise _refused("SOPS_NO_MAC", "it has no `mac`", file)
    try:
        code = _opened(_parsed(said, file), key, changed, file)
    except SealRefused as error:
        raise _refused("SOPS_MAC", "its `mac` or `lastmodified` was changed", file) from error
    if code.decode("ascii", "replace") != expected:
        raise _refused("SOPS_MAC", "its values were changed behind its back", file)
