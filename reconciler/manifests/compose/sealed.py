"""Sealed secrets: what a Compose file calls an external secret is a file below `secrets/` that the device unseals.

`secrets/NAME/DEVICE.age` is sealed for one device (age, https://age-encryption.org/v1). `secrets/NAME.yaml` is a file
of SOPS with many values for many devices, and `NAME/KEY` is one of them. Nothing is unsealed here: a desk has no key.
"""

import hashlib
import re
from dataclasses import dataclass

from reconciler.errors import ManifestError
from reconciler.model import ConfigFile, Place
from reconciler.model.tree import SECRETS, Tree
from reconciler.reading import Node, Problems, parse

# A config is held in memory, in the journal and in Git; bigger things are artifacts, not configuration.
MAX_CONFIG_BYTES = 1024 * 1024
AGE_STARTS = (b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1\n")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VALUE = re.compile(r"ENC\[AES256_GCM,[^\]]*\]")


def is_secret_name(name: str) -> bool:
    """May a secret be called so?"""
    return _NAME.fullmatch(name) is not None and ".." not in name


def path_of(secret: str, device: str) -> str:
    """Where the secret of a ConfigFile lies."""
    store, slash, _ = secret.partition("/")
    return f"{SECRETS}/{store}.yaml" if slash else f"{SECRETS}/{store}/{device}.age"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a secret: an app of a device, by a key of its Compose file, at a place of it."""

    app: str
    device: str
    key: str
    place: Place


def sealed_file(name: str, asker: Asker, tree: Tree, problems: Problems) -> ConfigFile:
    """The external secret of this name, still sealed."""
    key, place, device = asker.key, asker.place, asker.device
    store, slash, value = name.partition("/")
    if not is_secret_name(store) or (slash and not all(value.split("/"))):
        problems.add(place, f"the secret {name!r} has no name of one", "write NAME, or NAME/KEY for a file of SOPS")
        return ConfigFile("", b"", key=key)
    if not _may_use(asker.app, store, tree):
        what = f"SEAL_APP: the secret `{store}` is not for the app `{asker.app}`"
        problems.add(place, what, f"whom it is for stands in {SECRETS}/{store}.apps")
        return ConfigFile("", b"", key=key)
    if slash:
        return _value(key, store, value, place, tree, problems)
    path = path_of(store, device)
    content = tree.get(path)
    if content is None and f"{SECRETS}/{store}.yaml" in tree:
        what = f"the secret `{store}` is a file of SOPS with several values"
        problems.add(place, what, f"write which, as in `name: {store}/password`")
    elif content is None:
        what = f"SEAL_MISSING: the secret `{store}` is not sealed for `{device}`"
        problems.add(place, what, f"`fleet secret set {store}` seals it for every device that uses it")
    elif not content.startswith(AGE_STARTS):
        problems.add(path, "SEAL_PLAIN: this is not sealed", f"make it with `fleet secret set {store}`, and change it")
    elif len(content) > MAX_CONFIG_BYTES:
        problems.add(path, f"a secret of over {MAX_CONFIG_BYTES} bytes", "put big files into an image")
    digest = hashlib.sha256(content or b"").hexdigest()
    return ConfigFile(digest, content or b"", key=key, secret=store)


def _may_use(app: str, store: str, tree: Tree) -> bool:
    """Who may write an app's files is not always who may give it a secret: a file beside the secret names its apps."""
    named = tree.get(f"{SECRETS}/{store}.apps")
    return named is None or app in named.decode("utf-8", "replace").split()


def _value(key: str, store: str, value: str, place: Place, tree: Tree, problems: Problems) -> ConfigFile:
    """One value of a file of SOPS. What counts is the value: sealing the file for more devices changes nothing."""
    path = path_of(f"{store}/{value}", "")
    content, none = tree.get(path), ConfigFile("", b"", key=key)
    if content is None:
        problems.add(place, f"there is no {path}", "make it with `sops`, for the devices that use it")
        return none
    try:
        node: Node | None = parse(content, path)
    except ManifestError as error:
        problems.extend(error.problems)
        return none
    for part in value.split("/"):
        node = node.entries.get(part) if node else None
    if node is None or value.partition("/")[0] == "sops":
        problems.add(place, f"{path} has no value `{value}`", "write the keys that lead to it, with slashes between")
        return none
    if not isinstance(node.value, str) or not _VALUE.fullmatch(node.value):
        problems.add(node.place, f"SOPS_PLAIN: `{value}` is not sealed", "encrypt it with `sops`, and change it")
        return none
    digest = hashlib.sha256(f"{value}\n{node.value}".encode()).hexdigest()
    return ConfigFile(digest, content, key=key, secret=f"{store}/{value}")
