"""The JSON Schema (draft 2020-12) of a shape, so that editors say the same as `check` does."""

import re

from reconciler.manifests.announced import REQUEST, ROLLOUT
from reconciler.manifests.kinds import DEVICE, FLEET, LAYER
from reconciler.manifests.policy import POLICY
from reconciler.manifests.shape import Anything, Choice, Either, Fields, ListOf, MapOf, Shape, Text, Truth, Whole

Schema = dict[str, object]

_DOCUMENTS = {
    "Fleet": (FLEET, "fleet.yaml: the fleet's name, and the order in which its layers apply."),
    "Layer": (LAYER, "layers/TIER/NAME.yaml: what the devices that it selects run, and how they differ."),
    "Device": (DEVICE, "devices/**/NAME.yaml: one device."),
    "Policy": (POLICY, "trust/policy.yaml: who may say what. Devices obey what is made of it and signed."),
    "Rollout": (ROLLOUT, "rollouts/NAME.yaml: in which order devices move. Checked, and not acted on yet."),
    "Request": (REQUEST, "requests/NAME.yaml: one command for devices. Checked, and not acted on yet."),
}

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, Schema]:
    """The schema of each kind of document."""
    return {
        kind: {"$schema": _DIALECT, "title": kind, "description": says, **schema_of(shape)}
        for kind, (shape, says) in _DOCUMENTS.items()
    }


def schema_of(shape: Shape) -> Schema:
    """The schema of one value of this shape."""
    match shape:
        case Text():
            return _text(shape)
        case Choice(values):
            return {"enum": list(values)}
        case Truth():
            return {"enum": [True, False, "true", "false"]}
        case Whole(least, most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case Anything():
            return {}
        case ListOf():
            return _list(shape)
        case MapOf(value, key, never_nothing):
            names: Schema = {"propertyNames": {"pattern": _whole(key.pattern)}} if key else {}
            return {"type": _mapping(not never_nothing), **names, "additionalProperties": schema_of(value)}
        case Either(shapes):
            return {"anyOf": [schema_of(one) for one in shapes]}
        case Fields():
            return _fields(shape)


def _whole(pattern: str) -> str:
    # A schema's pattern may match anywhere.
    return f"^(?:{pattern})$"


def _mapping(may_be_nothing: bool) -> str | list[str]:
    return ["object", "null"] if may_be_nothing else "object"


def _text(shape: Text) -> Schema:
    nothing = ["null"] if shape.may_be_nothing else []
    if not shape.pattern:
        return {"type": ["string", "number", "boolean", *nothing]}
    text: Schema = {"type": "string", "pattern": _whole(shape.pattern)}
    # Numbers and truth values are taken as text: they pass where such a text would.
    number = "number" if _matches(shape, "1.5") else "integer" if _matches(shape, "0") else ""
    numbers: list[Schema] = [{"type": number, "minimum": 0}] if number else []
    truths: list[Schema] = [{"type": ["boolean", *nothing]}] if _matches(shape, "true") else []
    return {"anyOf": [text, *numbers, *truths]} if numbers or truths else text


def _matches(shape: Text, text: str) -> bool:
    return re.fullmatch(shape.pattern, text) is not None


def _list(shape: ListOf) -> Schema:
    found: Schema = {"type": "array", "items": schema_of(shape.element)}
    if shape.least:
        found["minItems"] = shape.least
    if shape.most:
        found["maxItems"] = shape.most
    if shape.unique:
        found["uniqueItems"] = True
    return {"anyOf": [found, schema_of(shape.element)]} if shape.may_be_single else found


def _fields(shape: Fields) -> Schema:
    found: Schema = {
        "type": _mapping(shape.may_be_nothing),
        "properties": {
            key: {"description": wanted.says, **schema_of(wanted.shape)} for key, wanted in shape.keys.items()
        },
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }
    if needed := [key for key, wanted in shape.keys.items() if wanted.needed]:
        found["required"] = needed
    if shape.one_of:
        found["oneOf"] = [{"required": [key]} for key in shape.one_of]
    if shape.demands:
        found["allOf"] = [
            {
                "if": {"properties": {shape.by: {"const": value}}, "required": [shape.by]},
                "then": {"required": list(demand.needs), "properties": dict.fromkeys(demand.lacks, False)},
            }
            for value, demand in shape.demands.items()
        ]
    return found
