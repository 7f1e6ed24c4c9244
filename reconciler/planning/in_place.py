"""What the Engine can change of a container that exists (POST /containers/{id}/update): limits and restart policy.

What it has now is read, not its fingerprint, which tells of the day on which it was created. That finds a `docker
update` by hand as well.
"""

from functools import lru_cache

from reconciler.model import Container, Limits, Service
from reconciler.planning.fingerprint import changed_fields, fingerprint

# Fields of a service that a container need not be made anew for, if `is_possible` says so.
IN_PLACE = frozenset({"limits", "restart", "restart_attempts"})
# As people write them (Compose Specification).
_WORDS = {
    "cpus": "cpus",
    "memory": "mem_limit",
    "memory_reservation": "mem_reservation",
    "pids": "pids_limit",
    "memory_swap": "memswap_limit",
    "cpu_shares": "cpu_shares",
    "cpu_quota": "cpu_quota",
    "cpu_period": "cpu_period",
    "cpuset": "cpuset",
}
# The Engine takes no other of them away from a container: 0 means "as it is".
_REMOVABLE = {"pids"}
_NANO = 1_000_000_000


@lru_cache(maxsize=1024)
def kept_limits(limits: Limits) -> Limits:
    """These limits as the Engine keeps them: 0 is none, and memory with swap is twice the memory unless it is said."""
    memory, pids = limits.memory or None, limits.pids or None
    return Limits(
        cpus=int(limits.cpus * _NANO) / _NANO if limits.cpus else None,
        memory=memory,
        memory_reservation=limits.memory_reservation or None,
        pids=pids if pids and pids > 0 else None,
        memory_swap=limits.memory_swap or (2 * memory if memory else None),
        memory_swappiness=limits.memory_swappiness,
        cpu_shares=limits.cpu_shares or None,
        cpu_quota=limits.cpu_quota or None,
        cpu_period=limits.cpu_period or None,
        cpuset=limits.cpuset,
    )


def differences(service: Service, container: Container, unlimited: frozenset[str]) -> dict[str, tuple[object, object]]:
    """What the container has and shall have, by field of Limits, and by `restart`. `unlimited`: see ObservedState."""
    if service.ignores("limits") and not IN_PLACE.intersection(_changed(service, container)):
        # The container was created with what is wanted: what differs was done by hand.
        return {}
    wanted, found = kept_limits(service.limits), container.limits
    differing: dict[str, tuple[object, object]] = {}
    if wanted != found:
        pairs = {name: (getattr(found, name), getattr(wanted, name)) for name in _WORDS if name not in unlimited}
        differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    policies = (
        _policy(container.restart, container.restart_attempts),
        _policy(service.restart, service.restart_attempts),
    )
    return {**differing, "restart": policies} if policies[0] != policies[1] else differing


def _changed(service: Service, container: Container) -> tuple[str, ...]:
    wanted = fingerprint(service)
    return changed_fields(container.fingerprint, wanted) if container.fingerprint != wanted else ()


def is_possible(service: Service, container: Container, unlimited: frozenset[str]) -> bool:
    """Can the Engine change all of it?"""
    found = differences(service, container, unlimited).items()
    return all(wanted or name in _REMOVABLE for name, (_, wanted) in found)


def told(differing: dict[str, tuple[object, object]]) -> str:
    """The differences in a line: `mem_limit 64m -> 128m, restart no -> always`."""
    # The one follows the other, unless it is said.
    shown = {name: pair for name, pair in differing.items() if name != "memory_swap" or "memory" not in differing}
    return ", ".join(
        f"{_WORDS.get(name, name)} {_value(name, before)} -> {_value(name, after)}"
        for name, (before, after) in shown.items()
    )


def _policy(name: str, attempts: int) -> str:
    return f"{name}:{attempts}" if attempts else name


def _value(name: str, value: object) -> str:
    if value in (None, ""):
        return "none"
    if isinstance(value, int) and name.startswith("memory"):
        for unit, size in (("g", 1024**3), ("m", 1024**2), ("k", 1024)):
            if value % size == 0:
                return f"{value // size}{unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)
