"""How far a pull is, read from what the Engine tells of each layer. Pure; words that we do not know change nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_HERE = ("Already exists", "Download complete", "Verifying Checksum", "Extracting", "Pull complete")
_KNOWN = (*_HERE, "Pulling fs layer", "Waiting", "Downloading")


@dataclass(frozen=True, slots=True)
class Progress:
    """Layers and bytes that are here, of those that the registry announced so far. Bytes are those of the network."""

    layers_here: int = 0
    layers: int = 0
    bytes_here: int = 0
    bytes: int = 0

    @property
    def missing(self) -> int:
        """The bytes that are announced, and not here."""
        return max(0, self.bytes - self.bytes_here)

    @property
    def in_tenths(self) -> str:
        """Roughly, as the end of a sentence: nothing before the registry announced anything."""
        return f", {10 * (10 * self.bytes_here // self.bytes)} % of it is here" if self.bytes else ""

    def __str__(self) -> str:
        if not self.layers:
            return "asks the registry"
        return f"{self.layers_here} of {self.layers} layers, {_megabytes(self.bytes_here)} of {_megabytes(self.bytes)}"


# Hears each word of progress; what it raises ends the pull.
Tell = Callable[[Progress], None]


class Layers:
    """Adds up the lines of one pull (POST /images/create: `id`, `status`, `progressDetail`)."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, bool]] = {}

    def add(self, line: Mapping[str, Any]) -> None:
        layer, status, detail = line.get("id"), line.get("status"), line.get("progressDetail")
        if not isinstance(layer, str) or status not in _KNOWN:
            return
        here, total, is_here = self._seen.get(layer, (0, 0, False))
        if status == "Downloading" and isinstance(detail, Mapping):
            here, total = _count(detail.get("current"), here), _count(detail.get("total"), total)
        elif status in _HERE:
            # What is extracted counts other bytes: those of the disk.
            here, is_here = total, True
        self._seen[layer] = here, total, is_here

    @property
    def progress(self) -> Progress:
        seen = self._seen.values()
        return Progress(
            sum(is_here for _, _, is_here in seen), len(seen), sum(h for h, _, _ in seen), sum(t for _, t, _ in seen)
        )


def _count(told: object, otherwise: int) -> int:
    return told if isinstance(told, int) and told >= 0 else otherwise


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
