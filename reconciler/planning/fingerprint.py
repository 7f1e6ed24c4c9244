"""Is this container still what its service asks for? A short digest of each field that is set, kept in a label.

Field by field, so that the device can say *what* changed without keeping the old service; with a scheme number, so
that a change of ours never recreates the containers of a fleet (docker/compose#11335 did).
"""

import hashlib
from dataclasses import replace
from functools import lru_cache
from weakref import ref

from reconciler.model import App, Network, Service
from reconciler.model.codec import canonical, set_fields

SCHEME = "1"
# 64 bits for each field: this finds accidents; who can write labels on the Engine can do all else as well.
_DIGITS = 16
# Changing these changes no container.
_NOT_THE_CONTAINER = {"depends_on", "pull_policy", "update", "ignored"}
_NOT_THE_NETWORK = {"key", "name", "external"}
# One plan asks for the same services again and again. By identity, which says that a service is the same for as long
# as it lives: with it goes what is remembered, or a device would keep everything that it ever ran.
_remembered: dict[int, tuple[ref[Service], str]] = {}


def fingerprint(service: Service) -> str:
    """The fingerprint of a wanted service: `1 command=0123456789abcdef image=...`."""
    key = id(service)
    known = _remembered.get(key)
    if known is not None:
        return known[1]
    told = _fingerprint(_without_live_content(service), _NOT_THE_CONTAINER)
    _remembered[key] = (ref(service, lambda _: _remembered.pop(key, None)), told)
    return told


def _without_live_content(service: Service) -> Service:
    """Of a file that changes under the container, the content is none of the container's."""
    if not any(mount.live for mount in service.mounts):
        return service
    mounts = (replace(mount, source="") if mount.live else mount for mount in service.mounts)
    return replace(service, mounts=tuple(mounts))


def network_fingerprint(network: Network) -> str:
    """The fingerprint of a wanted network."""
    return _fingerprint(network, _NOT_THE_NETWORK)


def changed_fields(before: str, after: str) -> tuple[str, ...]:
    """The names of the fields in which two fingerprints differ; everything, if they are of two schemes."""
    if before.split(" ")[0] != after.split(" ")[0]:
        return ("scheme of fingerprints",)
    one, other = (dict(part.partition("=")[::2] for part in text.split(" ")[1:]) for text in (before, after))
    return tuple(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


@lru_cache(maxsize=1024)
def _digest_of_text(text: str) -> str:
    """Of names, images and words, which many services have in common."""
    return digest(text)


def digest(value: object) -> str:
    """The SHA-256 of a value's canonical form, in hex: two equal values have one digest."""
    return hashlib.sha256(canonical(value)).hexdigest()


def app_digest(app: App) -> str:
    """By what an app is known to be another one. What is sealed counts by its name: a file of SOPS holds more."""
    if any(config.secret for config in app.configs):
        app = replace(app, configs=tuple(replace(one, content=b"") if one.secret else one for one in app.configs))
    return digest(app)


def _fingerprint(value: object, without: set[str]) -> str:
    fields = {name: part for name, part in set_fields(value).items() if name not in without}
    told = {name: _digest_of_text(part) if type(part) is str else digest(part) for name, part in fields.items()}
    return " ".join([SCHEME, *(f"{name}={part[:_DIGITS]}" for name, part in sorted(told.items()))])
