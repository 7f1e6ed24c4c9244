"""The seam, in Docker: the only room that knows the SDK. Answers of the Engine become values here, or errors."""

from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.engine import DockerEngine
from reconciler.agent.docker_engine.logs import Line, Wanted, containers_of, read_logs

__all__ = ["Client", "DockerEngine", "Line", "Wanted", "containers_of", "read_logs"]
