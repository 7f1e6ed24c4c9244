"""A container in memory, and what it does when it is started, stopped and looked at."""

from dataclasses import dataclass, field, fields, replace
from typing import NoReturn

from reconciler.agent.engine.health import Look
from reconciler.errors import EngineError
from reconciler.model import Container, Limits, Service
from reconciler.planning import kept_limits

# Nobody's clock goes here: all that was started, was started then.
STARTED = "2026-01-01T00:00:00Z"


@dataclass
class Box:
    """A container. `networks` maps names to ids, which a start finds out for good; `device` is empty for others'."""

    id: str
    name: str
    device: str = ""
    app: str = ""
    service: Service = field(default_factory=lambda: Service("", "", ""))
    fingerprint: str = ""
    image_id: str = ""
    state: str = "created"
    health: str = ""
    exit_code: int = 0
    networks: dict[str, str] = field(default_factory=dict)
    joined: frozenset[str] = frozenset()
    # What `docker update` changes.
    limits: Limits = field(default_factory=Limits)
    restart: str = "no"
    restart_attempts: int = 0
    started_at: str = ""
    restarts: int = 0
    out_of_memory: bool = False
    # Cannot work with what it was told of last.
    is_broken: bool = False

    @property
    def is_up(self) -> bool:
        return self.state in ("running", "paused", "restarting")

    @property
    def ports(self) -> set[tuple[str, str, str]]:
        return {(p.host_ip, p.published, p.protocol) for p in self.service.ports if p.published not in ("", "-")}

    def run(self, behaviour: str) -> None:
        """Run as such an image does: `job` and `exits` have no health check and end at once, the rest is starting."""
        self.state, self.health, self.exit_code = "running", "starting", 0
        self.started_at, self.restarts, self.out_of_memory = STARTED, 0, False
        if behaviour in ("job", "exits"):
            self.end(3 if behaviour == "exits" else 0)
            policy = self.restart
            if policy in ("always", "unless-stopped") or (policy == "on-failure" and self.exit_code):
                self.state, self.restarts = "restarting", 1

    def obey(self, service: Service, unlimited: frozenset[str] = frozenset()) -> None:
        """Take over its limits and restart policy, as a kernel does that cannot keep to some. 0 changes nothing."""
        asked = kept_limits(service.limits)
        given = {f.name: getattr(asked, f.name) for f in fields(asked) if f.name not in unlimited}
        set_ = {name: value for name, value in given.items() if value or name == "pids"}
        self.limits = replace(self.limits, **set_)
        self.restart, self.restart_attempts = service.restart, service.restart_attempts

    def end(self, exit_code: int) -> None:
        self.state, self.health, self.exit_code = "exited", "", exit_code

    def grow(self, behaviour: str) -> None:
        """Let so much time pass that the health check has its result."""
        if self.state == "running" and self.health:
            self.health = "unhealthy" if behaviour == "unhealthy" or self.is_broken else "healthy"

    def look(self) -> Look:
        return Look(self.state, self.health, self.exit_code, running_for=float("inf"), out_of_memory=self.out_of_memory)

    def shown(self, image: str) -> Container:
        """As the Engine lists it; `image` is its reference, or its id when that means another image by now."""
        return Container(
            self.id,
            self.name,
            self.app,
            self.service.name,
            self.fingerprint,
            image,
            self.image_id,
            self.state,
            self.health if self.state == "running" else "",
            self.exit_code if self.state == "exited" else None,
            frozenset(self.networks),
            limits=self.limits,
            restart=self.restart,
            restart_attempts=self.restart_attempts,
            files=frozenset(m.source for m in self.service.mounts if m.kind in ("config", "secret") and not m.live),
            joined=self.joined,
            started_at=self.started_at,
            restarts=self.restarts,
            out_of_memory=self.out_of_memory,
        )


def refuse(why: str) -> NoReturn:
    """What the Engine says no to."""
    raise EngineError(why, where="fake")
