"""`reconciler:` of layers and devices: which version of the reconciler itself a device shall have."""

from collections.abc import Mapping

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests import FleetFiles

HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec: {}\n"


def wanted(layers: Mapping[str, str], device: str = "{}") -> str:
    """By layers, `tier/name` to version, and the spec of the device."""
    files = {
        "fleet.yaml": HEAD.format("Fleet", "small", "{tiers: [base, site]}"),
        "devices/press.yaml": HEAD.format("Device", "press", device),
        **{
            f"layers/{path}.yaml": HEAD.format("Layer", path.rpartition("/")[2], f"{{reconciler: {version}}}")
            for path, version in layers.items()
        },
    }
    return FleetFiles({path: text.encode() for path, text in files.items()}).render("press").desired.reconciler


@pytest.mark.parametrize(
    ("layers", "device", "version"),
    [
        ({}, "{}", ""),
        ({"base/all": "0.2.0"}, "{}", "0.2.0"),
        ({"base/all": "0.2.0", "site/plant": "0.3.0"}, "{}", "0.3.0"),
        ({"base/all": "0.2.0"}, "{reconciler: 0.4.0}", "0.4.0"),
        ({"base/all": "0.2.0", "base/too": "0.2.0"}, "{}", "0.2.0"),
        ({"base/all": "0.2"}, "{}", "0.2"),
        ({"base/all": "1.0.0rc1"}, "{}", "1.0.0rc1"),
        ({"base/all": "0.2.0"}, "{retired: true, allowEmpty: true}", ""),
    ],
)
def test_the_last_word_counts(layers: dict[str, str], device: str, version: str) -> None:
    assert wanted(layers, device) == version


def test_two_layers_of_one_tier_must_agree() -> None:
    told = r"layers/base/too.yaml:4:20: `reconciler` is also set at layers/base/all.yaml:4:20; two layers of one tier"
    with pytest.raises(ManifestError, match=told):
        wanted({"base/all": "0.2.0", "base/too": "0.3.0"})


@pytest.mark.parametrize("version", ["latest", "../0.2.0", "0.2.0/x", "v0.2.0", "[0.2.0]", "0.2.0-py3-none-any.whl"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ManifestError, match=r"layers/base/all\.yaml:4:20"):
        wanted({"base/all": version})
