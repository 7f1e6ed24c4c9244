"""How one piece of a Compose file lies over another (Compose Specification, "Merge"), for `extends` and `include`.

Both are in the form that `normalise` leaves, so `environment`, `labels`, `networks`, ... are mappings and merge so.
"""

from collections.abc import Callable, Mapping

from reconciler.manifests.compose.ports import port_key
from reconciler.reading import Node, plain, scalar_text

# A text stands for a list of one.
_TEXT_OR_LIST = {"dns", "dns_search", "tmpfs", "env_file"}
# What is said again is said anew; mappings are merged and lists are joined everywhere else.
_REPLACED = {"command", "entrypoint", "healthcheck.test"}


def overlay_service(base: Node, own: Node) -> Node:
    """The service `own` over `base`: what it says wins, what it does not say stays."""
    return _mapping(base, own, "")


def overlay_document(base: Node, own: Node) -> Node:
    """One Compose file over another."""
    entries = dict(base.entries)
    for key, node in own.entries.items():
        if key == "services" and key in entries:
            services = dict(entries[key].entries)
            for name, service in node.entries.items():
                services[name] = overlay_service(services[name], service) if name in services else service
            entries[key] = node._replace(value=services)
        else:
            entries[key] = _any(entries[key], node, f"document.{key}") if key in entries else node
    return own._replace(value=entries)


def _any(base: Node, own: Node, path: str) -> Node:
    if path in _REPLACED:
        return own
    if own.value is None:
        return base
    if path == "logging" and None not in (_driver(base), _driver(own)) and _driver(base) != _driver(own):
        return own
    if path.startswith("extra_hosts."):
        # A host may have several addresses.
        return _joined(base, own, path)
    if base.is_mapping and own.is_mapping:
        return _mapping(base, own, path)
    if (path in _TEXT_OR_LIST or base.is_list or own.is_list) and base.value is not None:
        return _joined(base, own, path)
    return own


def _mapping(base: Node, own: Node, path: str) -> Node:
    entries = dict(base.entries)
    for key, node in own.entries.items():
        below = f"{path}.{key}" if path else key
        entries[key] = _any(entries[key], node, below) if key in entries else node
    return own._replace(value=entries)


def _joined(base: Node, own: Node, path: str) -> Node:
    """The elements of both; one with the key of an earlier one takes its place."""
    key = _KEYS.get(path, _whole)
    found: dict[object, Node] = {}
    for element in (*_elements(base), *_elements(own)):
        found[key(element)] = element
    return own._replace(value=tuple(found.values()))


def _elements(node: Node) -> tuple[Node, ...]:
    return node.elements if node.is_list else (node,)


def _driver(logging: Node) -> object:
    driver = logging.entries.get("driver")
    return driver.value if driver else None


def _whole(element: Node) -> object:
    return repr(plain(element))


def _target(element: Node) -> object:
    """Where a volume is mounted."""
    if element.is_mapping:
        return _text(element.entries, "target")
    parts = scalar_text(element).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _file(folder: str) -> Callable[[Node], object]:
    """Where a config or a secret is mounted."""

    def target(element: Node) -> object:
        source = _text(element.entries, "source") if element.is_mapping else scalar_text(element)
        named = _text(element.entries, "target") if element.is_mapping else ""
        return named if named.startswith("/") else f"{folder}/{named or source}"

    return target


def _path(element: Node) -> object:
    return _text(element.entries, "path") if element.is_mapping else scalar_text(element)


def _device(element: Node) -> object:
    if element.is_mapping:
        return _text(element.entries, "target") or _text(element.entries, "source")
    parts = scalar_text(element).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _text(fields: Mapping[str, Node], key: str) -> str:
    return scalar_text(fields[key]) if key in fields and isinstance(fields[key].value, str) else ""


_KEYS: dict[str, Callable[[Node], object]] = {
    "ports": port_key,
    "volumes": _target,
    "configs": _file(""),
    "secrets": _file("/run/secrets"),
    "env_file": _path,
    "devices": _device,
}
