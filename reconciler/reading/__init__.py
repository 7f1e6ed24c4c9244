"""From text to nodes: YAML, strictly, each value with its place; and what is wrong with it, all in one go. Pure."""

from reconciler.reading.fields import (
    boolean,
    check_keys,
    integer,
    is_scalar,
    listed,
    mapping,
    number,
    scalar_text,
    seconds,
    size_in_bytes,
    text,
    text_map,
    texts,
)
from reconciler.reading.node import MAX_DEPTH, Node, Plain, depth, excerpt, graft, plain, size, walk
from reconciler.reading.parse import MAX_BYTES, parse, to_yaml
from reconciler.reading.problems import Problems

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "Node",
    "Plain",
    "Problems",
    "boolean",
    "check_keys",
    "depth",
    "excerpt",
    "graft",
    "integer",
    "is_scalar",
    "listed",
    "mapping",
    "number",
    "parse",
    "plain",
    "scalar_text",
    "seconds",
    "size",
    "size_in_bytes",
    "text",
    "text_map",
    "texts",
    "to_yaml",
    "walk",
]
