"""`python -m signing`: make keys, sign, verify, and say why not."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from signing.allowed_signers import AllowedSigners
from signing.commits import MAX_COMMIT, verify_commit
from signing.errors import SignatureError, UnableToCheck
from signing.keyfile import load_signer, write_file, write_new_key
from signing.keys import PublicKey
from signing.sshsig import verify_signature

_EXAMPLES = """\
examples:
  make a key pair (`alice` and `alice.pub`), then let that key sign commits and releases:
    python -m signing new alice --comment alice@example.com
    echo "alice@example.com $(python -m signing show alice)" >> allowed_signers

  sign a file, and check it as a device would:
    python -m signing sign -f alice -n file notes.txt
    python -m signing verify -s allowed_signers -n file notes.txt notes.txt.sig

  check the newest commit of a repository:
    git cat-file commit HEAD | python -m signing verify-commit -s allowed_signers

Signatures and keys are OpenSSH's: `ssh-keygen -Y sign`, `ssh-keygen -Y verify` and `git commit -S` work with them.

exit status: 0 good, 1 refused, 2 could not check, 64 wrong usage. Reasons begin with a code, such as SIGNER_UNKNOWN.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would exit with 2, which here means: could not check.
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "new":
                answer = _new(options.file, options.comment)
            case "show":
                answer = _show(options.file)
            case "sign":
                answer = _sign(options.key, options.namespace, options.file, options.force)
            case "verify":
                signature = options.signature or _beside(options.file)
                answer = _verify(options.signers, options.namespace, options.file, signature)
            case _:
                answer = _verify_commit(options.signers)
    except UnableToCheck as error:
        return _complain(error, 2)
    except SignatureError as error:
        return _complain(error, 1)
    print(answer)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m signing", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    new = commands.add_parser("new", help="make an ed25519 key pair; never overwrites one")
    new.add_argument("file", type=Path, metavar="FILE", help="the private key; the public one goes to FILE.pub")
    new.add_argument("--comment", default="", help="whose key it is, such as alice@example.com")

    show = commands.add_parser("show", help="print the public key of a private or public key file")
    show.add_argument("file", type=Path, metavar="FILE")

    sign = commands.add_parser("sign", help="write a detached signature to FILE.sig")
    sign.add_argument("-f", dest="key", type=Path, required=True, metavar="KEY", help="the private key")
    _add_namespace(sign)
    sign.add_argument("--force", action="store_true", help="replace FILE.sig if it is there")
    sign.add_argument("file", type=Path, metavar="FILE")

    verify = commands.add_parser("verify", help="check a detached signature, as of now")
    _add_signers(verify)
    _add_namespace(verify)
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("signature", type=Path, nargs="?", metavar="FILE.sig", help="default: FILE with .sig added")

    commit = commands.add_parser("verify-commit", help="check a raw commit from standard input")
    _add_signers(commit)
    return parser


def _add_namespace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", dest="namespace", required=True, metavar="NAMESPACE", help="what for, such as file")


def _add_signers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", dest="signers", type=Path, required=True, metavar="ALLOWED_SIGNERS", help="who may sign")


def _new(path: Path, comment: str) -> str:
    public = write_new_key(path, comment)
    return f"made {path} and {path}.pub, {public.fingerprint}"


def _show(path: Path) -> str:
    if _read(path).startswith(b"-----BEGIN "):
        return load_signer(path).public.line
    key = PublicKey.parse(_read(path).decode("utf-8", errors="replace"))
    return f"{key.line} {key.comment}".rstrip()


def _sign(key: Path, namespace: str, path: Path, force: bool) -> str:
    signer = load_signer(key)
    signature = _beside(path)
    write_file(signature, signer.sign(_read(path), namespace), mode=0o644, replace=force)
    return f"wrote {signature}, signed with {signer.public.fingerprint}"


def _verify(signers: Path, namespace: str, path: Path, signature: Path) -> str:
    allowed = AllowedSigners.parse(_read(signers), str(signers))
    key = verify_signature(_read(signature), _read(path), namespace)
    principal = allowed.principal_for(key, namespace, datetime.now(UTC))
    return f"good: {path} is signed by {principal} with {key.fingerprint}"


def _verify_commit(signers: Path) -> str:
    allowed = AllowedSigners.parse(_read(signers), str(signers))
    good = verify_commit(sys.stdin.buffer.read(MAX_COMMIT + 1), allowed)
    subject = "".join(letter if letter.isprintable() else "?" for letter in good.commit.subject)
    return f"good: signed by {good.principal} with {good.key.fingerprint}: {subject}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnableToCheck("FILE", f"cannot read `{path}`: {error.strerror}") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sig")


def _complain(error: SignatureError, status: int) -> int:
    print(f"python -m signing: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
