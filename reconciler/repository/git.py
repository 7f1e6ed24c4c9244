"""One git call: an argument list, an environment made from nothing, a deadline, and an error that says what to do.

What is fetched is hostile until it was read (security model, 7.2): no hooks, no filters, no config of the repository's,
no protocol that was not allowed, no redirect, no replaced objects, no prompt.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import GitError

# A fetch over a bad link may take long; a git that says nothing for this long is stuck.
TIMEOUT_SECONDS = 300.0
_MAX_MESSAGE = 500
# How git ends when it cannot do something, and what it says when it was given too little for it, by our limits or by
# the machine. Other codes are of sh(1): there was no git, or it was ended.
_CANNOT, _NO_MEANS = (1, 128), (b"ut of memory", b"annot allocate memory", b"Resource temporarily unavailable")
# What git says of a disk that takes nothing.
_NO_DISK = ("No space left on device", "Read-only file system", "Disk quota exceeded", "Input/output error")
_MAX_COMPLAINT = 64 * 1024
_SSH_SAYS = re.compile("Host key verification failed|Permission denied \\(")
# An advertisement of refs that never ends would fill the memory; 100,000 refs need a tenth (setrlimit(2), DATA).
MAX_MEMORY = 384 * 1024 * 1024

_at_work: "set[subprocess.Popen[bytes]]" = set()

_OPTIONS = {
    "protocol.allow": "never",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.symlinks": "false",
    "core.commitGraph": "false",
    # What is bigger is never held in memory as a whole.
    "core.bigFileThreshold": "16m",
    # Reports are loose objects, which git leaves to the disk's good will by default: after a power cut they are empty.
    "core.fsync": "all",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "transfer.credentialsInUrl": "die",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    # Slower than 1,000 bytes a second for a minute is a tarpit, or a link on which nothing would ever arrive.
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "gpg.program": "/bin/false",
    "gpg.ssh.program": "/bin/false",
}
_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


# What differs each time that the same is wrong (curl_easy_strerror): a report that told it would have news each time.
_TOOK = re.compile(r" after [0-9]+ (ms|milliseconds)( with [0-9]+ (out of [0-9]+ )?bytes received)?")
# As in `12:30:01.123456 http.c:845  <= Recv header: ...`.
_TRACED = re.compile(r"\d\d:\d\d:\d\d\.\d{6} \S+:\d+ ")


class TooMuchTold(GitError):
    """git had more to say than anybody wants to hear."""


@dataclass(frozen=True, slots=True)
class Git:
    """git on one object store. `options` go by environment, so that no list of processes shows a password.

    No file that it writes may have more than `max_file` bytes, if that is given (setrlimit(2), RLIMIT_FSIZE).
    """

    git_dir: Path
    options: Mapping[str, str] = field(default_factory=dict)
    max_file: int | None = None
    # More of git's own environment, such as what it shall tell.
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: bytes = b"", timeout: float = TIMEOUT_SECONDS) -> bytes:
        """What git printed. Raises GitError with git's own words."""
        code, out, err = self.attempt(*arguments, stdin=stdin, timeout=timeout)
        if code != 0:
            raise GitError(f"git {arguments[0]} failed: {complaint(err)}", where=str(self.git_dir))
        return out

    def run_limited(self, *arguments: str, most: int, timeout: float = TIMEOUT_SECONDS) -> bytes:
        """As `run`, of what a hostile repository makes endless: git is ended behind `most` bytes.

        Raises TooMuchTold, GitError.
        """
        process = subprocess.Popen(
            self._command(arguments),
            env=self._environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = threading.Timer(timeout, process.kill)
        deadline.start()
        with process, _noted(process):
            out = process.stdout.read(most + 1) if process.stdout else b""
            if len(out) > most:
                process.kill()
            process.wait()
            deadline.cancel()
        if len(out) > most:
            raise TooMuchTold(f"git {arguments[0]} tells over {most} bytes", where=str(self.git_dir))
        if process.returncode != 0:
            raise GitError(f"git {arguments[0]} failed", where=str(self.git_dir), advice="fetch again")
        return out

    def attempt(
        self, *arguments: str, stdin: bytes = b"", timeout: float = TIMEOUT_SECONDS
    ) -> tuple[int, bytes, bytes]:
        """Exit code, output and error output. Raises GitError when git is missing or does not end in time."""
        return _call(self._command(arguments), self._environment(), stdin, timeout)

    def fails(self, *arguments: str) -> bool:
        """Does git say that it cannot do it? Where it had no time, no memory or was ended, it has said nothing."""
        command, environment = self._command(arguments), self._environment()
        try:
            code, _, err = _call(command, environment, b"", TIMEOUT_SECONDS, subprocess.DEVNULL)
        except GitError:
            return False
        return code in _CANNOT and not any(word in err for word in _NO_MEANS)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        always = ("--no-pager", "--no-replace-objects", "--literal-pathspecs", f"--git-dir={self.git_dir}")
        return [*self._limit(), "git", *always, *arguments]

    def _limit(self) -> list[str]:
        """The shell sets the limits before git begins; their units are KiB and 512 bytes (ulimit of POSIX and dash)."""
        limits = f"ulimit -d {MAX_MEMORY // 1024}"
        if self.max_file is not None:
            limits += f" && ulimit -f {self.max_file // 512}"
        return ["/bin/sh", "-c", f'{limits} && exec "$@"', "sh"]

    def _environment(self) -> dict[str, str]:
        options = {**_OPTIONS, **self.options}
        numbered = [
            pair
            for n, (key, value) in enumerate(options.items())
            for pair in ((f"GIT_CONFIG_KEY_{n}", key), (f"GIT_CONFIG_VALUE_{n}", value))
        ]
        path = {"PATH": os.defpath if shutil.which("git", path=os.defpath) else os.environ.get("PATH", os.defpath)}
        return {**_ENVIRONMENT, **self.variables, **path, "GIT_CONFIG_COUNT": str(len(options)), **dict(numbered)}


def is_of_disk(said: str) -> bool:
    """Does git complain of a disk that takes nothing? Of this one, and not of the server's, which tells by `remote`."""
    return not said.startswith("remote") and any(word in said for word in _NO_DISK)


def went_elsewhere(told: str, ref: str) -> str:
    """Which other ref a push changed, by what `git push --porcelain` told; empty, when it was this one.

    git looks the target up by the rules of gitrevisions(7): where somebody made `refs/heads/refs/reports/x`, that is
    what `COMMIT:refs/reports/x` may change.
    """
    pushed = [line.split("\t")[1].partition(":")[2] for line in told.splitlines() if line.count("\t") == 2]
    return next((repr(name)[1:-1] for name in pushed if name != ref), "")


def complaint(err: bytes) -> str:
    """The line in which git says why, without control characters; never one of what it was asked to trace."""
    said = (line.replace("\t", " ").strip() for line in err.decode("utf-8", "replace").splitlines())
    lines = [line for line in said if line and not _TRACED.match(line)]
    # Over SSH git only says that it could not read; ssh says why.
    of_ssh = [line for line in lines if _SSH_SAYS.search(line)]
    of_git = [line for line in lines if line.startswith(("fatal:", "error:", "!"))]
    told = _TOOK.sub("", next(iter([*of_ssh, *of_git, *lines[-1:]]), "no reason"))
    return (
        "".join(c if c.isprintable() else "?" for c in told)[:_MAX_MESSAGE]
        .removeprefix("fatal: ")
        .removeprefix("error: ")
    )


def end_all() -> None:
    """End each git that is at work for this process, which is about to end.

    It has a session of its own, and would go on in a store that is another one's by then.
    """
    for process in tuple(_at_work):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _noted(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    _at_work.add(process)
    try:
        yield
    finally:
        _at_work.discard(process)


def _call(
    command: Sequence[str], environment: dict[str, str], stdin: bytes, timeout: float, stdout: int = subprocess.PIPE
) -> tuple[int, bytes, bytes]:
    reading, writing = os.pipe()
    told = _Tail(reading)
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=writing,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitError("the program git is not installed", advice="install it: apt-get install git") from error
    except OSError as error:
        # Too much for a command line, or no process to be had.
        raise GitError(f"git cannot be started: {error.strerror}") from error
    finally:
        os.close(writing)
        told.start()
    try:
        with _noted(process):
            out, _ = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        # git's helpers share its session, and would hold the pipes.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise GitError(f"git did not end in {timeout:g} s", advice="it is tried again") from error
    finally:
        told.join()
    return process.returncode, out or b"", told.kept


class _Tail(threading.Thread):
    """Reads what git complains of to its end, and keeps the last of it: a server may talk as long as it likes."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor, self.kept = descriptor, b""

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb", buffering=0) as stream:
            while part := stream.read(_MAX_COMPLAINT):
                self.kept = (self.kept + part)[-_MAX_COMPLAINT:]
