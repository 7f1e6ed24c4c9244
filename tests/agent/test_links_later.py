"""A link that somebody puts below a granted folder after the app was let in: seen in each pass, Git asked or not."""

from pathlib import Path

import pytest
from soak_rig import Rig

from reconciler.admission import Admission
from reconciler.agent.orders.known import Known, Obtained, Rendered
from reconciler.agent.passes.last_good import readmitted
from reconciler.errors import Problem
from reconciler.model import App, DesiredState, Fact, Mount, Service

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


def test_each_pass_looks_where_a_path_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what Git said before: nobody asks it again."""
    rig, data = Rig(tmp_path, monkeypatch, seed=1), tmp_path / "data"
    data.mkdir()
    mount = Mount("bind", "/x", str(data))
    app = App("shop", (Service("web", "good:1", "shop-web-1", network_mode="none", mounts=(mount,)),))
    facts = (Fact("Trusted", True, "Verified", ""), Fact("Fresh", True, "Fetched", ""))
    granted = Admission(frozenset({f"bind:{data}"}))
    known = Known(Obtained("main@sha1:1", None, facts), Rendered(DesiredState("press", (app,))), granted)
    assert rig.reconciler.converge(known).errors == ()
    before = dict(rig.engine.boxes)
    data.rmdir()
    data.symlink_to("/etc")
    rig.engine.kill("shop-web-1")
    result = rig.reconciler.converge(known)
    assert "ADMISSION_BIND" in str(result.errors[0])
    assert result.steps == (), "it is not started again with another folder"
    assert rig.engine.boxes == before
