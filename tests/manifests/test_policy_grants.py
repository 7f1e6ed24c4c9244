"""Where a signed policy grants: only what it grants, only to whom, and never more than the device allows."""

import json

import pytest
from admission_asks import ASKS, WEB, Ask, judged

from reconciler.admission import Admission, PolicyGrant, is_admitted
from reconciler.admission.needs import Need, refusals
from reconciler.model import App, Service

COMPOSE = "apps/shop/compose.yaml"
every_ask = pytest.mark.parametrize("ask", ASKS, ids=[ask.name for ask in ASKS])


def granted(*capabilities: str, apps: str = "*", services: str = "*") -> tuple[PolicyGrant, ...]:
    return tuple(PolicyGrant(one, (apps,), (services,)) for one in capabilities)


def codes(ask: Ask, admission: Admission) -> set[str]:
    rendering = judged({COMPOSE: ask.compose.replace("@", ask.value)}, admission)
    assert {app.name for app in rendering.desired.apps} == ({"bakery"} if rendering.problems else {"bakery", "shop"})
    assert rendering.desired.untouched == ({"shop"} if rendering.problems else set())
    return {problem.what.partition(":")[0] for problem in rendering.problems}


@every_ask
def test_without_a_grant_of_the_policy_the_devices_word_is_not_enough(ask: Ask) -> None:
    assert f"ADMISSION_{ask.capability.upper().replace('-', '_')}" in codes(
        ask, Admission(frozenset({"everything"}), ())
    )


@every_ask
def test_what_the_policy_grants_and_the_device_does_not_allow_is_above_the_ceiling(ask: Ask) -> None:
    assert codes(ask, Admission(frozenset(), granted(ask.grant, *ask.beside))) == {"ADMISSION_CEILING"}


@every_ask
def test_what_both_say_runs(ask: Ask) -> None:
    for grant in (ask.grant, ask.capability):
        both = (grant, *ask.beside)
        assert codes(ask, Admission(frozenset(both), granted(*both))) == set()


@every_ask
def test_a_patch_does_not_get_around_it(ask: Ask) -> None:
    """RFC 6902, as a device's own patch: the document is put in place as a whole."""
    layer = {"patches": [{"target": {"app": "shop"}, "merge": {"x-none": None}}]}
    files = {
        COMPOSE: f"{WEB}restart: always\n",
        "layers/site/plant.yaml": f"spec: {json.dumps(layer)}\n",
        "devices/press.yaml": device_patch(ask),
    }
    rendering = judged(files, Admission(frozenset({"everything"}), ()))
    assert rendering.problems
    assert all(problem.where.startswith("devices/press.yaml:") for problem in rendering.problems)
    assert rendering.desired.untouched == {"shop"}
    both = Admission(frozenset({"everything"}), granted("everything"))
    assert judged(files, both).problems == ()


def device_patch(ask: Ask) -> str:
    """What the Compose file asks for, put in by `replace` and `add` of a device's file."""
    import yaml  # the oracle for what the text says

    document = yaml.safe_load(ask.compose.replace("@", ask.value if ":" not in ask.value else f'"{ask.value}"'))
    patch = [{"op": "add", "path": f"/{key}", "value": value} for key, value in document.items()]
    spec = {"patches": [{"target": {"app": "shop"}, "patch": patch}]}
    return f"spec: {json.dumps(spec)}\n"


@pytest.mark.parametrize(
    ("apps", "services", "runs"),
    [("*", "*", True), ("shop", "web", True), ("sh*", "w*", True), ("bakery", "*", False), ("shop", "db", False)],
)
def test_a_grant_is_for_apps_and_services(apps: str, services: str, runs: bool) -> None:
    ask = next(one for one in ASKS if one.capability == "privileged")
    admission = Admission(frozenset({"privileged"}), granted("privileged", apps=apps, services=services))
    assert (codes(ask, admission) == set()) == runs


def test_what_an_app_shares_is_granted_to_no_single_service() -> None:
    ask = next(one for one in ASKS if one.capability == "network-driver")
    admission = Admission(frozenset({"network-driver"}), granted("network-driver", services="web"))
    assert codes(ask, admission) == {"ADMISSION_NETWORK_DRIVER"}


def test_a_need_says_whose_it_is() -> None:
    assert Need("gpu", "", "/services/web/gpus").service == "web"
    assert Need("network-driver", "x", "/networks/lan/driver").service == ""


def test_where_digests_are_required_a_tag_is_refused() -> None:
    digest = "@sha256:" + "0" * 64
    apps = [App("shop", (Service("web", f"web{end}", "shop-web-1"),)) for end in ("", ":1", f":1{digest}", digest)]
    admission = Admission(requires_digest=True)
    assert [is_admitted(app, admission) for app in apps] == [False, False, True, True]
    ((pointer, what, _),) = refusals(apps[1], admission)
    assert pointer == "/services/web/image"
    assert what.startswith("IMAGE_TAG: the app `shop` names web:1 by a tag")
