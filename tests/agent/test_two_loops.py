"""What the two loops tell each other: when a server is left alone, and who is not heard."""

from dataclasses import replace
from typing import cast

import pytest

from reconciler.admission import Admission
from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.errands.polling import PolledOrders
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.orders.known import Known, Obtained, Rendered
from reconciler.agent.passes.reconcile import Reconciler
from reconciler.agent.service.loop import Bell
from reconciler.agent.service.metrics import Metrics
from reconciler.agent.service.two_loops import OF_THEIR_OWN, TwoLoops
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import ReconcilerError, RemoteUnavailable

TRUSTED = Trusted("a" * 40, "ann", "SHA256:x")


class Desk:
    """A device whose Git answers, and whose reports may not be heard; its clock is set by hand."""

    def __init__(self) -> None:
        self.now, self.sends, self.send_takes = 1000.0, 0, 0.0
        self.error: ReconcilerError | None = None
        self.known = Known(Obtained("main@sha1:" + "a" * 40, TRUSTED, ()), Rendered(None), Admission(), "0.2.0-a")

    def recall(self) -> Known | None:
        return None

    def obtain(self) -> Known:
        return self.known

    def send(self) -> ReconcilerError | None:
        self.sends += 1
        self.now += self.send_takes
        return self.error

    def hurry(self) -> None:
        pass

    def insist(self) -> None:
        pass


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def loops(desk: Desk) -> TwoLoops:
    reconciler, orders, pulls = cast(Reconciler, desk), cast(PolledOrders, desk), cast(Pulls, desk)
    metrics = Metrics(lambda: desk.now)
    return TwoLoops(reconciler, orders, pulls, Bell(), Bell(), Systemd({}), metrics, lambda: desk.now, OF_THEIR_OWN)


def asks(loops: TwoLoops, desk: Desk, seconds: float = 60.0) -> int:
    """How many reports were tried to be sent by asking Git so much later."""
    desk.now += seconds
    before = desk.sends
    loops.ask_git()
    return desk.sends - before


def test_a_server_of_reports_that_asks_for_rest_is_left_alone(loops: TwoLoops, desk: Desk) -> None:
    desk.error = RemoteUnavailable("cannot push", retry_seconds=150.0)
    assert asks(loops, desk) == 1
    assert [asks(loops, desk) for _ in range(4)] == [0, 0, 1, 0], "after 60, 120, 180 and 240 seconds"
    assert loops.update is None, "who is not heard tries no other version"
    desk.error = None
    assert [asks(loops, desk, 100.0), loops.update] == [1, "0.2.0-a"]


def test_a_report_that_failed_otherwise_is_tried_again_when_git_is_asked(loops: TwoLoops, desk: Desk) -> None:
    desk.error = RemoteUnavailable("cannot push")
    assert asks(loops, desk) == 1
    loops.send()
    assert desk.sends == 1, "not at each pass of the other loop"
    assert asks(loops, desk) == 1


def test_a_server_that_lets_reports_wait_and_takes_none_does_not_keep_git_from_being_asked(
    loops: TwoLoops, desk: Desk
) -> None:
    desk.error, desk.send_takes = RemoteUnavailable("cannot push"), 60.0
    assert [asks(loops, desk) for _ in range(9)] == [1, 0, 0, 0, 1, 0, 0, 0, 1], "a minute in every five, at most"
    desk.send_takes = 1800.0
    assert [asks(loops, desk, 300.0) for _ in range(5)] == [1, 0, 0, 1, 0], "a quarter of an hour, at the most"
    desk.error, desk.send_takes = None, 60.0
    assert asks(loops, desk, 900.0) == 1
    assert [asks(loops, desk) for _ in range(2)] == [1, 1], "one that is slow and takes them is asked as before"


def test_when_the_network_is_back_what_held_up_a_report_is_tried_at_once(loops: TwoLoops, desk: Desk) -> None:
    desk.error, desk.send_takes = RemoteUnavailable("cannot push"), 60.0
    assert asks(loops, desk) == 1
    there = desk.known
    cut_off = Obtained("", TRUSTED, (), (RemoteUnavailable("cannot fetch"),))
    desk.known = replace(there, obtained=cut_off)
    assert asks(loops, desk) == 0
    desk.known, desk.error = there, None
    assert asks(loops, desk) == 1


def test_reports_wait_while_the_server_of_the_fleet_rests(loops: TwoLoops, desk: Desk) -> None:
    busy = RemoteUnavailable("busy", retry_seconds=150.0)
    desk.known = Known(Obtained("", TRUSTED, (), (busy,)), Rendered(None), Admission())
    assert asks(loops, desk) == 0
    desk.now += 100.0
    loops.send()
    assert desk.sends == 0
    desk.now += 100.0
    loops.send()
    assert desk.sends == 1
