"""The shapes of the documents that devices act on, and the words that all documents share."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.manifests.merge import MAX_OPERATIONS, NEEDED
from reconciler.manifests.shape import Anything, Choice, Demand, Field, Fields, ListOf, MapOf, Text, Truth
from reconciler.model.names import (
    APP,
    APP_ADVICE,
    DNS_LABEL,
    DNS_LABEL_ADVICE,
    LABEL_KEY,
    LABEL_KEY_ADVICE,
    LABEL_VALUE,
    LABEL_VALUE_ADVICE,
    SERVICE,
    SERVICE_ADVICE,
)

API_VERSION = "fleet/v1"

NAME = Text(DNS_LABEL, advice=DNS_LABEL_ADVICE)
APP_NAME = Text(APP, "the app", advice=APP_ADVICE)
SERVICE_NAME = Text(SERVICE, "the service", advice=SERVICE_ADVICE)
KEY_OF_LABEL = Text(LABEL_KEY, noun="key of a label", advice=LABEL_KEY_ADVICE)
_VALUE_OF_LABEL = Text(LABEL_VALUE, noun="value of a label", advice=LABEL_VALUE_ADVICE, may_be_nothing=True)
_LABELS = MapOf(_VALUE_OF_LABEL, KEY_OF_LABEL)
_POINTER = Text(
    r"(/([^~/]|~[01])*)*",
    noun="JSON pointer",
    advice="it starts with `/`, or is empty, and holds `~` only as `~0` and `~1` (RFC 6901)",
)

_NOT_YET = {
    "suspend": "remove it: this version does not hold devices back yet",
    "rollout": "remove it: this version has no waves yet",
    "limits": "remove it: this version has no limits yet",
    "defaults": "remove it: this version has no defaults yet",
}


def document(kind: str, spec: Fields, *, needed: str = "", labels: bool = False) -> Fields:
    """A whole document: its head and this spec, which may be left out unless there is advice for who does."""
    own_labels = {"labels": Field(_LABELS, "What selectors look at.")} if labels else {}
    name = Field(NAME, "The name; that of the file without `.yaml`, where many of its kind may be.", DNS_LABEL_ADVICE)
    metadata = Fields("`metadata`", {"name": name, **own_labels}, "metadata.")
    return Fields(
        "the document",
        {
            "apiVersion": _constant("apiVersion", API_VERSION, "The version of the format."),
            "kind": _constant("kind", kind, "What this document is, as the path of its file says."),
            "metadata": Field(metadata, "Who this is.", "write `metadata: {name: NAME}`"),
            "spec": Field(spec, "What it says.", needed),
        },
    )


def _constant(key: str, value: str, says: str) -> Field:
    advice = f"write `{key}: {value}`"
    return Field(Choice((value,), advice), says, advice)


_NO_VALUES = Demand(lacks={"values": "remove them, or use In or NotIn"})
_VALUES = Demand(needs={"values": "list at least one"})
_EXPRESSION = Fields(
    "an expression",
    {
        "key": Field(KEY_OF_LABEL, "The key of a label.", "write key, operator and values"),
        "operator": Field(
            Choice(("In", "NotIn", "Exists", "DoesNotExist")), "How to compare.", "write key, operator and values"
        ),
        "values": Field(
            ListOf(replace(_VALUE_OF_LABEL, may_be_nothing=False), least=1, may_be_single=True),
            "The values, for `In` and `NotIn`: at least one.",
        ),
    },
    by="operator",
    demands={"In": _VALUES, "NotIn": _VALUES, "Exists": _NO_VALUES, "DoesNotExist": _NO_VALUES},
)
# Written with nothing behind it, it would select every device, and is more likely not finished.
SELECTOR = Fields(
    "`selector`",
    {
        "matchLabels": Field(
            MapOf(_VALUE_OF_LABEL, KEY_OF_LABEL, "remove it, or write `{}`"), "Each label must have this value."
        ),
        "matchExpressions": Field(ListOf(_EXPRESSION), "Each must hold."),
    },
    never_nothing="remove it to select every device",
)

_OPERATION = Fields(
    "an operation",
    {
        "op": Field(Choice(tuple(NEEDED)), "What to do.", f"use one of {', '.join(NEEDED)}"),
        "path": Field(_POINTER, "Where, as a JSON pointer.", "write a JSON pointer such as /environment/NAME"),
        "from": Field(_POINTER, "Where `move` and `copy` take the value from."),
        "value": Field(Anything(), "The value, for `add`, `replace` and `test`."),
    },
    by="op",
    demands={op: Demand({member: "see RFC 6902, section 4"}) for op, member in NEEDED.items() if member},
)
_TARGET = Fields(
    "`target`",
    {
        "app": Field(
            APP_NAME, "The app that is changed.", "write `target: {app: NAME}`, with `service: NAME` for one service"
        ),
        "service": Field(
            SERVICE_NAME, "Pointers and merge start at this service; without it, at the Compose document."
        ),
    },
    "target.",
)
_PATCH = Fields(
    "a patch",
    {
        "target": Field(
            _TARGET, "What is changed.", "write `target: {app: NAME}`, with `service: NAME` for one service"
        ),
        "patch": Field(ListOf(_OPERATION, most=MAX_OPERATIONS), "A JSON patch (RFC 6902), all of it or nothing."),
        "merge": Field(
            MapOf(Anything(), never_nothing="write what to change"), "A merge patch (RFC 7396): `null` removes."
        ),
        "optional": Field(Truth(), "No error when the device does not run the target."),
    },
    one_of={"patch": "RFC 6902", "merge": "RFC 7396"},
)
_VERSION = Text(
    r"[0-9]+(\.[0-9]+){0,3}((a|b|rc|\.post|\.dev)[0-9]+)?",
    noun="version",
    advice="write it as it stands in the name of its wheel, such as 0.2.0",
)
_RECONCILER = Field(_VERSION, "The version that the reconciler itself shall have, out of the folder `reconciler/`.")
_VARIABLES = MapOf(Text(may_be_nothing=True))


def _spec(keys: Mapping[str, Field]) -> Fields:
    return Fields("`spec`", keys, refused=_NOT_YET)


FLEET = document(
    "Fleet",
    _spec(
        {
            "tiers": Field(
                ListOf(Text(DNS_LABEL, "the tier", advice=DNS_LABEL_ADVICE), least=1, unique=True),
                "The order of layers: later tiers override earlier ones, the device comes last.",
                "list the tiers, for example [base, model, site]",
            ),
            "status": Field(
                Fields(
                    "`spec.status`",
                    {
                        "branch": Field(Text(), "The branch, `status` if not given."),
                        "remote": Field(
                            Text(r"(https|http|ssh)://[^\s]+", noun="address", advice="write https://HOST/PATH"),
                            "The repository of reports, if it is another one.",
                        ),
                    },
                    "status.",
                ),
                "Where `fleet status` reads reports.",
            ),
        }
    ),
    needed="list the tiers, for example `spec: {tiers: [base, model, site]}`",
)
LAYER = document(
    "Layer",
    _spec(
        {
            "selector": Field(SELECTOR, "For which devices; without it, for every device."),
            "apps": Field(ListOf(APP_NAME), "Apps that these devices run."),
            "variables": Field(_VARIABLES, "For `${NAME}` in Compose files."),
            "patches": Field(ListOf(_PATCH), "Changes of apps, in order."),
            "reconciler": _RECONCILER,
        }
    ),
)
DEVICE = document(
    "Device",
    _spec(
        {
            "identity": Field(
                Text(
                    r"\S+\s+\S[\s\S]*",
                    noun="public key",
                    advice="write a line such as `ssh-ed25519 AAAA...`",
                    is_hidden=True,
                ),
                "The public key that signs its reports.",
            ),
            "variables": Field(_VARIABLES, "For `${NAME}` in Compose files, over those of all layers."),
            "patches": Field(ListOf(_PATCH), "Changes of apps, after those of all layers."),
            "reconciler": _RECONCILER,
            "allowEmpty": Field(Truth(), "May this device run nothing at all? `false` if not given."),
            "retired": Field(Truth(), "Shall this device stop all its apps, and go? `false` if not given."),
        }
    ),
    labels=True,
)
