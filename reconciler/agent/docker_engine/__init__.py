"""The seam, in Docker: the only room that knows the SDK. Answers of the Engine become values here, or errors."""

from reconciler.agent.docker_engine.engine import DockerEngine

__all__ = ["DockerEngine"]
