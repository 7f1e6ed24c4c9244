"""python -m reconciler.agent.errands.errand: one piece of work for the agent that waits, done by a process that ends.

Verifying, rendering, signing and reading registries need libraries and memory that an agent which sits idle shall not
hold. What to do is its argument, so that all it needs is loaded while who asks may be busy still. The request is one
line of JSON on standard input: the settings, as the agent read them, and more. The answer is one line on standard
output (answer.py). When the input ends, so does the errand: whoever asked is gone.
"""

import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import reconciler
from reconciler.agent.errands.answer import Answer, encode, tell, tell_error
from reconciler.agent.host.log_lines import log_to_stderr
from reconciler.agent.settings.config import Config, parse_config
from reconciler.agent.settings.identity import Identity
from reconciler.agent.state.journal import Journal
from reconciler.errors import ReconcilerError, StateError
from reconciler.model import ConfigFile, Report
from reconciler.model.codec import from_json

Errand = Callable[[Config, Mapping[str, Any]], Answer]

_ABANDONED = 75


def main(do: str, asked: BinaryIO, answered: BinaryIO) -> int:
    """Do what is asked for; 0, also when the answer is an error."""
    log_to_stderr(logging.INFO)
    # Before it loads anything: Ctrl-C and a hangup are for who asked, and end this by the end of the input.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Where memory ends, it is this that goes, and not the agent.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    needs, errand = _ERRANDS[do]
    importlib.import_module(needs)
    if not (line := asked.readline()):
        return _ABANDONED
    request = json.loads(line)
    threading.Thread(target=_end_with, args=(asked,), name="lifeline", daemon=True).start()
    answered.write(encode(answer(errand, request)))
    answered.flush()
    return 0


def answer(errand: Errand, request: Mapping[str, Any]) -> Answer:
    """The answer to a request that was read."""
    try:
        if request["version"] != reconciler.__version__:
            told = f"the reconciler on the disk is {reconciler.__version__}, the one that runs is {request['version']}"
            raise StateError(told, advice="restart the service")
        config = parse_config(request["settings"].encode(), Path(request["path"]))
        return errand(config, request)
    except ReconcilerError as error:
        return Answer(error=tell_error(error))


# Each loads what it needs, and not what the others do: half of its time and memory.
# ruff: noqa: PLC0415


def _recall(config: Config, _: Mapping[str, Any]) -> Answer:
    from reconciler.agent.orders.build_orders import make_orders

    return Answer(tell(make_orders(config, Journal(config.state), Identity(config.identity)).recall()))


def _obtain(config: Config, request: Mapping[str, Any]) -> Answer:
    from reconciler.agent.orders.build_orders import make_orders

    orders = make_orders(config, Journal(config.state), Identity(config.identity))
    return Answer(tell(orders.obtain(is_fetched=bool(request["is_fetched"]))))


def _deliver(config: Config, request: Mapping[str, Any]) -> Answer:
    from reconciler.agent.errands.delivery import make_delivery

    report = from_json(Report, request["report"].encode())
    make_delivery(config, Identity(config.identity)).deliver(report, request["now"])
    return Answer()


def _unseal(config: Config, request: Mapping[str, Any]) -> Answer:
    from reconciler.agent.mounts.keyring import make_keyring

    file = from_json(ConfigFile, request["file"].encode())
    return Answer(unsealed=make_keyring(config).unseal(file))


_ERRANDS: dict[str, tuple[str, Errand]] = {
    "recall": ("reconciler.agent.orders.build_orders", _recall),
    "obtain": ("reconciler.agent.orders.build_orders", _obtain),
    "deliver": ("reconciler.agent.errands.delivery", _deliver),
    "unseal": ("reconciler.agent.mounts.keyring", _unseal),
}


def _end_with(asked: BinaryIO) -> None:
    # Not by the buffer, whose lock this thread would keep at the end of the program.
    while os.read(asked.fileno(), 4096):
        pass
    from reconciler.repository import end_all

    # Nobody waits for the answer any more, and the next agent may begin: what was half written is swept by it.
    end_all()
    os._exit(_ABANDONED)


if __name__ == "__main__":
    # At once: who asked waits for the end, and what Python would tidy ends with the process.
    os._exit(main(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer))
