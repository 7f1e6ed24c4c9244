"""What the loops tell each other: when a server of reports is left alone, who is not heard, and what is a proof."""

import threading
from dataclasses import replace
from typing import cast

import pytest

from reconciler.admission import Admission
from reconciler.agent.engine.pulls import Pulls
from reconciler.agent.errands.polling import PolledOrders
from reconciler.agent.host.systemd import Systemd
from reconciler.agent.orders.known import Known, Obtained, Rendered
from reconciler.agent.passes.reconcile import Reconciler, Result
from reconciler.agent.service.loop import Bell, Rung
from reconciler.agent.service.metrics import Metrics
from reconciler.agent.service.outbox import Outbox
from reconciler.agent.service.two_loops import TwoLoops
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import ReconcilerError, RemoteUnavailable
from reconciler.model import DesiredState, Report

TRUSTED = Trusted("a" * 40, "ann", "SHA256:x")


class Desk:
    """A device whose Git answers, and whose reports may not be heard; its clock is set by hand."""

    def __init__(self, *, shares_server: bool) -> None:
        self.now, self.sends, self.proofs, self.is_whole = 1000.0, 0, 0, True
        self.is_heard = False
        self.error: ReconcilerError | None = None
        self.known = Known(
            Obtained("main@sha1:" + "a" * 40, TRUSTED, ()), Rendered(DesiredState("press-1")), Admission(), "0.2.0-a"
        )
        metrics = Metrics(lambda: self.now)
        self.outbox = Outbox(self.send, metrics, self.heard, lambda: self.now, shares_server=shares_server)
        reconciler, orders, pulls = cast(Reconciler, self), cast(PolledOrders, self), cast(Pulls, self)
        self.loops = TwoLoops(reconciler, orders, pulls, self.outbox, Bell(), Bell(), Systemd({}), metrics)

    def recall(self) -> Known | None:
        return None

    def obtain(self) -> Known:
        return self.known

    def converge(self, known: Known, *, is_full: bool) -> Result:
        return Result(Report("press-1", "Healthy", "2026-01-01T00:00:00Z"), (), (), self.is_whole)

    def send(self) -> ReconcilerError | None:
        self.sends += 1
        self.is_heard = self.error is None
        return self.error

    def heard(self, is_proof: bool) -> None:
        self.proofs += is_proof

    def hurry(self) -> None:
        pass

    def insist(self) -> None:
        pass

    def work(self, seconds: float = 60.0) -> int:
        """Git is asked so much later, and a pass made; how many reports were tried to be sent by it."""
        self.now += seconds
        before = self.sends
        self.loops.ask_git()
        self.ring()
        self.loops.reconcile()
        self.ring()
        return self.sends - before

    def ring(self) -> None:
        """What the loop of reports does by what its bell says."""
        rung = self.outbox.bell.wait(0.0)
        if rung is Rung.NUDGE:
            self.outbox.retry()
        elif rung is Rung.CHANGE:
            self.outbox.send()


@pytest.fixture
def desk() -> Desk:
    return Desk(shares_server=True)


def test_a_server_of_reports_that_asks_for_rest_is_left_alone(desk: Desk) -> None:
    desk.error = RemoteUnavailable("cannot push", retry_seconds=150.0)
    assert desk.work() == 1
    assert [desk.work() for _ in range(4)] == [0, 0, 1, 0], "after 60, 120, 180 and 240 seconds"
    assert desk.loops.update is None, "who is not heard tries no other version"
    desk.error = None
    assert [desk.work(100.0), desk.loops.update] == [2, "0.2.0-a"]


def test_the_loop_of_reports_comes_again_no_sooner_than_the_server_asks_for(desk: Desk) -> None:
    desk.error = RemoteUnavailable("cannot push", retry_seconds=150.0)
    assert desk.outbox.retry() == 150.0
    desk.now += 100.0
    assert [desk.outbox.retry(), desk.sends] == [50.0, 1]


def test_a_report_that_failed_otherwise_is_tried_again_when_git_was_asked(desk: Desk) -> None:
    desk.error = RemoteUnavailable("cannot push")
    assert desk.work() == 1, "not at each pass of another loop"
    assert desk.outbox.retry() == 0.0
    assert desk.sends == 2, "and without Git after a while"
    assert desk.work() == 1


def test_a_report_that_is_on_its_way_keeps_git_from_nothing(desk: Desk) -> None:
    """A server that lets it wait for a minute, in a thread of its own."""
    begun, goes_on = threading.Event(), threading.Event()

    def send() -> ReconcilerError | None:
        begun.set()
        assert goes_on.wait(10)
        return None

    desk.outbox._send = send
    sending = threading.Thread(target=desk.outbox.send, daemon=True)
    sending.start()
    assert begun.wait(10)
    desk.loops.ask_git()
    desk.loops.reconcile()
    assert desk.loops.passed.is_set() and sending.is_alive()
    assert desk.loops.update is None, "no other version is tried before it is heard"
    goes_on.set()
    sending.join(10)
    assert not sending.is_alive()


@pytest.mark.parametrize("shares_server", [True, False])
def test_reports_wait_while_the_server_of_the_fleet_rests_if_it_is_theirs(*, shares_server: bool) -> None:
    desk = Desk(shares_server=shares_server)
    busy = RemoteUnavailable("busy", retry_seconds=150.0)
    desk.known = replace(desk.known, obtained=Obtained("", TRUSTED, (), (busy,)))
    desk.work()
    desk.now += 100.0
    desk.outbox.send()
    assert (desk.sends == 0) is shares_server
    desk.now += 100.0
    before = desk.sends
    desk.outbox.send()
    assert desk.sends == before + 1


def test_a_version_has_proven_itself_when_the_report_of_a_whole_pass_by_git_is_out(desk: Desk) -> None:
    desk.is_whole = False
    desk.work()
    assert desk.proofs == 0, "an Engine that does not answer"
    desk.is_whole, desk.error = True, RemoteUnavailable("cannot push")
    desk.work()
    assert desk.proofs == 0, "nobody has heard of it"
    desk.error = None
    desk.work()
    assert desk.proofs > 0
