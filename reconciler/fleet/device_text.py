"""Changes of a device's file that leave all else as people wrote it, comments as well. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from reconciler.errors import ManifestError, ReconcilerError
from reconciler.model import Place
from reconciler.reading import Node, parse, plain, scalar_text, to_yaml

# What YAML reads alike in braces and below a block; the rest is quoted.
_SIMPLE = re.compile(r"[A-Za-z0-9._/-]+")
_NOT_RETIRED = re.compile(r"^( +retired: *)false(?= *(?:#.*)?$)", re.MULTILINE)


def with_key(text: str, old: str, new: str) -> str:
    """A device's file with another key, and every other byte as it was. Raises ReconcilerError."""
    if not old or text.count(old) != 1:
        told = "its file does not hold its key in one piece"
        raise ReconcilerError(told, advice="put the new one in by hand; `fleet device list -o json` shows it")
    return text.replace(old, new)


def with_retirement(text: str, path: str) -> str:
    """The file of a device that goes: one line more, and every other byte as it was. Raises ReconcilerError."""
    if _NOT_RETIRED.search(text):
        return _NOT_RETIRED.sub(r"\1true", text)
    lines = text.splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if line.rstrip() == "spec:"]
    below = lines[at[0] + 1] if len(at) == 1 and at[0] + 1 < len(lines) else ""
    indent = below[: len(below) - len(below.lstrip(" "))]
    if not indent:
        raise ReconcilerError("its file has no block `spec:`", where=path, advice="write `retired: true` there by hand")
    return "".join([*lines[: at[0] + 1], f"{indent}retired: true\n", *lines[at[0] + 1 :]])


def with_labels(text: str, labels: Mapping[str, str], path: str = "") -> str:
    """A device's file with these labels, and all else as it was. Raises ReconcilerError where that cannot be done."""
    for name, value in labels.items():
        root = parse(text.encode(), path)
        metadata = root.entries["metadata"]
        wanted: Any = plain(root)
        known = wanted["metadata"].get("labels")
        wanted["metadata"]["labels"] = {**(known or {}), name: value}
        if known and name in known and scalar_text(metadata.entries["labels"].entries[name]) == value:
            continue
        text = _with_label(text, metadata, name, value)
        # Written by places in the text; whether that was right, reading it tells.
        if _read(text) != wanted:
            advice = f"write `{_pair(name, value)}` below `metadata.labels` by hand, or leave the label out"
            raise ReconcilerError("a label cannot be written into it without changing more", where=path, advice=advice)
    return text


def _with_label(text: str, metadata: Node, name: str, value: str) -> str:
    """Where a person would write it; perhaps wrongly, or not at all."""
    pair, labels = _pair(name, value), metadata.entries.get("labels")
    if labels is None:
        return _after_name(text, metadata, pair)
    at = _offset(text, labels.place)
    if name in labels.entries:
        old = labels.entries[name]
        start = _offset(text, old.place)
        return text[:start] + _word(value) + text[start + len(_written(text, old)) :]
    if text.startswith("{", at):
        return f"{text[: at + 1]}{pair}{', ' if labels.entries else ''}{text[at + 1 :]}"
    if not labels.entries:
        return text
    last = max(labels.entries.values(), key=lambda node: node.place.line)
    return _below(text, last, f"{' ' * (last.key.column - 1)}{pair}\n")


def _after_name(text: str, metadata: Node, pair: str) -> str:
    """The first label of a device."""
    name = metadata.entries["name"]
    if text.startswith("{", _offset(text, metadata.place)):
        end = _offset(text, name.place) + len(_written(text, name))
        return f"{text[:end]}, labels: {{{pair}}}{text[end:]}"
    indent = " " * (name.key.column - 1)
    return _below(text, name, f"{indent}labels:\n{indent}  {pair}\n")


def _below(text: str, node: Node, lines: str) -> str:
    end = text.find("\n", _offset(text, node.place)) + 1
    return f"{text[:end]}{lines}{text[end:]}" if end else f"{text}\n{lines}"


def _offset(text: str, place: Place) -> int:
    return sum(len(line) + 1 for line in text.split("\n")[: place.line - 1]) + place.column - 1


def _written(text: str, node: Node) -> str:
    """A value as it stands there, if that is one of the usual ways; else nothing."""
    value, at = scalar_text(node), _offset(text, node.place)
    return next((form for form in (json.dumps(value), f"'{value}'", value) if text.startswith(form, at)), "")


def _pair(name: str, value: str) -> str:
    return f"{_word(name)}: {_word(value)}"


def _word(text: str) -> str:
    return to_yaml([text])[2:].rstrip("\n") if _SIMPLE.fullmatch(text) else json.dumps(text)


def _read(text: str) -> object:
    try:
        return plain(parse(text.encode(), ""))
    except ManifestError:
        return None
