"""What `reconciler check` does not look at, and versions that nobody numbered."""

from pathlib import Path

import pytest

from reconciler.agent.checks import IDS, check, engine, table
from reconciler.agent.checks.checked import numbers


def test_only_what_is_asked_for_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    spies = {name: lambda at, name=name: looked.append(name) or name for name in IDS}
    monkeypatch.setattr(table, "CHECKS", spies)
    assert [found.id for found in check(tmp_path, ["trust", "git"])] == ["git", "trust"]
    assert looked == ["git", "trust"]


def test_without_settings_all_else_is_skipped(tmp_path: Path) -> None:
    first, *rest = [found for found in check(tmp_path / "none.yaml") if found.id != "git"]
    assert (first.id, first.verdict) == ("settings", "failed")
    assert {found.verdict for found in rest} == {"skipped"}


@pytest.mark.parametrize(
    ("version", "is_old"),
    [("20.10.24+dfsg1", False), ("19.03.1", True), ("28.5.2", False), ("dev", False), ("v24.0", False), ("2", False)],
)
def test_a_version_without_numbers_is_no_old_one(version: str, is_old: bool) -> None:
    assert (numbers(version) < engine.OLDEST_ENGINE) is is_old
