"""`fleet secret`: values are sealed for who uses them, and who lacks them is told."""

import io
import re
import sys
from pathlib import Path

import pytest
from fleet_desk import SMALL, WEB, Answer, FleetDesk, device, layer

from lab.operator import Operator
from reconciler.sealing import Keys, seal, unseal
from signing import Signer

KEYS = {name: Signer.generate() for name in ("d1", "d2", "d3", "operator", "new")}
SEALED = WEB.replace("LEVEL: low\n", "LEVEL: low\n    secrets: [token]\n") + "secrets:\n  token: {external: true}\n"


def identity(name: str, key: str = "") -> str:
    return f"identity: {KEYS[key or name].public.line}"


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    """d1 and d2 use a secret, d3 does not."""
    desk = FleetDesk(ann, capsys)
    desk.lay(SMALL)
    desk.lay({
        "apps/web/compose.yaml": SEALED,
        "apps/other/compose.yaml": WEB,
        "layers/base/all.yaml": layer("all", "selector: {matchLabels: {site: north}}\napps: [web]"),
        "layers/site/south.yaml": layer("south", "selector: {matchLabels: {site: south}}\napps: [other]"),
        "devices/d1.yaml": device("d1", identity("d1")),
        "devices/d2.yaml": device("d2", identity("d2")),
        "devices/d3.yaml": device("d3", identity("d3"), "site: south"),
    })  # fmt: skip
    return desk


def give(desk: FleetDesk, value: bytes, monkeypatch: pytest.MonkeyPatch, name: str = "token") -> Answer:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(value)))
    return desk.fleet("secret", "set", name)


def opened(desk: FleetDesk, path: str, key: str) -> bytes:
    return unseal((desk.folder / path).read_bytes(), Keys.parse(KEYS[key].private_bytes()))


def lies(desk: FleetDesk) -> list[str]:
    return sorted(str(path.relative_to(desk.folder)) for path in (desk.folder / "secrets").rglob("*.age"))


