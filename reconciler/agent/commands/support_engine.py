"""Of the support bundle: what the Engine has of this device, and what a pass would do with it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler.agent.docker_engine import Client
from reconciler.agent.docker_engine.inventory import MOST, inventory, names_of
from reconciler.agent.docker_engine.last_lines import last_lines
from reconciler.agent.docker_engine.logs import containers_of
from reconciler.agent.docker_engine.parts import file_folders
from reconciler.agent.docker_engine.registry import Registries
from reconciler.agent.host.device_root import check_root
from reconciler.agent.orders.build_orders import make_source
from reconciler.agent.orders.fetching import make_mirror
from reconciler.agent.orders.image_signatures import ImageSignatures
from reconciler.agent.orders.orders import DirectOrders
from reconciler.agent.passes.build import make_engine
from reconciler.agent.passes.preview import make_preview
from reconciler.agent.settings.config import Config
from reconciler.agent.state.journal import Journal
from reconciler.errors import ReconcilerError

# Somebody waits for it.
_PATIENCE_SECONDS = 15.0
_LOG_LINES, _LOG_BYTES = 100, 64 * 1024


def plan(config: Config) -> bytes:
    """What a pass would do now, by what was fetched last. Nothing is written, neither state nor key."""
    check_root(config.root, (config.state, config.secrets.folder))
    journal, mirror = Journal(config.state), make_mirror(config)
    # No registry is asked: only what is remembered of signatures counts.
    signatures = ImageSignatures(journal, Registries())
    orders = DirectOrders(config, make_source(config, mirror, journal), mirror, journal, signatures=signatures)
    known = orders.look(fetch=False)
    return f"{make_preview(config, known, make_engine(config), journal, datetime.now(UTC))}\n".encode()


def containers(config: Config) -> bytes:
    """Those of this device, by an allow-list."""
    return json.dumps(inventory(_client(config), config.device), indent=2).encode() + b"\n"


def names(config: Config, kind: str) -> bytes:
    """All `networks` or `volumes` of the Engine; behind one of ours, its device."""
    return "".join(f"{name}\n" for name in names_of(_client(config), kind)[: 5 * MOST]).encode()


def logs(config: Config) -> bytes:
    """The last lines of each container, without what it was given."""
    client = _client(config)
    return "".join(f"{line}\n" for line in _lines(client, config)).encode()


def _lines(client: Client, config: Config) -> Iterator[str]:
    folders = file_folders(config)
    for one in containers_of(client, config.device, "", "")[:MOST]:
        name = str(one["Names"][0]).removeprefix("/")
        try:
            for line in last_lines(client, one["Id"], folders, _LOG_LINES, _LOG_BYTES):
                yield f"{name} | {line}"
        except ReconcilerError as error:
            yield f"{name}: not found out: {error}"


def _client(config: Config) -> Client:
    return Client(config.engine, _PATIENCE_SECONDS)
