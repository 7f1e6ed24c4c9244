"""Brings the list-or-map keys of a Compose file to their map form, before patches, so that pointers are stable."""

from collections.abc import Callable, Mapping

from reconciler.reading import Node, Problems, excerpt, graft, scalar_text

Split = Callable[[str], tuple[str, str | None]]


def normalise(document: Node, problems: Problems) -> Node:
    """The Compose document with `environment`, `labels`, `networks`, `depends_on`, ... as mappings."""
    entries = dict(document.entries)
    if "services" in entries:
        entries["services"] = _each(entries["services"], SERVICE_FORMS, problems)
    for section in ("networks", "volumes"):
        if section in entries:
            entries[section] = _each(entries[section], _RESOURCE_FORMS, problems)
    return document._replace(value=entries) if document.is_mapping else document


def _each(section: Node, forms: Mapping[str, Callable[[Node, str, Problems], Node]], problems: Problems) -> Node:
    if not section.is_mapping:
        return section
    changed = {}
    for name, child in section.entries.items():
        fields = {
            key: forms[key](value, key, problems) if key in forms else value for key, value in child.entries.items()
        }
        changed[name] = child._replace(value=fields) if child.is_mapping else child
    return section._replace(value=changed)


def _equals_sign(element: str) -> tuple[str, str | None]:
    name, sign, value = element.partition("=")
    return name, value if sign else None


def _label(element: str) -> tuple[str, str | None]:
    name, _, value = element.partition("=")
    return name, value


def _host(element: str) -> tuple[str, str]:
    # Compose takes HOST=IP and the older HOST:IP; the address itself may hold colons.
    sign = "=" if "=" in element else ":"
    name, _, address = element.partition(sign)
    return name, address


def _pairs(split: Split) -> Callable[[Node, str, Problems], Node]:
    def form(node: Node, name: str, problems: Problems) -> Node:
        if not node.is_list:
            return node
        entries: dict[str, Node] = {}
        for element in node.elements:
            if not isinstance(element.value, str):
                problems.expected(element, name, "a list of `NAME=VALUE` texts")
                continue
            key, value = split(element.value)
            if "$" in key:
                problems.add(element.place, f"a variable in the name {key!r} of `{name}`", "write the name out")
            entries[key] = Node(value, element.place, element.place)
        return node._replace(value=entries)

    return form


def _named(empty: Callable[[Node], Node]) -> Callable[[Node, str, Problems], Node]:
    def form(node: Node, name: str, problems: Problems) -> Node:
        if not node.is_list:
            return node
        entries: dict[str, Node] = {}
        for element in node.elements:
            if not isinstance(element.value, str):
                problems.expected(element, name, "a list of names")
                continue
            if element.value in entries:
                problems.add(element.place, f"`{element.value}` is named twice in `{name}`", "remove one of them")
            entries[scalar_text(element)] = empty(element)
        return node._replace(value=entries)

    return form


def _hosts(node: Node, name: str, problems: Problems) -> Node:
    """A host may be named more than once, and then has several addresses."""
    if not node.is_list:
        return node
    found: dict[str, list[Node]] = {}
    for element in node.elements:
        host, address = _host(element.value) if isinstance(element.value, str) else ("", "")
        if not host or not address:
            problems.add(element.place, f"`{name}` has {excerpt(element)}", "write HOST=ADDRESS")
            continue
        found.setdefault(host, []).append(Node(address, element.place, element.place))
    entries = {
        host: first if not more else Node((first, *more), first.place, first.key)
        for host, (first, *more) in found.items()
    }
    return node._replace(value=entries)


def _nothing(element: Node) -> Node:
    return Node(None, element.place, element.place)


def _started(element: Node) -> Node:
    return graft({"condition": "service_started"}, element.place)


SERVICE_FORMS: dict[str, Callable[[Node, str, Problems], Node]] = {
    "environment": _pairs(_equals_sign),
    "labels": _pairs(_label),
    "annotations": _pairs(_label),
    "sysctls": _pairs(_label),
    "extra_hosts": _hosts,
    "networks": _named(_nothing),
    "depends_on": _named(_started),
}
_RESOURCE_FORMS: dict[str, Callable[[Node, str, Problems], Node]] = {"labels": _pairs(_label)}
