"""The seam, in Docker: the only room that knows the SDK. Answers of the Engine become values here, or errors."""

from reconciler.agent.docker_engine.client import Client
from reconciler.agent.docker_engine.engine import DockerEngine
from reconciler.agent.docker_engine.logs import Excerpt, Line, containers_of, read_logs

__all__ = ["Client", "DockerEngine", "Excerpt", "Line", "containers_of", "read_logs"]
