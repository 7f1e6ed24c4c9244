"""YAML, strictly: events under a budget become nodes with places; nothing is loaded that was not looked at first.

The subset is YAML 1.2 with the core schema's scalars, as in `restart: no`, which is text. The tree is built from the
parser's events with a stack of our own: libyaml's loader recurses in C and dies of 60 KB of "[", its event parser
does not. Anchors may be used, within a budget of copies; tags, duplicate keys and keys that are not text may not.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.model import Place
from reconciler.reading.node import MAX_DEPTH, Node, Scalar, depth, size

# Each limit is some 10 times what the largest file of our survey of 373 Compose files needs.
MAX_BYTES = 1024 * 1024
MAX_EVENTS = 50_000
# Nodes that aliases may add to a document: nine levels of nine aliases would otherwise be a billion of them.
MAX_COPIES = 10_000

# libyaml 0.2.6 and newer look ahead over brackets, and refuse a thousand of them before it tells of the first.
_TOO_DEEP_FOR_LIBYAML = "exceeded maximum nesting depth"

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# A leading zero is octal to some and decimal to others, so such a number stays the text that it is (`mode: 0440`).
_FIRST_OF_NUMBERS = "+-.0123456789"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_BASED_INTEGER = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,32}|[0-9]{1,32}\.[0-9]{0,32}|[0-9]{1,32}(?=[eE]))([eE][-+]?[0-9]{1,2})?")


def parse(data: bytes, file: str) -> Node:
    """Parse one YAML document. Raises ManifestError with the place of what is refused."""
    if len(data) > MAX_BYTES:
        raise _refused(Place(file, 1, 1), f"{len(data)} bytes are more than {MAX_BYTES}", "split the file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(Place(file, line, 1), "not UTF-8", "save the file as UTF-8") from error
    if text.startswith("\ufeff"):
        raise _refused(Place(file, 1, 1), "a byte order mark", "save the file as UTF-8 without it")
    try:
        return _Builder(file).build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        what = error.problem or error.context or "not YAML"
        if what == _TOO_DEEP_FOR_LIBYAML:
            raise _too_deep(place) from error
        raise _refused(place, f"not YAML: {what}", "check indentation, quotes and brackets here") from error
    except yaml.reader.ReaderError as error:
        # libyaml counts bytes.
        line = data.count(b"\n", 0, error.position) + 1
        raise _refused(Place(file, line, 1), f"not YAML: {error.reason}", "remove the character") from error


def resolve(text: str) -> Scalar:
    """What a plain scalar means in the core schema (YAML 1.2.2, section 10.3.2)."""
    if text in _NULL:
        return None
    if text[0] not in _FIRST_OF_NUMBERS:
        return _BOOLEANS.get(text, text)
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED_INTEGER.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _refused(place: Place, what: str, advice: str) -> ManifestError:
    return ManifestError([Problem(str(place), what, advice, ProblemKind.SYNTAX)])


def _too_deep(place: Place) -> ManifestError:
    return _refused(place, f"nested more than {MAX_DEPTH} deep", "flatten the document")


class _Frame:
    """An open mapping or list."""

    def __init__(self, place: Place, key: Place, is_mapping: bool, anchor: str | None) -> None:
        self.place, self.key, self.is_mapping, self.anchor = place, key, is_mapping, anchor
        self.entries: dict[str, Node] = {}
        self.elements: list[Node] = []
        self.merges: list[Node] = []
        self.pending: tuple[str, Place] | None = None

    def close(self) -> Node:
        if not self.is_mapping:
            return Node(tuple(self.elements), self.place, self.key)
        merged: dict[str, Node] = {}
        for source in reversed(self.merges):
            merged |= source.entries
        return Node({**merged, **self.entries}, self.place, self.key)


class _Builder:
    """From events to one node."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[_Frame] = []
        self.anchors: dict[str, Node] = {}
        self.sizes: dict[str, int] = {}
        self.copies = 0
        self.root: Node | None = None

    def build(self, events: Iterator[Any]) -> Node:
        documents = 0
        for count, event in enumerate(events):
            place = Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
            if count > MAX_EVENTS:
                raise _refused(place, f"more than {MAX_EVENTS} YAML events", "split the file")
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _refused(place, "a second YAML document", "put it into a file of its own")
            self._take(event, place)
        if self.root is None:
            raise _refused(Place(self.file, 1, 1), "the file is empty", "write a mapping")
        return self.root

    def _take(self, event: Any, place: Place) -> None:
        if getattr(event, "tag", None) is not None:
            raise _refused(
                place, f"the tag {event.tag!r}", "remove it: values get their type from how they are written"
            )
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, place)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event, place)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = self.stack.pop()
            self._add(frame.close(), frame.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, place)

    def _scalar(self, event: Any, place: Place) -> None:
        value = resolve(event.value) if event.implicit[0] else event.value
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.is_mapping and frame.pending is None:
            self._key(frame, event, value, place)
            return
        self._add(Node(value, place, self._key_place(place)), event.anchor)

    def _key(self, frame: _Frame, event: Any, value: Scalar, place: Place) -> None:
        if not isinstance(value, str):
            raise _refused(place, f"the key {event.value!r} is not text", f'write "{event.value}" in quotes')
        first = frame.merges[0] if value == "<<" and frame.merges else frame.entries.get(value)
        if first is not None:
            raise _refused(place, f"the key {value!r} a second time", f"the first is in line {first.key.line}")
        frame.pending = (value, place)

    def _open(self, event: Any, place: Place) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _too_deep(place)
        if self.stack and self.stack[-1].is_mapping and self.stack[-1].pending is None:
            raise _refused(place, "a key that is not text", "write a plain word as key")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Frame(place, self._key_place(place), is_mapping, event.anchor))

    def _alias(self, name: Any, place: Place) -> None:
        target = self.anchors.get(name)
        if target is None:
            raise _refused(place, f"the alias *{name} without an anchor before it", f"define &{name} first")
        if self.stack and self.stack[-1].is_mapping and self.stack[-1].pending is None:
            raise _refused(place, "an alias as a key", "write the key out")
        self.copies += self.sizes[name]
        if self.copies > MAX_COPIES:
            raise _refused(place, f"aliases that copy more than {MAX_COPIES} values", "write fewer aliases")
        if len(self.stack) + depth(target) > MAX_DEPTH:
            raise _too_deep(place)
        self._add(target._replace(key=self._key_place(place)), None)

    def _key_place(self, place: Place) -> Place:
        frame = self.stack[-1] if self.stack else None
        return frame.pending[1] if frame is not None and frame.pending else place

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
            self.sizes[anchor] = size(node, MAX_COPIES)
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.is_mapping:
            frame.elements.append(node)
            return
        key, _ = frame.pending or ("", node.key)
        frame.pending = None
        if key == "<<":
            self._merge(frame, node)
        else:
            frame.entries[key] = node

    def _merge(self, frame: _Frame, node: Node) -> None:
        # The merge key is YAML 1.1's; Compose files live by it, and Compose honours it.
        sources = node.elements if node.is_list else (node,)
        for source in sources:
            if not source.is_mapping:
                raise _refused(node.key, f"`<<` merges {source.kind}", "merge a mapping, or a list of mappings")
        frame.merges += sources


def to_yaml(value: object) -> str:
    """Plain values as YAML that every parser reads alike: what could be taken for another type is quoted."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(yaml.SafeDumper):
    """PyYAML quotes what YAML 1.1 takes for another type; YAML 1.2 has forms of its own, and other line breaks."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if not isinstance(resolve(text), str) else '"' if _LINE_BREAKS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_LINE_BREAKS = re.compile("[\\x85\\u2028\\u2029]")
_Dumper.add_representer(str, _quoted)
