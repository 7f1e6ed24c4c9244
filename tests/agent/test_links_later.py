"""A link that somebody puts below a granted folder after the app was let in: seen in each pass, Git asked or not."""

from reconciler.admission import Admission
from reconciler.agent.known import Rendered
from reconciler.agent.last_good import readmitted
from reconciler.errors import Problem
from reconciler.model import App, DesiredState, Mount, Service

GRANTED = Admission(frozenset({"bind:/srv/data"}))
SHOP = App("shop", (Service("web", "web:1", "web-1", mounts=(Mount("bind", "/x", "/srv/data/x"),)),))
PLAIN = App("plain", (Service("web", "web:1", "plain-1"),))
BEFORE = Problem("layers/base/all.yaml:1:1", "something else")
RENDERED = Rendered(DesiredState("press", (SHOP, PLAIN), frozenset({"broken"})), (BEFORE,))


def test_what_leads_where_it_did_is_what_was_rendered() -> None:
    assert readmitted(RENDERED, GRANTED, str) is RENDERED
    assert readmitted(Rendered(None), GRANTED, lambda _: "/etc") == Rendered(None)


def test_an_app_that_is_led_elsewhere_is_held_and_told() -> None:
    found = readmitted(RENDERED, GRANTED, lambda path: "/etc" if path == "/srv/data/x" else path)
    assert found.desired is not None
    assert [app.name for app in found.desired.apps] == ["plain"]
    assert found.desired.untouched == {"broken", "shop"}
    assert found.problems[0] == BEFORE
    assert "ADMISSION_BIND: the app `shop` asks for `bind:/etc` through the link /srv/data/x" in str(found.problems[1])
    assert found.error is not None
