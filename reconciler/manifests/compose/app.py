"""One app: from its Compose document, patched and without variables, to services with every name resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from reconciler.manifests.compose.declared import Declared, read_declared, section
from reconciler.manifests.compose.service import parse_service
from reconciler.manifests.compose.variables import PROFILES_VARIABLE
from reconciler.model import App, ConfigFile, Dependency, Service
from reconciler.model.tree import Tree
from reconciler.reading import Node, Problems, boolean, check_keys, mapping, text, texts

_REFUSED = {
    "include": "a patch cannot bring it: write it into the Compose file",
    "models": "this version does not support it",
}
# Who has more of them made one mistake many times.
_MOST_CIRCLES = 20
_SECTIONS = ("networks", "volumes", "configs", "secrets")


@dataclass(frozen=True, slots=True)
class ReadService:
    """A service as it was read last, and from what: where all of that is the same, it need not be read again."""

    node: Node
    declared: Declared
    service: Service
    files: tuple[ConfigFile, ...]


# By app and service.
LastRead = dict[tuple[str, str], ReadService]


def parse_app(
    name: str, document: Node, tree: Tree, variables: Mapping[str, str], problems: Problems, last: LastRead
) -> App:
    """Read a Compose document. Problems mean that the result must not be used."""
    fields = mapping(document, "the Compose file", problems)
    for key in [key for key in fields if key in _REFUSED]:
        problems.add(fields[key].key, f"`{key}` is refused", _REFUSED[key])
    # `version` is obsolete, and says nothing, in the Compose Specification.
    check_keys(document, ("version", "name", "services", *_SECTIONS, *_REFUSED), "the Compose file", problems)
    if "name" in fields and text(fields["name"], "name", problems) != name:
        problems.add(fields["name"].place, f"`name` is not the app's folder {name!r}", "remove it, or make both equal")
    declared = read_declared(name, fields, tree, variables, problems)
    said = section(fields, "services", problems)
    if not said:
        problems.add(document.place, f"the app `{name}` has no services", "write them under `services:`")
    chosen = _in_profiles(dict(said), variables.get(PROFILES_VARIABLE, ""), problems)
    read = [_read(key, node, name, declared, problems, last) for key, node in chosen.items()]
    services = _with_peers(tuple(one.service for one in read))
    _check_dependencies(dict(said), services, problems)
    present = tuple(_without_absent(service, chosen) for service in services)
    made = _app(name, present, declared, {file.name: file for one in read for file in one.files})
    adopts = "x-adopt" in fields and boolean(fields["x-adopt"], "x-adopt", problems)
    return replace(made, adopt=True) if adopts else made


def _read(name: str, node: Node, app: str, declared: Declared, problems: Problems, last: LastRead) -> ReadService:
    known = last.get((app, name))
    if known is not None and known.node is node and known.declared == declared:
        return known
    before = len(problems)
    found = ReadService(node, declared, *parse_service(name, node, app, declared, problems))
    if len(problems) == before:
        last[app, name] = found
    return found


def _in_profiles(services: Mapping[str, Node], on: str, problems: Problems) -> dict[str, Node]:
    """The services without profiles, and those of a profile that is on (Compose Specification, "profiles")."""
    enabled = {word.strip() for word in on.split(",")}
    found = {}
    for name, node in services.items():
        said = node.entries.get("profiles")
        profiles = texts(said, "profiles", problems) if said and said.value is not None else ()
        if not profiles or "*" in enabled or enabled.intersection(profiles):
            found[name] = node
    return found


def _with_peers(services: tuple[Service, ...]) -> tuple[Service, ...]:
    containers = {service.name: service.container_name for service in services}

    def with_peers(service: Service) -> Service:
        named = dict.fromkeys([*(link.service for link in service.links), *service.lives_in])
        said = {dependency.service for dependency in service.depends_on}
        # Compose: who uses another's name or namespace waits for it, and starts anew with it.
        implied = tuple(Dependency(name, restart=True) for name in named if name not in said)
        found = {name: containers[name] for name in named if name in containers}
        return replace(service, peers=found, depends_on=service.depends_on + implied) if named else service

    return tuple(map(with_peers, services))


def _without_absent(service: Service, chosen: Mapping[str, Node]) -> Service:
    """One whose profiles are off is not waited for, where it may be missing."""
    if all(one.service in chosen for one in service.depends_on):
        return service
    return replace(service, depends_on=tuple(one for one in service.depends_on if one.service in chosen))


def _app(name: str, services: tuple[Service, ...], declared: Declared, files: Mapping[str, ConfigFile]) -> App:
    """Only what a service uses is made, as Compose does."""
    joined = {attachment.network for service in services for attachment in service.networks}
    mounted = {mount.source for service in services for mount in service.mounts if mount.kind == "volume"}
    return App(
        name,
        services,
        tuple(network for network in declared.networks.values() if network.name in joined),
        tuple(volume for volume in declared.volumes.values() if volume.name in mounted),
        tuple(file for _, file in sorted(files.items())),
    )


def _check_dependencies(nodes: Mapping[str, Node], services: tuple[Service, ...], problems: Problems) -> None:
    """Each dependency exists, and none leads back to itself."""
    names = {service.name for service in services}
    needs = {service.name: tuple(d.service for d in service.depends_on) for service in services}
    for service in services:
        place = _place(nodes[service.name])
        for dependency in service.depends_on:
            if dependency.service in names or (dependency.service in nodes and not dependency.required):
                continue
            known = f"known: {', '.join(sorted(names))}"
            if dependency.service in nodes:
                known = f"its profiles are off: set `{PROFILES_VARIABLE}`, or say `required: false`"
            problems.add(place.place, f"`{service.name}` needs {dependency.service!r}, which is no service here", known)
    for circle in _circles(needs):
        what = f"the services {' -> '.join(circle)} wait for each other"
        problems.add(_place(nodes[circle[0]]).place, what, "break the circle")


def _place(service: Node) -> Node:
    for key in ("depends_on", "links", "network_mode", "ipc", "pid"):
        if key in service.entries:
            return service.entries[key]
    return service


def _circles(needs: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Circles of dependencies, no service in two of them; each begins and ends with its first name."""
    left = {name: [one for one in needed if one in needs] for name, needed in sorted(needs.items())}
    if not any(left[needed] for several in left.values() for needed in several):
        # What is needed needs nothing: no circle, in most apps of all.
        return []
    found = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # Each name in it is needed by the next.
            circle = list(reversed(error.args[1][1:]))
            first = circle.index(min(circle))
            found.append([*circle[first:], *circle[: first + 1]])
            for name in circle:
                left[name] = []
        else:
            return found
        if len(found) == _MOST_CIRCLES:
            return found
