"""How fast reports get to where people read them: the branch that all push to beside a ref each with a collector.

    python benchmarks/status.py [--few 30] [--many 1000] [--forged 20] [--at-once 16]

A real Git server over HTTP on loopback, devices that commit, sign and push as the agent does (without its Engine), so
many of them at once, on the same cores. Of each way: wall seconds until the last report is on the status branch, and
reports a second; of the shared branch, how many pushes one report needed. In the same run, the few by both ways, in
turns; then the many by refs, some of them forged by another key: all others must be on the branch, and no forged one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.git_server import GitServer, git_server
from reconciler.errors import RemoteUnavailable
from reconciler.repository import Author, Remote, ReportRef, StatusBranch, write_files
from signing import Signer, sign_commit

_NOW = int(time.time())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=30)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--forged", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, git_server(Path(name) / "server") as server:
        for turn in range(2):
            shared(Fleet(server, Path(name) / f"shared{turn}", options.few), options.at_once)
            by_ref(Fleet(server, Path(name) / f"refs{turn}", options.few), options.at_once, 0)
        by_ref(Fleet(server, Path(name) / "many", options.many), options.at_once, options.forged)


class Fleet:
    """So many devices with a key each, on a server of their own, and a desk."""

    def __init__(self, server: GitServer, folder: Path, count: int) -> None:
        self.folder, self.desk = folder, folder / "desk"
        self.url = server.create(folder.name)
        self.keys = {f"press-{number:04}": Signer.generate() for number in range(count)}
        documents = {
            f"devices/{name}.yaml": "apiVersion: fleet/v1\nkind: Device\n"
            f"metadata: {{name: {name}}}\nspec: {{identity: {key.public.line}}}\n"
            for name, key in self.keys.items()
        }
        fleet = "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: many}\nspec: {tiers: [base]}\n"
        files = {path: text.encode() for path, text in {"fleet.yaml": fleet, **documents}.items()}
        self.desk.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        for key, value in (("user.name", "Collector"), ("user.email", "c@acme.example"), ("core.fsync", "none")):
            self.git("config", key, value)
        commit = write_files(self.desk / ".git", None, files, "The fleet", Author("Ann", "a@acme.example", _NOW))
        self.git("reset", "--quiet", "--hard", commit)
        self.git("remote", "add", "origin", self.url)
        self.git("push", "--quiet", "origin", "main")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.desk), *arguments], check=True, capture_output=True)

    def fleet(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "reconciler.fleet", "-C", str(self.desk), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def healthy(self) -> set[str]:
        found = json.loads(self.fleet("status", "-o", "json"))
        return {one["device"] for one in found if one["phase"] == "Healthy"}


def shared(fleet: Fleet, at_once: int) -> None:
    """All onto one branch, each as often as it needs."""
    tries: list[int] = []

    def report(name: str) -> None:
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            time.sleep(seconds)

        way = StatusBranch(fleet.folder / f"{name}.git", Remote.parse(fleet.url), "status", sleep)
        for _ in range(100):  # a pass of the agent each
            try:
                say(way.append, name, fleet.keys[name])
                break
            except RemoteUnavailable:
                continue
        tries.append(len(waits) + 1)

    took = all_at_once(fleet, at_once, report)
    must(fleet.healthy() == set(fleet.keys), "a report was lost")
    tell(f"{len(fleet.keys)} on one branch", took, len(fleet.keys), f"{sum(tries) / len(tries):.1f} pushes a report")


def by_ref(fleet: Fleet, at_once: int, forged: int) -> None:
    """Each onto its own ref, then one collector."""
    names, thief = sorted(fleet.keys), Signer.generate()
    forgers = set(names[:: max(1, len(names) // forged)][:forged]) if forged else set()

    def report(name: str) -> None:
        way = ReportRef(fleet.folder / f"{name}.git", Remote.parse(fleet.url), "status")
        say(way.append, name, thief if name in forgers else fleet.keys[name])

    took = all_at_once(fleet, at_once, report)
    began = time.monotonic()
    told = json.loads(fleet.fleet("collect", "-o", "json"))
    collected = time.monotonic() - began
    must(set(told["taken"]) == set(names) - forgers, "a report was lost")
    must(set(told["refused"]) == forgers, "a forged one was not refused")
    began = time.monotonic()
    must(fleet.healthy() == set(names) - forgers, "not what was collected is shown")
    seen = time.monotonic() - began
    more = f"collect {collected:.2f} s, status {seen:.2f} s; {len(told['taken'])} taken, {len(forgers)} forged"
    tell(f"{len(names)} by refs", took + collected, len(names), more)


def must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def say(append: Callable[..., str], name: str, key: Signer) -> None:
    content = {"device": name, "phase": "Healthy", "time": "2026-06-01T00:00:00Z", "sequence": 1, "apps": [
        {"name": "web", "phase": "Healthy", "services": [{"name": "web", "image": "w:1", "state": "running"}]}
    ]}  # fmt: skip
    author = Author(name, f"{name}@devices.invalid", _NOW)
    append(name, json.dumps(content).encode(), f"{name}: Healthy", author, lambda raw: sign_commit(raw, key))


def all_at_once(fleet: Fleet, at_once: int, report: Callable[[str], None]) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(report, fleet.keys))
    return time.monotonic() - began


def tell(what: str, seconds: float, count: int, more: str) -> None:
    print(f"{what:<22} {seconds:7.2f} s  {count / seconds:6.1f} reports/s  {more}", flush=True)


if __name__ == "__main__":
    main()
