"""What a hostile Git server costs a device: seconds, memory and disk, until it has refused.

    python benchmarks/hostile.py

Each row is one pass of a new device in a process of its own, over HTTP, by the code of the agent: fetch, read the tree.
Memory is the most that this process or a git under it had resident, disk what its folder holds afterwards.
"""

import http.server
import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab.git_server import GitServer
from reconciler.errors import ReconcilerError
from reconciler.repository import Mirror, Remote
from reconciler.repository import git as door
from reconciler.repository.git import Git

_WHO = "Mallory <mallory@acme.example> 1780000000 +0000"


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(one_pass(Path(sys.argv[1]), sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        server = GitServer(Path(folder) / "server")
        server.start()
        try:
            print(f"{'server':<34} {'s':>7} {'MiB':>6} {'MB disk':>8}  refused by")
            for name, build in SERVERS.items():
                repository = name.replace(" ", "-").replace(",", "")
                server.create(repository)
                build(Git(server.path(repository)))
                row(name, Path(folder) / repository, server.url(repository))
            for name, serve in STRANGE.items():
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    port = free.getsockname()[1]
                threading.Thread(target=serve, args=(port,), daemon=True).start()
                row(name, Path(folder) / name.replace(" ", "-"), f"http://127.0.0.1:{port}/fleet.git")
        finally:
            server.stop()


def row(name: str, folder: Path, url: str) -> None:
    folder.mkdir(parents=True)
    command = [sys.executable, __file__, str(folder), url]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    print(f"{name:<34} {told['seconds']:>7.2f} {told['mib']:>6.0f} {disk:>8.1f}  {told['code']}", flush=True)


def one_pass(folder: Path, url: str) -> dict[str, object]:
    # A tarpit is given up after a minute; a tenth of that tells the same.
    door._OPTIONS["http.lowSpeedTime"] = "6"
    mirror = Mirror(folder / "repository.git", Remote.parse(url), "main")
    began, code = time.monotonic(), "nothing: it is read"
    try:
        tip = mirror.fetch()
        mirror.files(tip.commit, "press-1")
    except ReconcilerError as error:
        code = error.what[:60]
    # VmHWM: getrusage of a process begins with what its parent had.
    own = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    used = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return {"seconds": time.monotonic() - began, "mib": used / 1024, "code": code}


# What lies on the server


def commit(git: Git, tree: str) -> str:
    raw = f"tree {tree}\nauthor {_WHO}\ncommitter {_WHO}\n\nx\n".encode()
    made = git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).decode().strip()
    git.run("update-ref", "refs/heads/main", made)
    return made


def tree(git: Git, *entries: str) -> str:
    return git.run("mktree", "--missing", stdin="".join(f"{one}\n" for one in entries).encode()).decode().strip()


def blob(git: Git, content: bytes) -> str:
    return git.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()


def good(git: Git) -> None:
    commit(git, tree(git, f"100644 blob {blob(git, b'x')}\tfleet.yaml"))


def bomb(git: Git) -> None:
    """Ten folders in ten folders, ten levels deep: 10^10 files in a pack of 2 KB."""
    below = tree(git, *(f"100644 blob {blob(git, b'x')}\tf{n}" for n in range(10)))
    for _ in range(9):
        below = tree(git, *(f"040000 tree {below}\td{n}" for n in range(10)))
    commit(git, below)


def zeros(git: Git) -> None:
    """2 GB of zeros, which compress to 2 MB."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(2 * 1024**3)
        made = git.run("hash-object", "-w", "--no-filters", file.name, timeout=900).decode().strip()
    commit(git, tree(git, f"100644 blob {made}\tfleet.yaml"))


def random_bytes(git: Git) -> None:
    """600 MB that do not compress."""
    with Path("/dev/urandom").open("rb") as source, tempfile.NamedTemporaryFile() as file:
        for _ in range(600):
            file.write(source.read(1_000_000))
        file.flush()
        made = git.run("hash-object", "-w", "--no-filters", file.name, timeout=900).decode().strip()
    commit(git, tree(git, f"100644 blob {made}\tfleet.yaml"))


def refs(git: Git) -> None:
    good(git)
    tip = git.run("rev-parse", "refs/heads/main").decode().strip()
    lines = "".join(f"create refs/heads/b{n:06} {tip}\n" for n in range(100_000))
    git.run("update-ref", "--stdin", stdin=lines.encode(), timeout=600)
    git.run("pack-refs", "--all")


def replaced(git: Git) -> None:
    good(git)
    tip = git.run("rev-parse", "refs/heads/main").decode().strip()
    evil = commit(git, tree(git, f"120000 blob {blob(git, b'/etc/passwd')}\tfleet.yaml"))
    git.run("update-ref", "refs/heads/main", tip)
    git.run("update-ref", f"refs/replace/{tip}", evil)


def attributes(git: Git) -> None:
    lines = b"* export-ignore export-subst filter=evil eol=crlf ident\n"
    files = (f"100644 blob {blob(git, lines)}\t.gitattributes", f"100644 blob {blob(git, b'$Id$')}\tfleet.yaml")
    commit(git, tree(git, *files))


def submodule(git: Git) -> None:
    modules = blob(git, b'[submodule "x"]\n path = x\n url = ext::sh -c evil\n')
    commit(git, tree(git, f"100644 blob {modules}\t.gitmodules", f"160000 commit {'1' * 40}\tx"))


def link(git: Git) -> None:
    commit(git, tree(git, f"120000 blob {blob(git, b'/etc/passwd')}\tfleet.yaml"))


SERVERS: dict[str, Callable[[Git], None]] = {
    "a good one": good,
    "a tree of 10^10 files": bomb,
    "a file of 2 GB of zeros": zeros,
    "600 MB that do not compress": random_bytes,
    "100,000 branches": refs,
    "replaced objects": replaced,
    "attributes and filters": attributes,
    "a submodule": submodule,
    "a symbolic link": link,
}


# Servers that are none


class _Redirects(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.2:1/elsewhere.git/info/refs?service=git-upload-pack")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def redirects(port: int) -> None:
    http.server.HTTPServer(("127.0.0.1", port), _Redirects).serve_forever()


def tarpit(port: int) -> None:
    """One byte a second, for ever."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        connection, _ = listening.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n")
        try:
            while True:
                connection.sendall(b"0")
                time.sleep(1)
        except OSError:
            return


def endless(port: int) -> None:
    """An advertisement that never ends, as fast as it can be sent."""
    line = b"003d" + b"1" * 40 + b" refs/heads/abcdefgh\n"
    with socket.create_server(("127.0.0.1", port)) as listening:
        connection, _ = listening.accept()
        connection.recv(65536)
        kind = b"application/x-git-upload-pack-advertisement"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n001e# service=git-upload-pack\n0000")
        try:
            while True:
                connection.sendall(line * 1000)
        except OSError:
            return


STRANGE: dict[str, Callable[[int], None]] = {
    "a redirect to another host": redirects,
    "one byte a second": tarpit,
    "an advertisement without an end": endless,
}

if __name__ == "__main__":
    main()
