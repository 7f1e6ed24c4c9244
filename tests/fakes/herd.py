"""A fleet of simulated devices which all report at once, some of them what no collector may take."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lab.git_doors import Doors
from reconciler.model import MAX_REPORT_BYTES
from reconciler.repository import REPORT_REFS, Author, OwnRef, Remote, report_path, write_files
from reconciler.repository.git import Git
from signing import Signer, load_signer, sign_commit
from tests.fakes.simulated import SimulatedDevice

# What a bad device does, and what a collector says of it.
WRONGS = {
    "forged": "SIGNER_UNKNOWN",  # its own report, by the key of somebody else
    "replayed": "REPLAYED",  # its own first report, put back in place of the second
    "misplaced": "STATUS_REJECTED",  # the report of another device, well signed by that one
    "oversized": "STATUS_REJECTED",  # over 64 KiB
}
DESK = "desk"
Value = TypeVar("Value")
_HEAD = "apiVersion: fleet/v1\nkind: {}\nmetadata: {{name: {}}}\nspec:\n"
_COMPOSE = """\
services:
  web:
    image: registry.acme.example/web:1
    environment: {LINE: "${LINE}", SITE: "${SITE}"}
    ports: ["8080:80"]
  cache:
    image: registry.acme.example/cache:7
    volumes: ["kept:/data"]
