"""What a device told: its report as it lies on the status branch, read as plain JSON."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a report."""

    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class Told:
    """One report. Keys that a report leaves out are empty here."""

    data: dict[str, Any]
    tag: str

    @classmethod
    def parse(cls, text: str, tag: str) -> "Told":
        return cls(json.loads(text), tag)

    @property
    def phase(self) -> str:
        return str(self.data["phase"])

    @property
    def steps(self) -> list[str]:
        return list(self.data.get("steps", ()))

    def revision(self, kind: str) -> str:
        """The commit's id alone."""
        return str(self.data["revisions"].get(kind, "")).rpartition(":")[2]

    def condition(self, kind: str) -> Condition:
        found = {entry.pop("type"): entry for entry in json.loads(json.dumps(self.data["conditions"]))}
        return Condition(**found[kind])

    def app(self, name: str) -> dict[str, Any]:
        """One app, by the name that the story has for it."""
        apps = {app["name"]: app for app in self.data.get("apps", ())}
        found = dict(apps[f"{name}-{self.tag}"])
        return {"message": "", "attempted": "", "healthy": "", **found}

    def step(self, *words: str) -> bool:
        """Is there a step in which all of these words stand?"""
        return any(all(word in line for word in words) for line in self.steps)
