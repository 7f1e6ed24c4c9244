"""Where a commit ran is told alike, whether every report of a history is verified or only those that can matter."""

import json
import random
from datetime import UTC, datetime

import pytest

from reconciler.fleet.audit import stays
from reconciler.fleet.former_keys import Keys
from reconciler.fleet.history import heard, heard_of
from reconciler.manifests import FleetFiles
from reconciler.repository import FoundReport
from signing import Signer, sign_commit

NOW = datetime(2026, 6, 1, tzinfo=UTC)
COMMITS = [character * 40 for character in "abc"]
KEYS = {name: Signer.generate() for name in ("d1", "d2", "gone")}
STRANGER = Signer.generate()
_HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"
FILES = FleetFiles({
    "fleet.yaml": _HEAD.format("Fleet", "f", "{tiers: [base]}").encode(),
    **{f"devices/{name}.yaml": _HEAD.format("Device", name, f"{{identity: {KEYS[name].public.line}}}").encode()
       for name in ("d1", "d2")},
})  # fmt: skip


def found(device: str, applied: str, at: int, signer: Signer, seen: str = "") -> FoundReport:
    revisions = {"applied": f"main@sha1:{applied}" if applied else "", "seen": f"main@sha1:{seen or applied}"}
    report = {"device": device, "phase": "Healthy", "time": "2026-06-01T00:00:00Z", "revisions": revisions}
    who = f"{device} <{device}@devices.invalid> {at} +0000"
    raw = f"tree {'0' * 40}\nauthor {who}\ncommitter {who}\n\nA report\n".encode()
    signed = sign_commit(raw, signer)
    return FoundReport(device, json.dumps(report).encode(), "1" * 40, signed, (f"devices/{device}/status.json",))


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_same(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - it plays
    history = []
    for number in range(60):
        device = dice.choice(list(KEYS))
        signer = STRANGER if dice.random() < 0.15 else KEYS[device]
        # Clocks are set back now and then, and what is new is seen before it runs.
        at = 1_780_000_000 + number * 60 - (3600 if dice.random() < 0.1 else 0)
        history.append(found(device, dice.choice([*COMMITS, ""]), at, signer, dice.choice(COMMITS)))
    everything = list(heard(Keys(FILES), history))
    for commit in COMMITS:
        assert stays(heard_of(commit, Keys(FILES), history), commit, NOW) == stays(everything, commit, NOW)


def test_what_cannot_matter_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    real = __import__("reconciler.fleet.history", fromlist=["judge_report"]).judge_report
    monkeypatch.setattr(
        "reconciler.fleet.history.judge_report", lambda device, one: judged.append(one) or real(device, one)
    )
    history = [found("d1", COMMITS[number // 50 % 3], 1_780_000_000 + number, KEYS["d1"]) for number in range(150)]
    assert len(list(heard_of(COMMITS[0], Keys(FILES), history))) == len(judged) == 51
    judged.clear()
    assert len(list(heard_of(COMMITS[1], Keys(FILES), history))) == len(judged) == 52
