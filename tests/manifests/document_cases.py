"""Reads the cases of `tests/cases/documents`: what is told of a policy, a rollout or a request.

A case has a `path` and either `text`, the file, or `spec`, which gets the four lines of head that its path implies;
its lines are indented by two, so it starts in line 5, column 3. `problems` and `notes` are what is told, as lines.
"""

from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

import yaml

FOLDER = Path(__file__).parent.parent / "cases" / "documents"
KINDS = {"trust": "Policy", "rollouts": "Rollout", "requests": "Request"}


@dataclass(frozen=True)
class DocumentCase:
    """One file, and what is told of it."""

    name: str
    path: str
    text: bytes
    problems: list[str]
    notes: list[str]

    @property
    def kind(self) -> str:
        return KINDS[self.path.partition("/")[0]]


def read_document_cases() -> list[DocumentCase]:
    """Every case of the folder."""
    return [
        DocumentCase(
            f"{path.stem}: {fields['case']}",
            fields["path"],
            (fields["text"] if "text" in fields else _with_head(fields["path"], fields["spec"])).encode(),
            fields.get("problems", []),
            fields.get("notes", []),
        )
        for path in sorted(FOLDER.glob("*.yaml"))
        for fields in yaml.safe_load(path.read_text())
    ]


def _with_head(path: str, spec: str) -> str:
    kind = KINDS[path.partition("/")[0]]
    head = f"apiVersion: fleet/v1\nkind: {kind}\nmetadata: {{name: {Path(path).stem}}}\nspec:\n"
    return head + indent(spec, "  ")
