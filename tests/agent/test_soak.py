"""Thousands of passes with something wrong in most of them: what the device holds stays flat, and it ends well."""

import logging
import os
from pathlib import Path

import pytest
from soak_rig import Rig

PASSES = 10_000 if os.environ.get("SOAK") else 100
CALM_EVERY = 50
# A quarter of a day's passes is warming up: caches fill, Python's heap finds its size.
MOST_MEMORY_KIB = 6 * 1024
MOST_STORE_A_PASS = 6 * 1024


def test_a_device_stays_as_big_as_it_is_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "reconciler")  # pytest keeps each line that is told, for the end
    rig = Rig(tmp_path, monkeypatch, seed=int(os.environ.get("SOAK_SEED", "7")))
    early, store = rig.costs(), 0
    for number in range(1, PASSES + 1):
        rig.mishap()
        rig.step()
        if number % CALM_EVERY == 0:
            rig.calm_down()
            assert rig.is_well(), f"after {number} passes"
        if number == PASSES // 4:
            early, store = rig.costs(), rig.store()
    rig.calm_down()
    assert rig.is_well()
    late = rig.costs()
    print(f"{PASSES} passes: {early} -> {late}, store {store} -> {rig.store()}")
    assert late["open"] == early["open"]
    assert late["memory"] - early["memory"] < MOST_MEMORY_KIB, (early, late)
    assert late["files"] <= early["files"] + 2, (early, late)
    assert late["bytes"] < early["bytes"] + 16 * 1024, (early, late)
    assert rig.store() - store < MOST_STORE_A_PASS * PASSES
