"""The plan of a fleet as a comment on a pull request: a line for each group, its steps behind a click."""

import re
from collections.abc import Sequence

from reconciler.fleet.preview import DevicePreview
from reconciler.fleet.preview_text import Group, groups_of, shortened
from reconciler.fleet.text import count
from reconciler.terminal import printable

# What GitHub takes, in characters, and GitLab takes more. A comment that is longer is refused as a whole.
MAX_CHARACTERS = 65_536
# For the line that says how many groups were left out.
_SPARE = 200


def as_markdown(previews: Sequence[DevicePreview], revisions: str) -> str:
    """The whole comment, no longer than a forge takes."""
    total = sum(one.is_change for one in previews)
    text = f"### Fleet plan for `{revisions}`\n\n{count(total, 'device')} would change.\n"
    groups = groups_of(previews)
    for index, group in enumerate(groups):
        told = _told(group)
        if len(text) + len(told) > MAX_CHARACTERS - _SPARE:
            # The heads of the groups may still fit.
            told = f"\n- {_escaped(group.title)}\n"
        if len(text) + len(told) > MAX_CHARACTERS - _SPARE:
            left = len(groups) - index
            return f"{text}\nand {count(left, 'more group')}: `fleet plan {revisions}` tells them all\n".rstrip()
        text += told
    return text.rstrip()


def _told(group: Group) -> str:
    lines = [*shortened(group.why, "reasons"), *group.lines, f"on {', '.join(shortened(group.devices, ''))}"]
    body = "\n".join(map(printable, lines))
    # Longer than any in the text, or what somebody proposes could end it.
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", body)), 3)
    return f"\n<details>\n<summary>{_escaped(group.title)}</summary>\n\n{fence}text\n{body}\n{fence}\n\n</details>\n"


def _escaped(text: str) -> str:
    """Names come from files that somebody proposes: in a comment they are text, and mention nobody."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;"), ("`", "&#96;")):
        text = text.replace(raw, safe)
    return text
