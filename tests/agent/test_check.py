"""What `reconciler check` does not look at, and versions that nobody numbered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.agent.checks import IDS, check, engine, table
from reconciler.agent.checks.checked import numbers
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Reported
from reconciler.model import Report

SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press}
spec: {remote: {url: https://git.example/fleet}, state: state}
"""


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
    ("later", "verdict"), [(10, "ok"), (900 + 120 + 3600, "ok"), (900 + 120 + 3601, "warning"), (-10, "ok")]
)
def test_an_agent_that_is_there_and_has_told_of_no_pass_for_long_is_not_well(
    tmp_path: Path, later: int, verdict: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS)
    journal = Journal(tmp_path / "state")
    now = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    report = Report("press", "Healthy", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    with journal.locked():
        (found,) = check(path, ["service"], now.timestamp)
        assert found.verdict == "ok", "it has only begun"
        journal.write_reported(Reported(report, is_sent=True, sent_at=now.timestamp()))
        (found,) = check(path, ["service"], (now + timedelta(seconds=later)).timestamp)
    assert found.verdict == verdict, found
    assert ("2026-11-23T12:00:00Z" in found.told) is (verdict == "warning")


@pytest.mark.parametrize(
    ("version", "is_old"),
    [("20.10.24+dfsg1", False), ("19.03.1", True), ("28.5.2", False), ("dev", False), ("v24.0", False), ("2", False)],
)
def test_a_version_without_numbers_is_no_old_one(version: str, is_old: bool) -> None:
    assert (numbers(version) < engine.OLDEST_ENGINE) is is_old
