"""Which version of the reconciler runs: who is due, who has proven itself, and who is given up."""

import pytest

from reconciler.agent.state.remembered import Attempt, Updates
from reconciler.agent.versions.updating import (
    MOST_STARTS,
    RETRY_MOST_SECONDS,
    RETRY_SECONDS,
    failed,
    is_due,
    proven,
    started,
    told,
)

NOW = 1_780_000_000.0


@pytest.mark.parametrize(
    ("update", "running", "due"),
    [
        (None, "", False),  # nobody says
        (None, "0.2.0-a", False),
        ("", "", False),  # the installed one is wanted, and runs
        ("", "0.2.0-a", True),
        ("0.2.0-a", "0.2.0-a", False),
        ("0.2.0-a", "", True),
        ("0.3.0-b", "0.2.0-a", True),
    ],
)
def test_another_one_is_due_when_it_is_wanted(update: str | None, running: str, due: bool) -> None:
    assert is_due(update, running, Updates(), NOW) is due


def test_one_that_failed_is_tried_again_ever_later_and_at_once_when_it_changes() -> None:
    updates, waits = Updates(), []
    for _ in range(12):
        updates = failed(updates, "0.2.0-a", "it ended with 1", NOW)
        retry_at = updates.failed["0.2.0-a"].retry_at
        waits.append(retry_at - NOW)
        assert [is_due("0.2.0-a", "", updates, at) for at in (retry_at - 1, retry_at)] == [False, True]
    assert waits[:3] == [RETRY_SECONDS, 2 * RETRY_SECONDS, 4 * RETRY_SECONDS]
    assert waits[-1] == RETRY_MOST_SECONDS
    assert is_due("0.2.0-b", "", updates, NOW), "another wheel of that version is another one"


def test_a_clock_that_was_set_back_does_not_make_it_wait_for_years() -> None:
    updates = failed(Updates(), "0.2.0-a", "", NOW + 10**8)
    assert is_due("0.2.0-a", "", updates, NOW)


def test_what_has_proven_itself_is_forgiven() -> None:
    updates = failed(Updates(), "0.2.0-a", "", NOW)
    assert proven(updates, "0.2.0-a") == Updates("0.2.0-a")


def test_a_proven_one_that_is_never_well_any_more_is_given_up() -> None:
    updates = Updates("0.2.0-a")
    for count in range(1, MOST_STARTS + 1):
        updates = started(updates, NOW)
        assert (updates.proven, updates.starts) == ("0.2.0-a", count)
    updates = started(updates, NOW)
    assert updates.proven == ""
    assert not is_due("0.2.0-a", "", updates, NOW)
    assert is_due("0.2.0-a", "", updates, NOW + RETRY_SECONDS), "it may have been the power"


def test_what_is_told_of_it() -> None:
    assert told("0.2.0", None).reason == "Trying"
    once = told("0.2.0", Attempt(1, "it ended with 1", NOW))
    assert (once.status, once.reason) == (False, "RolledBack")
    assert once.message == "0.2.0 was tried once: it ended with 1; again at 2026-05-28T20:26:40Z"
    assert told("0.2.0", Attempt(3, "it ended with 1", NOW)).message.startswith("0.2.0 was tried 3 times: it ended")
