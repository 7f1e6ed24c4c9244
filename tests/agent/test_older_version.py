"""State that a newer version of ours wrote is read by an older one, which goes on when the newer one was no good."""

import hashlib
import json
from pathlib import Path

import pytest

from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Memory, Trusted
from reconciler.errors import StateLost
from reconciler.model import Report
from reconciler.model.codec import canonical, from_json


def write(path: Path, plain: object) -> None:
    """As the journal does."""
    payload = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    path.write_text(json.dumps({"sha256": hashlib.sha256(payload).hexdigest(), "value": plain}))


def test_fields_that_nobody_knows_here_are_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    trusted = {"commit": "a" * 40, "principal": "ann", "fingerprint": "SHA256:x", "quorum": {"of": [1, 2]}}
    write(tmp_path / "trusted.json", trusted)
    assert journal.trusted == Trusted("a" * 40, "ann", "SHA256:x")
    write(tmp_path / "apps.json", {"failed": [], "ways": 1})
    assert journal.memory == Memory()


def test_what_an_older_version_cannot_do_without_is_not_made_up(tmp_path: Path) -> None:
    write(tmp_path / "trusted.json", {"principal": "ann", "fingerprint": "SHA256:x", "commits": ["a" * 40]})
    with pytest.raises(StateLost):
        _ = Journal(tmp_path).trusted


def test_reports_of_devices_are_read_strictly_as_ever() -> None:
    raw = json.loads(canonical(Report("press", "Healthy", "2026-06-01T00:00:00Z")))
    with pytest.raises(ValueError, match="unknown field 'more'"):
        from_json(Report, json.dumps({**raw, "more": 1}).encode())
