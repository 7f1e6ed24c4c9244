"""Why something was not accepted: a reason code and one line for people."""


class SignatureError(Exception):
    """Refused. `code` is stable and for machines, `message` is one line for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class UnableToCheck(SignatureError):
    """Nothing was judged, because what judging needs is missing or broken. Callers treat it as refused."""


def shown(untrusted: bytes | str) -> str:
    """Foreign text made safe for one line of a message: ASCII, escaped, short."""
    text = untrusted.decode("latin-1") if isinstance(untrusted, bytes) else untrusted
    return "`" + ascii(text[:60])[1:-1] + "`"


class ChainError(SignatureError):
    """Refused, and `commit` is the id of the commit that is to blame."""

    def __init__(self, code: str, message: str, commit: str) -> None:
        super().__init__(code, f"commit {commit[:12]}: {message}")
        self.commit = commit
