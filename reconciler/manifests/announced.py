"""Rollout and Request: documents whose form stands, and is checked, before devices act on them.

What is right is told as a note, so that nobody believes that a rollout holds devices back which do not know it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciler.errors import ManifestError, Problem, ProblemKind
from reconciler.manifests.documents import manifests_under
from reconciler.manifests.kinds import APP_NAME, KEY_OF_LABEL, NAME, SELECTOR, SERVICE_NAME, document
from reconciler.manifests.policy import check_policy
from reconciler.manifests.shape import Choice, Demand, Either, Field, Fields, ListOf, Text, Whole, check
from reconciler.model.tree import Tree
from reconciler.reading import Node, Problems, parse, scalar_text

_PERCENT = Text(r"(100|[1-9]?[0-9])%", noun="percentage", advice="write a percentage such as `95%`")
_COUNT = Either((Whole(1, 1_000_000), _PERCENT), "a number of devices, or a percentage such as `10%`")
_DURATION = Text(r"([0-9]{1,6}[hms])+", noun="duration", advice="write a duration such as `30m` or `1h30m`")
_TIME = Text(
    r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
    noun="time",
    advice="write it in UTC, such as 2026-12-01T06:00:00Z",
)
_CRON = Text(
    r"[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4}",
    noun="cron line",
    advice="write minute, hour, day, month and weekday, such as `0 8 * * 1-5`",
)
_ZONE = Text(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", noun="time zone", advice="write one such as Europe/Berlin")

_GATE = Fields(
    "`gate`",
    {
        "healthy": Field(_PERCENT, "How many of the wave's devices must be healthy."),
        "soak": Field(_DURATION, "For how long."),
        "timeout": Field(_DURATION, "When the wave has failed."),
        "maxFailed": Field(Whole(0, 1_000_000), "How many devices may fail."),
    },
    "gate.",
)
_WAVE = Fields(
    "a wave",
    {
        "name": Field(NAME, "The name.", "write `name: NAME`"),
        "selector": Field(SELECTOR, "For which devices; without it, for every device."),
        "limit": Field(_COUNT, "How many of them, together with those of the waves before."),
        "gate": Field(_GATE, "A gate of its own."),
    },
)
_WINDOW = Fields(
    "a window",
    {
        "cron": Field(_CRON, "When it begins: minute, hour, day, month and weekday.", "write `cron: '0 8 * * 1-5'`"),
        "duration": Field(_DURATION, "How long it is.", "write `duration: 10h`"),
        "timeZone": Field(_ZONE, "Whose clock; UTC if not given."),
    },
)
_BUDGET = Fields(
    "`budget`",
    {
        "groupBy": Field(ListOf(KEY_OF_LABEL, least=1, unique=True), "The labels that make a group."),
        "maxUnavailable": Field(_COUNT, "How many of a group may be down at once.", "write a number or a percentage"),
    },
    "budget.",
)
_WINDOWS = {
    "allow": Field(ListOf(_WINDOW, least=1), "Change devices only then."),
    "deny": Field(ListOf(_WINDOW, least=1), "Change no device then."),
}
_ROLLOUT = Fields(
    "`spec`",
    {
        "waves": Field(ListOf(_WAVE, least=1), "Which devices move together, in order.", "list at least one"),
        "gate": Field(_GATE, "What a wave must reach before the next one opens."),
        "budget": Field(_BUDGET, "How many devices may be down at once."),
        "windows": Field(Fields("`windows`", _WINDOWS), "When devices may change."),
        "onFailure": Field(Choice(("halt", "rollback")), "What a failed wave leads to; `halt` if not given."),
    },
)

_TARGET = Fields(
    "`target`",
    {
        "app": Field(APP_NAME, "The app.", "write `target: {app: NAME}`, with `service: NAME` for one service"),
        "service": Field(SERVICE_NAME, "One service of it; without it, all."),
    },
    "target.",
)
_NO_TARGET = {"target": "remove it: this is about the whole device"}
_NO_LINES = {"lines": "remove it: only `logs` has lines"}
_NO_END = {"until": "remove it: only `pause` has an end"}
_OF_TARGET = {"target": "write `target: {app: NAME}`"}
_DEMANDS = {
    "restart": Demand(_OF_TARGET, _NO_LINES | _NO_END),
    "logs": Demand(_OF_TARGET, _NO_END),
    "bundle": Demand({}, _NO_TARGET | _NO_LINES | _NO_END),
    "pull": Demand({}, _NO_TARGET | _NO_LINES | _NO_END),
    "pause": Demand({"until": "write when it ends"}, _NO_TARGET | _NO_LINES),
}
_REQUEST = Fields(
    "`spec`",
    {
        "action": Field(Choice(tuple(_DEMANDS)), "What to do, once on each device.", "say what, such as `restart`"),
        "selector": Field(
            replace(SELECTOR, never_nothing="write `{}` for every device"),
            "On which devices; `{}` for every device.",
            "select the devices, or write `{}` for every device",
        ),
        "target": Field(_TARGET, "What to restart, or whose logs to fetch."),
        "issued": Field(_TIME, "When it was written.", "write a time such as 2026-12-01T06:00:00Z"),
        "expires": Field(_TIME, "From when on devices ignore it.", "write a time such as 2026-12-01T06:00:00Z"),
        "lines": Field(Whole(1, 10_000), "How many lines of the logs, at most."),
        "until": Field(_TIME, "When `pause` ends."),
    },
    by="action",
    demands=_DEMANDS,
)

ROLLOUT = document("Rollout", _ROLLOUT, needed="write `waves`")
REQUEST = document("Request", _REQUEST, needed="write `action`, `selector`, `issued` and `expires`")


def check_documents(tree: Tree) -> tuple[Problem, ...]:
    """What is wrong in the policy, `rollouts/` and `requests/`; a note for each of these that nobody acts on yet."""
    problems = check_policy(tree)
    for path in manifests_under(tree, "rollouts", problems):
        _check(tree, path, ROLLOUT, _rollout_rules, problems)
    for path in manifests_under(tree, "requests", problems):
        _check(tree, path, REQUEST, _request_rules, problems)
    return problems.found


Rules = Callable[[Mapping[str, Node], Problems], None]


def _check(tree: Tree, path: str, shape: Fields, rules: Rules, problems: Problems) -> None:
    own = Problems()
    try:
        node = parse(tree[path], path)
    except ManifestError as error:
        problems.extend(error.problems)
        return
    check(shape, node, "", own)
    if not own:
        rules(node.entries["spec"].entries, own)
        name, kind = node.entries["metadata"].entries["name"], str(node.entries["kind"].value)
        if path.rpartition("/")[2] != f"{scalar_text(name)}.yaml":
            what = f"the {kind.lower()} is named `{scalar_text(name)}`"
            own.add(name.place, what, f"name the file {scalar_text(name)}.yaml")
        if not own:
            own.add(node.place, f"this version checks a {kind}, and does not act on it yet", "", ProblemKind.NOTE)
    problems.extend(own.found)


def _rollout_rules(spec: Mapping[str, Node], problems: Problems) -> None:
    seen: set[str] = set()
    for wave in spec["waves"].elements:
        name = wave.entries["name"]
        if scalar_text(name) in seen:
            problems.add(name.place, f"two waves are named `{scalar_text(name)}`", "rename one of them")
        seen.add(scalar_text(name))


def _request_rules(spec: Mapping[str, Node], problems: Problems) -> None:
    # Times of this one form are in the order of their text.
    if scalar_text(spec["expires"]) <= scalar_text(spec["issued"]):
        problems.add(spec["expires"].place, "the request expires before it is issued", "write a later time")
