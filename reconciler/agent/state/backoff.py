"""How long to wait before trying again, and before asking again: never all devices of a fleet in one second."""

import hashlib

# Longer and longer, as design 6 says: a server that comes back is not run over, and nobody waits for longer than this.
RETRY_SECONDS, RETRY_FACTOR, RETRY_MOST_SECONDS = 30.0, 1.5, 300.0
JITTER = 0.1


def backoff(tries: int) -> float:
    """Seconds until the next try, after so many that failed."""
    return min(RETRY_SECONDS * RETRY_FACTOR ** (tries - 1), RETRY_MOST_SECONDS)


def jittered(seconds: float, name: str) -> float:
    """The same or up to a tenth less: a limit stays one. Decided by the name, so that tests can repeat it."""
    fraction = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return seconds * (1 - JITTER * fraction)