def test_a_value_is_sealed_for_each_device_that_uses_it(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    told = desk.fleet("validate")
    assert told.code == 11
    assert "SEAL_MISSING: the secret `token` is not sealed for `d1`" in told.out
    answer = give(desk, b"CANARY\n", monkeypatch)
    assert answer.code == 0, answer.err
    assert answer.lines[0].startswith("token: sealed for 2 devices; nobody else can seal it for new devices")
    assert lies(desk) == ["secrets/token/d1.age", "secrets/token/d2.age"]
    assert opened(desk, "secrets/token/d1.age", "d1") == b"CANARY\n"
    assert opened(desk, "secrets/token/d2.age", "d2") == b"CANARY\n"
    assert desk.fleet("validate").code == 0
    assert "CANARY" not in answer.out + answer.err + desk.fleet("render", "d1").out


def test_a_new_value_is_another_file_and_the_plan_says_so(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"one", monkeypatch)
    desk.owner.commit("One")
    give(desk, b"two", monkeypatch)
    desk.owner.commit("Two")
    told = desk.fleet("plan", "HEAD~1..HEAD")
    assert told.code == 2
    assert set(re.findall(r"\bd[123]\b", told.out)) == {"d1", "d2"}
    detail = desk.fleet("plan", "HEAD~1..HEAD", "--device", "d1").out
    assert "/secrets/token has another content at secrets/token/d1.age:1:1 (the secret)" in detail
    assert "replace" in detail or "create" in detail


def test_who_is_named_as_an_operator_seals_for_new_devices(
    desk: FleetDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "operator").write_bytes(KEYS["operator"].private_bytes())
    desk.lay({"secrets/operators": f"# may seal\n{KEYS['operator'].public.line}\n"})
    assert "2 devices and 1 operator" in give(desk, b"CANARY", monkeypatch).out
    before = (desk.folder / "secrets/token/d1.age").read_bytes()

    # d2 has another key, d3 comes to the north, d1 stays as it is.
    desk.lay({
        "devices/d2.yaml": device("d2", identity("d2", "new")),
        "devices/d3.yaml": device("d3", identity("d3")),
    })  # fmt: skip
    told = desk.fleet("validate")
    assert "secrets/token/d2.age: SEAL_NO_KEY: it is not sealed for the `identity` of `d2`" in told.out
    assert "SEAL_MISSING: the secret `token` is not sealed for `d3`" in told.out
    assert desk.fleet("secret", "list").lines[1].split() == ["token", "3", "d2,", "d3", "0"]
    assert desk.fleet("secret", "list", "-o", "json").json == [
        {"name": "token", "devices": ["d1", "d2", "d3"], "missing": ["d2", "d3"]}
    ]
    answer = desk.fleet("secret", "seal", "--key", str(tmp_path / "operator"))
    assert answer.out == "token: sealed for d2, d3; 0 files removed\n"
    assert opened(desk, "secrets/token/d2.age", "new") == b"CANARY"
    assert opened(desk, "secrets/token/d3.age", "d3") == b"CANARY"
    assert (desk.folder / "secrets/token/d1.age").read_bytes() == before, "nothing is replaced where nothing changed"
    assert desk.fleet("validate").code == 0
    assert desk.fleet("secret", "seal").out == "token: sealed for nobody new; 0 files removed\n"


def test_what_a_device_does_not_use_any_more_goes(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"CANARY", monkeypatch)
    (desk.folder / "devices/d2.yaml").unlink()
    told = desk.fleet("validate")
    assert "secrets/token/d2.age: sealed for `d2`, which is no device; `fleet secret seal token` removes it" in told.out
    assert desk.fleet("secret", "seal", "token").out == "token: sealed for nobody new; 1 file removed\n"
    assert lies(desk) == ["secrets/token/d1.age"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("token", b"", "an empty value"),
        ("token", b"x" * 600_000, "over 524288 bytes"),
        ("other", b"x", "no device uses the secret `other`"),
        ("../x", b"x", "is no name of a secret"),
    ],
)
def test_what_cannot_be_sealed_is_told(
    name: str, value: bytes, told: str, desk: FleetDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = give(desk, value, monkeypatch, name)
    assert answer.code == 1
    assert told in answer.err
    assert lies(desk) == []


def test_a_device_without_a_key_is_told(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.lay({"devices/d2.yaml": device("d2")})
    assert "no key to seal `token` for: d2" in give(desk, b"x", monkeypatch).err
    assert lies(desk) == []


def test_nobody_seals_again_what_nobody_can_open(
    desk: FleetDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(desk, b"x", monkeypatch)
    desk.lay({"devices/d2.yaml": device("d2", identity("d2", "new"))})
    assert "nobody but its devices can unseal `token`" in desk.fleet("secret", "seal").err
    path = desk.folder / "secrets/token/_operators.age"
    path.write_bytes(seal(b"x", [KEYS["operator"].public.line]))
    assert "no key to unseal with" in desk.fleet("secret", "seal").err
    (tmp_path / "stranger").write_bytes(KEYS["new"].private_bytes())
    answer = desk.fleet("secret", "seal", "--key", str(tmp_path / "stranger"))
    assert answer.code == 41
    assert "secrets/token/_operators.age: SEAL_NO_KEY" in answer.err
    assert "cannot be read" in desk.fleet("secret", "seal", "--key", str(tmp_path / "nothing")).err


def test_other_files_below_secrets_are_told(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"x", monkeypatch)
    desk.lay({"secrets/password.txt": "hunter2", "secrets/README.md": "x", "secrets/mail.yaml": "sops: {}"})
    told = desk.fleet("validate").out
    assert told.startswith("secrets/password.txt: no sealed secret")
    assert "README" not in told
    assert "hunter2" not in told


def test_a_secret_is_read_from_a_file(desk: FleetDesk, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"\x00binary")
    assert desk.fleet("secret", "set", "token", "--file", str(tmp_path / "value")).code == 0
    assert opened(desk, "secrets/token/d1.age", "d1") == b"\x00binary"
    assert "cannot be read" in desk.fleet("secret", "set", "token", "--file", str(tmp_path / "nothing")).err


def test_two_new_secrets_of_one_app_do_not_wait_for_each_other(
    desk: FleetDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = SEALED.replace("[token]", "[token, pin]") + "  pin: {external: true}\n"
    desk.lay({"apps/web/compose.yaml": both})
    assert give(desk, b"x", monkeypatch, "token").code == 0
    assert give(desk, b"y", monkeypatch, "pin").code == 0
    assert desk.fleet("validate").code == 0
    assert desk.fleet("secret", "list").lines[1:] == [
        "pin     2        -               0",
        "token   2        -               0",
    ]


BROKEN = {
    "the device": {"devices/d2.yaml": device("d2", f"{identity('d2')}\nno_such_key: 1")},
    "an app of it": {"apps/web/compose.yaml": SEALED.replace("image: busybox:1.36", "imagee: x")},
    "a layer": {"layers/base/all.yaml": layer("all", "selector: {matchLabels: {site: north}}\napps: [web]\nno: 1")},
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_render_keeps_its_files_and_gets_the_new_value(
    what: str, desk: FleetDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(desk, b"old", monkeypatch)
    desk.lay(BROKEN[what])
    before = lies(desk)
    answer = desk.fleet("secret", "seal")
    assert answer.code == 0, answer.err
    assert lies(desk) == before
    assert "do not render whole: see `fleet validate`; their files stay" in answer.out
    if what == "the device":
        assert "the files of d2 do not read, and would keep the old value" in give(desk, b"new", monkeypatch).err
        assert opened(desk, "secrets/token/d1.age", "d1") == b"old"


def test_what_is_not_sealed_hides_no_user(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"old", monkeypatch)
    (desk.folder / "secrets/token/d2.age").write_text("hunter2")
    assert "SEAL_PLAIN" in desk.fleet("validate").out
    assert give(desk, b"new", monkeypatch).code == 0
    assert opened(desk, "secrets/token/d2.age", "d2") == b"new"


def test_nobody_keeps_an_old_value_for_later(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.lay({"secrets/operators": KEYS["operator"].public.line})
    give(desk, b"old", monkeypatch)
    (desk.folder / "secrets/operators").write_text("")
    give(desk, b"new", monkeypatch)
    assert lies(desk) == ["secrets/token/d1.age", "secrets/token/d2.age"]


def test_a_full_disk_leaves_what_was_there(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"old", monkeypatch)
    before = {path: (desk.folder / path).read_bytes() for path in lies(desk)}
    real, count = Path.write_bytes, 0

    def full(path: Path, content: bytes) -> int:
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(28, "No space left on device", str(path))
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    answer = give(desk, b"new", monkeypatch)
    assert (answer.code, "No space left" in answer.err) == (51, True)
    assert {path: (desk.folder / path).read_bytes() for path in lies(desk)} == before
    assert list((desk.folder / "secrets").rglob("*.new")) == []


def test_a_file_that_somebody_else_can_open_too_is_told(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"x", monkeypatch)
    both = seal(b"x", [KEYS["d1"].public.line, KEYS["new"].public.line])
    (desk.folder / "secrets/token/d1.age").write_bytes(both)
    told = desk.fleet("validate")
    assert told.code == 11
    assert "secrets/token/d1.age: SEAL_NO_KEY" in told.out
    assert "nobody else" in told.out


def test_one_secret_that_cannot_be_sealed_holds_up_no_other(
    desk: FleetDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = SEALED.replace("[token]", "[token, pin]") + "  pin: {external: true}\n"
    desk.lay({"apps/web/compose.yaml": both})
    give(desk, b"y", monkeypatch, "pin")
    desk.lay({"secrets/operators": KEYS["operator"].public.line})
    give(desk, b"x", monkeypatch, "token")
    (desk.folder / "devices/d2.yaml").write_text(device("d2", identity("d2", "new")))
    (tmp_path / "operator").write_bytes(KEYS["operator"].private_bytes())
    answer = desk.fleet("secret", "seal", "--key", str(tmp_path / "operator"))
    assert answer.code == 1
    assert "nobody but its devices can unseal `pin`" in answer.err
    assert "token: sealed for d2" in answer.out
    assert "there is no secret `tokn`" in desk.fleet("secret", "seal", "tokn").err


def test_a_secret_may_be_for_some_apps_alone(desk: FleetDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    give(desk, b"x", monkeypatch)
    desk.lay({"secrets/token.apps": "other another\n"})
    told = desk.fleet("validate")
    assert "SEAL_APP: the secret `token` is not for the app `web`" in told.out
    desk.lay({"secrets/token.apps": "other\nweb\n"})
    assert desk.fleet("validate").code == 0


def test_a_file_of_sops_that_is_none_is_told(desk: FleetDesk) -> None:
    desk.lay({"secrets/mail.yaml": "password: hunter2\n"})
    told = desk.fleet("validate").out
    assert "secrets/mail.yaml: SOPS_PLAIN: no file of SOPS" in told
    assert "hunter2" not in told
