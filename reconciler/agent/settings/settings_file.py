"""The settings of an agent at work: those that it was started with, and whether there are newer ones."""

import logging
from collections.abc import Callable
from pathlib import Path

from reconciler.agent.settings.config import parse_config, read_settings
from reconciler.errors import ReconcilerError

log = logging.getLogger("reconciler")


class SettingsFile:
    """Read once. Raises ConfigError or PermissionDenied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = read_settings(path)
        self.config = parse_config(self.content, path)
        # What was looked at last, and is of no use.
        self._refused: bytes | None = None

    def has_newer(self, check: Callable[[bytes], object]) -> bool:
        """Does the file say something else now that can be used? What cannot be is told once, and changes nothing.

        `check` raises ReconcilerError for settings by which an agent could not start.
        """
        content = None
        try:
            content = read_settings(self.path)
            if content in (self.content, self._refused):
                return False
            parse_config(content, self.path)
            check(content)
        except ReconcilerError as error:
            if content is not None or self._refused is None:
                log.error("the settings that were read before hold: %s", error)
            self._refused = content or b""
            return False
        return True
