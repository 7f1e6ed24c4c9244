"""Which files a device needs, and which lie inside of a folder."""

import pytest

from reconciler.model.tree import files_under, inside, is_needed_by


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("fleet.yaml", True),
        ("layers/base/all.yaml", True),
        ("apps/shop/weights.txt", True),
        ("devices/press.yaml", True),
        ("devices/plant/7/press.yaml", True),
        ("devices/lathe.yaml", False),
        ("devices/bigpress.yaml", False),
        ("devices/press.yaml/lathe.yaml", False),
        ("README.md", False),
        ("trust/allowed_signers", False),
        ("fleet.yaml.orig", False),
    ],
)
def test_a_device_needs_no_other_devices_file(path: str, needed: bool) -> None:
    assert is_needed_by(path, "press") is needed


@pytest.mark.parametrize(
    ("relative", "path"),
    [
        ("a.txt", "apps/shop/a.txt"),
        ("./b/../a.txt", "apps/shop/a.txt"),
        ("..", None),
        (".", None),
        ("", None),
        ("../shop/a.txt", "apps/shop/a.txt"),
        ("../shopping/a.txt", None),
        ("../../fleet.yaml", None),
        ("/etc/passwd", None),
        ("/apps/shop/a.txt", None),
    ],
)
def test_inside_of_a_folder(relative: str, path: str | None) -> None:
    assert inside("apps/shop", relative) == path


def test_files_come_in_byte_order() -> None:
    tree = dict.fromkeys(["a/é", "a/b/c", "a/Z", "a/b", "ab/c", "b/a"], b"")
    assert files_under(tree, "a") == ["a/Z", "a/b", "a/b/c", "a/é"]
