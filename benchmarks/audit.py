"""How long `fleet audit`, `history` and `status` need on a long history, out of a plain clone.

    python benchmarks/audit.py [--commits 1000] [--reports 10000] [--devices 100]

A fleet of signed commits, and a status branch of reports that each device has signed, in turns, with a new commit of
the fleet after every few. Half-way, every tenth device gets another key. Seconds of the whole command in a process of
its own, one after the other: on the wall, and of processor with all that it started.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.repository.commits import Author, commit_files
from reconciler.repository.git import Git
from signing import Signer, sign_commit

_START = 1_780_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        commits = build(clone, options.commits, options.reports, options.devices)
        middle = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(_START + options.reports // 2 * 60))}"
        for words in (
            ("status",),
            ("history", "press-0006"),
            ("history", "press-0007"),
            ("audit", "press-0007", "--at", middle),
            ("audit", "--commit", commits[len(commits) // 2]),
        ):
            command = [sys.executable, "-m", "reconciler.fleet", "-C", str(clone), *words, "--no-fetch"]
            began, before = time.monotonic(), _processor()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            took = f"{time.monotonic() - began:6.2f} s {_processor() - before:6.2f} s of processor"
            print(f"{took}  {len(done.stdout.splitlines()):5} lines  fleet {' '.join(words)}")


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def device_file(name: str, key: Signer) -> str:
    spec = f"spec: {{identity: {key.public.line}}}\n"
    return f"apiVersion: fleet/v1\nkind: Device\nmetadata: {{name: {name}}}\n{spec}"


def build(clone: Path, commits: int, reports: int, devices: int) -> list[str]:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(clone)], check=True)
    ann = Signer.generate()
    keys = {f"press-{number:04}": Signer.generate() for number in range(devices)}
    files = {
        "fleet.yaml": "apiVersion: fleet/v1\nkind: Fleet\nmetadata: {name: long}\nspec: {tiers: [base]}\n",
        "trust/allowed_signers": f'ann@acme.example namespaces="git" {ann.public.line}\n',
        **{f"devices/{name}.yaml": device_file(name, key) for name, key in keys.items()},
    }
    following = {name: Signer.generate() for number, name in enumerate(keys) if number % 10 == 7}
    changes = {0: files, commits // 2: {f"devices/{n}.yaml": device_file(n, key) for n, key in following.items()}}
    made: list[str] = []
    for number in range(commits):
        app = {"apps/web/compose.yaml": f"services: {{web: {{image: 'w:{number}'}}}}\n"}
        changed = {path: text.encode() for path, text in {**changes.get(number, {}), **app}.items()}
        made.append(commit(clone, "main", changed, f"Change {number}", _START + number, ann))
    subprocess.run(["git", "-C", str(clone), "reset", "--quiet", "--hard", _tips["main"]], check=True)
    names = list(keys)
    for number in range(reports):
        name = names[number % devices]
        at = min(number * commits // reports, commits - 1)
        content = json.dumps(report(name, made[at], number)).encode()
        path = {f"devices/{name}/status.json": content}
        key = following.get(name, keys[name]) if at >= commits // 2 else keys[name]
        commit(clone, "status", path, f"{name}: Healthy", _START + number * 60, key)
    subprocess.run(["git", "-C", str(clone), "update-ref", "refs/heads/status", _tips["status"]], check=True)
    # As a clone has them: objects in packs.
    subprocess.run(["git", "-C", str(clone), "repack", "-adq"], check=True)
    return made


_tips: dict[str, str] = {}


def commit(clone: Path, branch: str, files: dict[str, bytes], message: str, at: int, key: Signer) -> str:
    """A signed commit on top of a branch."""
    git, author = Git(clone / ".git", {"core.fsync": "none"}), Author("Ann", "ann@acme.example", at)
    made = commit_files(git, _tips.get(branch), files, message, author, lambda raw: sign_commit(raw, key))
    _tips[branch] = made
    return made


def report(name: str, commit: str, number: int) -> dict[str, object]:
    whole = f"main@sha1:{commit}"
    revisions = dict.fromkeys(("seen", "trusted", "attempted", "applied", "healthy"), whole)
    return {"device": name, "phase": "Healthy", "time": "2026-06-01T00:00:00Z", "revisions": revisions, "apps": [
        {"name": "web", "phase": "Healthy", "services": [{"name": "web", "image": f"w:{number}", "state": "running"}]}
    ]}  # fmt: skip


if __name__ == "__main__":
    main()
