"""The settings of an agent at work: those that it was started with, and whether there are newer ones."""

import logging
from pathlib import Path

from reconciler.agent.config import parse_config, read_settings
from reconciler.errors import ReconcilerError

log = logging.getLogger("reconciler")


class SettingsFile:
    """Read once. Raises ConfigError or PermissionDenied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = read_settings(path)
        self.config = parse_config(self.content, path)
        self._refused = ""

    def has_newer(self) -> bool:
        """Does the file say something else now that can be used? What cannot be is told once, and changes nothing."""
        try:
            content = read_settings(self.path)
            if content == self.content:
                return False
            parse_config(content, self.path)
        except ReconcilerError as error:
            if str(error) != self._refused:
                log.error("the settings that were read before hold: %s", error)
                self._refused = str(error)
            return False
        return True