volumes: {kept: {}}
"""


class Herd:
    """So many devices, of which `bad` do wrong, spread evenly, each kind of wrong in turn."""

    def __init__(self, folder: Path, count: int, bad: int = 0) -> None:
        self.folder, self._ann, self._thief = folder, Signer.generate(), Signer.generate()
        folder.mkdir(parents=True)
        (folder / "allowed_signers").write_text(f"ann {self._ann.public.line}\n")
        names = [f"press-{number:04}" for number in range(count)]
        self.devices = {name: SimulatedDevice(folder / name, name, f"token-{name}") for name in names}
        chosen = names[:: count // bad][:bad] if bad else []
        self.wrongs = {name: tuple(WRONGS)[turn % len(WRONGS)] for turn, name in enumerate(chosen)}

    @property
    def good(self) -> list[str]:
        return [name for name in self.devices if name not in self.wrongs]

    @property
    def bad(self) -> dict[str, str]:
        """What a collector says of each bad device, without what comes behind."""
        return {name: WRONGS[kind] for name, kind in self.wrongs.items()}

    def doors(self, *, gated: bool) -> Doors:
        """Those of its Git server: a token for each device, and a password for the desk."""
        tokens = {f"token-{name}": name for name in self.devices}
        return Doors({DESK: DESK}, tokens, gated)

    def lay(self, url: str, name: str = "desk") -> Path:
        """Push the fleet, signed, to an empty repository; the clone in which it was made."""
        desk = self.folder / name
        address = url.replace("://", f"://{DESK}:{DESK}@")
        _run("init", "--quiet", "--initial-branch=main", str(desk))
        for key, value in (("user.name", "Collector"), ("user.email", "c@acme.example")):
            _run("-C", str(desk), "config", key, value)
        author = Author("Ann", "ann@acme.example", 1_780_000_000)
        commit = write_files(desk / ".git", None, self._files(), "The fleet", author, (), _signed_by(self._ann))
        _run("-C", str(desk), "reset", "--quiet", "--hard", commit)
        _run("-C", str(desk), "remote", "add", "origin", address)
        _run("-C", str(desk), "push", "--quiet", "origin", "main")
        return desk

    def settle_in(self, fleet: str, reports: str, transport: str = "ref") -> None:
        """All obey this fleet, and report there."""
        for device in self.devices.values():
            device.settle_in(fleet, reports, transport)

    def converge(self, at_once: int) -> None:
        """Every device makes its pass, but for sending. All must be well then."""
        phases = _all(at_once, self.devices.values(), SimulatedDevice.converge)
        assert set(phases) == {"Healthy"}, set(phases)

    def suffer(self) -> None:
        """Something happens to every device, and is healed, so that all have something to report."""
        assert {device.suffer() for device in self.devices.values()} == {"Healthy"}

    def prepare_replays(self, collect: Callable[[], object]) -> None:
        """Those that will replay report twice, honestly, and are heard; what they said first is kept."""
        for turn in ("first", "second"):
            for device in self._of("replayed"):
                device.suffer()
                assert device.send() is None
                if turn == "first":
                    shutil.rmtree(_kept(device), ignore_errors=True)
                    shutil.copytree(device.folder / "state/report.git", _kept(device))
            collect()

    def report(self, url: str, at_once: int) -> None:
        """All send what they recorded, as many side by side; the bad ones what they should not."""
        _all(at_once, self.devices.values(), lambda device: self._report(device, url))

    def _report(self, device: SimulatedDevice, url: str) -> None:
        if device.name in self.wrongs:
            self._misbehave(device, url)
            return
        for _ in range(100):  # a pass of the agent each
            if device.send() is None:
                return
        raise AssertionError(f"{device.name} was never heard")

    def _misbehave(self, device: SimulatedDevice, url: str) -> None:
        remote = Remote.parse(url, device.folder / "token")
        ref, own = f"{REPORT_REFS}/{device.name}", OwnRef(device.folder / "wrong.git", remote)
        author = Author(device.name, f"{device.name}@devices.invalid", int(time.time()))
        path, key = report_path(device.name), load_signer(device.folder / "identity")
        match self.wrongs[device.name]:
            case "forged":
                own.put(ref, {path: device.report}, "forged", author, _signed_by(self._thief))
            case "oversized":
                own.put(ref, {path: device.report + b" " * MAX_REPORT_BYTES}, "oversized", author, _signed_by(key))
            case "misplaced":
                other = self.devices[self.good[0]]
                key = load_signer(other.folder / "identity")
                own.put(ref, {report_path(other.name): other.report}, "misplaced", author, _signed_by(key))
            case "replayed":
                git = Git(_kept(device), remote.options())
                commits = git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
                first = next(line.split()[0] for line in commits.decode().splitlines() if line.endswith(" commit"))
                git.run("push", "--quiet", "--force", url, f"{first}:{ref}")

    def _of(self, kind: str) -> list[SimulatedDevice]:
        return [self.devices[name] for name, its in self.wrongs.items() if its == kind]

    def _files(self) -> dict[str, bytes]:
        """A base layer and ten sites, which differ by a variable and a patch; folders by two digits."""
        patch = "{op: add, path: /environment/PLANT, value: p%d}"
        site = "  selector: {{matchLabels: {{site: s{0}}}}}\n  variables: {{SITE: s{0}}}\n  patches:\n"
        files = {
            "fleet.yaml": _HEAD.format("Fleet", "herd") + "  tiers: [base, site]\n",
            "apps/shop/compose.yaml": _COMPOSE,
            "layers/base/all.yaml": _HEAD.format("Layer", "all") + "  apps: [shop]\n",
        }
        for number in range(10):
            patches = f"    - {{target: {{app: shop, service: web}}, patch: [{patch % number}]}}\n"
            files[f"layers/site/s{number}.yaml"] = _HEAD.format("Layer", f"s{number}") + site.format(number) + patches
        for number, (name, device) in enumerate(self.devices.items()):
            head = _HEAD.format("Device", f"{name}, labels: {{site: s{number % 10}}}")
            spec = f"  identity: {device.identity.line}\n  variables: {{LINE: '{number}'}}\n"
            files[f"devices/{number % 100:02}/{name}.yaml"] = head + spec
        return {path: text.encode() for path, text in files.items()}


def _all(at_once: int, devices: Iterable[SimulatedDevice], act: Callable[[SimulatedDevice], Value]) -> list[Value]:
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(act, devices))


def _kept(device: SimulatedDevice) -> Path:
    return device.folder / "kept.git"


def _signed_by(key: Signer) -> Callable[[bytes], bytes]:
    return lambda raw: sign_commit(raw, key)


def _run(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)
