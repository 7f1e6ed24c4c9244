"""What is remembered of fingerprints goes with the services."""

import gc
import weakref

from reconciler.model import Service
from reconciler.planning.fingerprint import _remembered, fingerprint


def service(number: int) -> Service:
    return Service("web", "web:1", "web-1", environment={"NUMBER": str(number)})


def test_a_device_keeps_nothing_of_what_it_ran_once() -> None:
    gc.collect()
    before = len(_remembered)
    held = service(1)
    told = fingerprint(held)
    gone = [weakref.ref(one) for one in (service(number) for number in range(2, 400)) if fingerprint(one) != told]
    gc.collect()
    assert len(gone) == 398
    assert [one for one in gone if one() is not None] == []
    assert len(_remembered) == before + 1
    assert fingerprint(held) == told == fingerprint(service(1))
