"""How fast a chain of signed commits is verified, beside `git verify-commit`, in one run.

    python benchmarks/verify.py [--commits 1000] [--rounds 3]

Every commit is signed with ed25519 and follows the one before. Ours is what a device does end to end: the ids of the
chain, the raw objects by one `git cat-file --batch`, every id hashed again, every signature and every rule. Git's is
one process with all ids as arguments, which is its fastest way, with `gpg.format=ssh`; it checks the signatures alone.
Both are told in wall seconds, medians over the rounds, taken in turns.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.repository import Mirror, Remote
from signing import AllowedSigners, OneIsEnough, Signer, admit_chain, sign_commit

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", f"--git-dir={folder}", *arguments], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def history(folder: Path, signer: Signer, count: int) -> list[str]:
    """A bare repository with a chain of so many commits on `main`; their ids, oldest first."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    git(folder, "hash-object", "-t", "tree", "-w", "--stdin")
    start = int(time.time()) - count
    ids: list[str] = []
    for number in range(count):
        parent = f"parent {ids[-1]}\n" if ids else ""
        who = f"Ann <ann@acme.example> {start + number} +0000"
        payload = f"tree {EMPTY_TREE}\n{parent}author {who}\ncommitter {who}\n\nChange {number}\n".encode()
        ids.append(git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=sign_commit(payload, signer)))
    git(folder, "update-ref", "refs/reconciler/main", ids[-1])
    return ids


def ours(mirror: Mirror, signers: AllowedSigners, tip: str, count: int) -> float:
    """Seconds to follow the whole chain."""
    start = time.perf_counter()
    admitted = admit_chain(mirror.chain(tip, None), OneIsEnough(signers), None, datetime.now(UTC), mirror)
    took = time.perf_counter() - start
    if len(admitted) != count:
        raise ValueError(f"{len(admitted)} of {count} commits were admitted")
    return took


def theirs(folder: Path, signers: Path, ids: Sequence[str]) -> float:
    """Seconds that `git verify-commit` takes for all of them; it fails if one is not good."""
    start = time.perf_counter()
    git(folder, "-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", *ids)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    signer = Signer.generate()
    line = f'ann@acme.example namespaces="git" {signer.public.line}\n'
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name) / "fleet.git", Path(name) / "allowed_signers"
        file.write_text(line)
        ids = history(folder, signer, options.commits)
        mirror = Mirror(folder, Remote.parse("https://git.invalid/fleet.git"), "main")
        signers = AllowedSigners.parse(line.encode(), "allowed_signers")
        times: dict[str, list[float]] = {"reconciler": [], "git verify-commit": []}
        for _ in range(options.rounds):
            times["reconciler"].append(ours(mirror, signers, ids[-1], options.commits))
            times["git verify-commit"].append(theirs(folder, file, ids))
    told = {name: statistics.median(took) for name, took in times.items()}
    print(f"| {options.commits} commits | seconds, median | ms a commit |\n|---|---|---|")
    for name, took in told.items():
        print(f"| {name} | {took:.2f} | {1000 * took / options.commits:.2f} |")
    print(f"\n{told['git verify-commit'] / told['reconciler']:.0f} times as fast")


if __name__ == "__main__":
    main()
