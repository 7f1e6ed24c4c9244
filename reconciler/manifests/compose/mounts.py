"""Reads a service's `volumes` (Compose Specification, "volumes"), in both forms, and resolves the names they use."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.manifests.compose.declared import Declared
from reconciler.model import Mount
from reconciler.reading import Node, Problems, boolean, check_keys, excerpt, integer, mapping, size_in_bytes, text

_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
# On Linux these change nothing, for Compose as well.
_SAY_NOTHING = ("cached", "delegated", "consistent")
_KINDS = ("volume", "bind", "tmpfs")
_NO_FOLDER = "a device has no folder of the app: use `configs:` for files out of Git, a named volume for data"


def volumes(node: Node, declared: Declared, problems: Problems) -> tuple[Mount, ...]:
    """Both forms of `volumes`."""
    if not node.is_list:
        problems.expected(node, "volumes", "a list")
    read = [_long(e, declared, problems) if e.is_mapping else _short(e, declared, problems) for e in node.elements]
    return tuple(mount for mount in read if mount)


def _short(node: Node, declared: Declared, problems: Problems) -> Mount | None:
    source, *rest = text(node, "volumes", problems).split(":", 2)
    if not rest:
        return _volume(Mount("volume", source), node, declared, problems)
    options = [word for word in rest[1].split(",") if word not in _SAY_NOTHING] if len(rest) > 1 else []
    found: dict[str, Any] = {
        "read_only": "ro" in options,
        "selinux": next((word for word in options if word in ("z", "Z")), ""),
        "propagation": next((word for word in options if word in _PROPAGATIONS), ""),
        "no_copy": "nocopy" in options,
    }
    for word in options:
        if word not in ("ro", "rw", "z", "Z", "nocopy", *_PROPAGATIONS):
            problems.add(node.place, f"the mount option {word!r}", "use ro, rw, z, Z, nocopy or a propagation")
    if source.startswith((".", "/", "~")):
        return _bind(Mount("bind", rest[0], source, create_host_path=True, **found), node, problems)
    return _volume(Mount("volume", rest[0], source, **found), node, declared, problems)


def _long(node: Node, declared: Declared, problems: Problems) -> Mount | None:
    keys = ("type", "source", "target", "read_only", "consistency", *_KINDS)
    check_keys(node, keys, "a volume", problems)
    # A key without a value says nothing, as in Compose.
    fields = {key: child for key, child in node.entries.items() if child.value is not None}
    if missing := sorted({"type", "target"} - fields.keys()):
        problems.add(node.place, f"a volume without `{missing[0]}`", "write type, source and target")
        return None
    kind, target = text(fields["type"], "type", problems), text(fields["target"], "target", problems)
    if kind not in _KINDS:
        problems.add(fields["type"].place, f"the mount type {kind!r}", f"this version mounts {', '.join(_KINDS)}")
        return None
    for other in [other for other in _KINDS if other in fields and other != kind]:
        # A volume may be labelled for SELinux, as a bind: so Compose prints `volume:/path:z`.
        if (other, kind) != ("bind", "volume") or fields[other].entries.keys() - {"selinux"}:
            problems.add(fields[other].key, f"`{other}` beside `type: {kind}`", f"write its options under `{kind}`")
    source = text(fields["source"], "source", problems) if "source" in fields else ""
    read_only = "read_only" in fields and boolean(fields["read_only"], "read_only", problems)
    options = mapping(fields[kind], kind, problems) if kind in fields else {}
    if kind in fields:
        check_keys(fields[kind], _OPTIONS[kind], f"`{kind}` of a mount", problems)
    said = _READERS[kind](options, problems)
    if kind == "volume" and "bind" in fields:
        said |= _bind_options(mapping(fields["bind"], "bind", problems), problems)
    mount = Mount(kind, target, source, read_only, **said)
    if kind != "bind":
        return _volume(mount, node, declared, problems)
    # As in Compose: without a word about the bind, a missing path is made, as in the short form.
    return _bind(mount if "bind" in fields else replace(mount, create_host_path=True), node, problems)


def _bind(mount: Mount, node: Node, problems: Problems) -> Mount | None:
    if not mount.source.startswith("/"):
        problems.add(node.place, f"the bind mount {excerpt(node)}", _NO_FOLDER)
        return None
    return _at_target(mount, node, problems)


def _volume(mount: Mount, node: Node, declared: Declared, problems: Problems) -> Mount | None:
    """A volume by the Engine's name of it, or a tmpfs."""
    if mount.propagation:
        problems.add(node.place, f"the mount {excerpt(node)}", "propagation is for bind mounts")
    if mount.kind == "tmpfs" or not mount.source:
        return _at_target(mount, node, problems)
    if mount.source not in declared.volumes:
        problems.add(
            node.place, f"the volume {mount.source!r} is not declared", "add it under the top-level `volumes:`"
        )
        return None
    return _at_target(_named(mount, declared.volumes[mount.source].name), node, problems)


def _named(mount: Mount, name: str) -> Mount:
    return replace(mount, source=name)


def _at_target(mount: Mount, node: Node, problems: Problems) -> Mount | None:
    # Only the container's root itself cannot be mounted over.
    if not mount.target.startswith("/") or posixpath.normpath(mount.target) in ("/", "//"):
        problems.add(node.place, f"the mount target {mount.target!r}", "write an absolute path of the container")
        return None
    target = posixpath.normpath(mount.target)
    return mount if target == mount.target else replace(mount, target=target)


def _bind_options(options: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "create_host_path" in options:
        found["create_host_path"] = boolean(options["create_host_path"], "create_host_path", problems)
    for key, known in (("propagation", _PROPAGATIONS), ("selinux", ("z", "Z"))):
        if key in options:
            found[key] = text(options[key], key, problems)
            if found[key] not in known:
                problems.add(options[key].place, f"`{key}` is {found[key]!r}", f"use one of {', '.join(known)}")
    return found


def _volume_options(options: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "nocopy" in options:
        found["no_copy"] = boolean(options["nocopy"], "nocopy", problems)
    if "subpath" in options:
        found["subpath"] = text(options["subpath"], "subpath", problems)
        if posixpath.normpath(f"/./{found['subpath']}") != f"/{found['subpath']}":
            problems.add(
                options["subpath"].place, f"`subpath` is {found['subpath']!r}", "write a path inside, without `..`"
            )
    return found


def _tmpfs_options(options: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "size" in options:
        found["tmpfs_size"] = size_in_bytes(options["size"], "size", problems)
    if "mode" in options:
        found["tmpfs_mode"] = file_mode(options["mode"], problems)
    return found


def file_mode(node: Node, problems: Problems) -> int:
    """Permission bits. To Compose a leading zero means octal, and so does `0o`, which has been read already."""
    if isinstance(node.value, str) and re.fullmatch(r"0[0-7]{1,5}", node.value):
        return int(node.value, 8)
    return integer(node, "mode", problems)


_OPTIONS = {
    "bind": ("create_host_path", "propagation", "selinux"),
    "volume": ("nocopy", "subpath"),
    "tmpfs": ("size", "mode"),
}
_READERS = {"bind": _bind_options, "volume": _volume_options, "tmpfs": _tmpfs_options}
