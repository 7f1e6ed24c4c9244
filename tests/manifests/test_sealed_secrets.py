"""Sealed secrets in manifests: whose file a device takes, when its app is another one, and what is shown of it."""

import yaml
from render_cases import STANDARD, tree_of

from reconciler.manifests import Comparison, FleetFiles, to_compose
from reconciler.model.tree import Tree
from reconciler.planning import app_digest

AGE = "-----BEGIN AGE ENCRYPTED FILE-----\n"
COMPOSE = "services:\n  web: {image: web, secrets: [token]}\nsecrets:\n  token: {external: true}\n"
VALUE = "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]"


def fleet(**secrets: str) -> Tree:
    """Two devices that the same layer gives the same app; the secrets by path, `/` as `__` and `.` as `_dot_`."""
    said = {f"secrets/{path.replace('__', '/').replace('_dot_', '.')}": text for path, text in secrets.items()}
    return tree_of({**STANDARD, "devices/saw.yaml": "spec: {}\n", "apps/shop/compose.yaml": COMPOSE, **said})


def both(press: str = "one", saw: str = "two") -> Tree:
    return fleet(token__press_dot_age=f"{AGE}{press}", token__saw_dot_age=f"{AGE}{saw}")


def test_devices_of_one_layer_each_have_their_own_file() -> None:
    files = FleetFiles(both())
    found = {name: files.render(name).desired.apps[0].configs[0] for name in ("press", "saw", "press")}
    assert found["press"].content.endswith(b"one")
    assert found["saw"].content.endswith(b"two")
    assert found["press"].name.startswith("~")


def test_a_secret_that_changes_for_one_device_changes_that_device_alone() -> None:
    comparison = Comparison(both(), both(saw="three"))
    assert {name: comparison.differing(comparison.pair(name)) for name in ("press", "saw")} == {
        "press": frozenset(),
        "saw": {"shop"},
    }
    pair = comparison.pair("saw")
    before, after = comparison.render(pair, ["shop"])
    assert before is not None
    reasons = comparison.reasons(pair, "shop", before.desired.app("shop"), after.desired.app("shop"))
    assert [str(one) for one in reasons] == [
        "/secrets/token has another content at secrets/token/saw.age:1:1 (the secret)"
    ]


def sops(value: str, more: str = "") -> Tree:
    tree = fleet(mail_dot_yaml=f"password: {value}\nsops: {{mac: x{more}}}\n")
    compose = COMPOSE.replace("external: true", "external: true, name: mail/password")
    return {**tree, "apps/shop/compose.yaml": compose.encode()}


def name_of(tree: Tree) -> str:
    return FleetFiles(tree).render("press").desired.apps[0].configs[0].name


def test_a_file_of_sops_that_is_sealed_for_more_devices_changes_nothing() -> None:
    assert name_of(sops(VALUE)) == name_of(sops(VALUE, ", age: []"))
    assert name_of(sops(VALUE)) != name_of(sops(VALUE.replace("data:YQ", "data:Yg")))


def test_a_rendered_app_tells_the_name_of_a_secret_and_not_what_is_sealed() -> None:
    shown = to_compose(FleetFiles(both()).render("press").desired.apps[0])
    assert shown["secrets"] == {"token": {"name": "token", "external": True}}
    assert "AGE" not in yaml.safe_dump(shown)
    assert shown["services"]["web"]["secrets"] == [{"source": "token", "target": "/run/secrets/token"}]  # type: ignore[index,call-overload]


def test_a_reload_of_a_sealed_secret_has_its_place_in_memory() -> None:
    tree = both()
    compose = COMPOSE.replace("image: web,", "image: web, x-reload: SIGHUP,")
    service = (
        FleetFiles({**tree, "apps/shop/compose.yaml": compose.encode()}).render("press").desired.apps[0].services[0]
    )
    assert service.mounts[0].live == "~shop/web/run%2Fsecrets%2Ftoken"


def test_an_app_that_uses_no_secret_is_not_looked_at_when_secrets_change() -> None:
    more = {"apps/plain/compose.yaml": b"services: {web: {image: web, container_name: other}}\n"}
    layer = tree_of({"layers/base/all.yaml": "spec: {apps: [shop, plain]}\n"})
    comparison = Comparison({**both(), **more, **layer}, {**both(saw="three"), **more, **layer})
    assert comparison.differing(comparison.pair("saw")) == {"shop"}


def test_other_values_of_a_file_of_sops_do_not_make_an_app_another_one() -> None:
    def digest(tree: Tree) -> str:
        return app_digest(FleetFiles(tree).render("press").desired.apps[0])

    assert digest(sops(VALUE)) == digest(sops(VALUE, ", age: []"))
    assert digest(sops(VALUE)) != digest(sops(VALUE.replace("data:YQ", "data:Yg")))
