"""The device's key changes over when the fleet knows it by the next one: not before, and not half."""

from pathlib import Path

import pytest

from reconciler.agent.settings.identity import Identity, before_key, next_key
from reconciler.errors import ConfigError
from signing import PublicKey, Signer, load_signer, verify_signature, write_new_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_new_key(tmp_path / "identity", "press")
    write_new_key(next_key(tmp_path / "identity"), "press")
    return tmp_path / "identity"


def test_it_changes_over_when_the_fleet_says_so(path: Path) -> None:
    old, new = load_signer(path).public, load_signer(next_key(path)).public
    identity = Identity(path)
    for known in (old.line, Signer.generate().public.line, "", "no key"):
        identity.settle(known)
        assert identity.public == old
    identity.settle(f"{new.line} with a comment")
    assert identity.public == new
    assert load_signer(path).public == new
    assert PublicKey.parse(path.with_name("identity.pub").read_text()) == new
    assert load_signer(before_key(path)).public == old, "older secrets are sealed for it"
    assert not next_key(path).exists()
    assert verify_signature(identity.sign(b"x", "git"), b"x", "git") == new
    assert Identity(path).public == new


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_power_cut_on_the_way_leaves_one_key_or_the_other(
    renames: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = load_signer(path).public, load_signer(next_key(path)).public
    real, left = Path.replace, renames

    def failing(one: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return real(one, target)

    identity = Identity(path)
    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(KeyboardInterrupt):
        identity.settle(new.line)
    monkeypatch.undo()
    started = Identity(path)
    assert started.public == (new if renames else old)
    started.settle(new.line)
    assert started.public == new
    assert not next_key(path).exists()


def test_a_next_key_that_cannot_be_used_changes_nothing(path: Path) -> None:
    old = load_signer(path).public
    next_key(path).write_text("torn")
    identity = Identity(path)
    identity.settle(old.line)
    assert identity.public == old
    next_key(path).unlink()
    identity.settle(Signer.generate().public.line)
    assert identity.public == old


def test_without_a_key_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="identity: this device's key cannot be used"):
        Identity(tmp_path / "identity")
