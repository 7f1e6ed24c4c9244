"""The private half of a key: make, load, sign, save."""

from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from signing.algorithms import CURVE_HASHES, RSA_HASHES
from signing.errors import SignatureError
from signing.keys import PublicKey
from signing.sshsig import armor, signed_bytes
from signing.wire import mpint_bytes, string

_Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
_RSA_ALGORITHM = "rsa-sha2-512"


class Signer:
    """A private key that can sign. It never prints itself."""

    __slots__ = ("_private", "public")

    def __init__(self, private: _Private) -> None:
        self._private = private
        line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self.public = PublicKey.parse(line.decode("ascii"))

    @classmethod
    def generate(cls) -> Self:
        """A new ed25519 key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, data: bytes, passphrase: bytes | None = None) -> Self:
        """Reads an OpenSSH private key file: ed25519, ECDSA or RSA.

        Raises SignatureError: KEY_PASSPHRASE when it is locked, KEY_PARSE, KEY_TYPE or KEY_RSA_SMALL when unusable.
        """
        try:
            private = load_ssh_private_key(data, passphrase)
        except TypeError as error:
            hint = "the key needs a passphrase" if passphrase is None else "the key has no passphrase; give none"
            raise SignatureError("KEY_PASSPHRASE", hint) from error
        except UnsupportedAlgorithm as error:
            # `cryptography` unlocks OpenSSH files only with the package `bcrypt` beside it.
            hint = "sign with `ssh-keygen -Y sign`" if passphrase is None else "install `bcrypt` to unlock it"
            raise SignatureError("KEY_TYPE", f"this private key cannot be used here; {hint}") from error
        except ValueError as error:
            wrong = "or the passphrase is wrong" if passphrase else "make one with `ssh-keygen -t ed25519`"
            raise SignatureError("KEY_PARSE", f"not an OpenSSH private key, {wrong}") from error
        if not isinstance(private, _Private):
            raise SignatureError("KEY_TYPE", "only ed25519, ECDSA and RSA keys can sign")
        return cls(private)

    def sign(self, message: bytes, namespace: str) -> bytes:
        """An armored SSHSIG that `ssh-keygen -Y verify -n NAMESPACE` accepts."""
        if not namespace:
            raise SignatureError("SIG_NAMESPACE", "a signature needs a namespace, such as `git` or `file`")
        signed = signed_bytes(message, namespace)
        algorithm, value = self._value(signed)
        return armor(self.public, namespace, string(algorithm.encode()) + string(value))

    def private_bytes(self) -> bytes:
        """The OpenSSH private key file, without a passphrase."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    def _value(self, signed: bytes) -> tuple[str, bytes]:
        match self._private:
            case Ed25519PrivateKey() as private:
                return self.public.type, private.sign(signed)
            case RSAPrivateKey() as private:
                return _RSA_ALGORITHM, private.sign(signed, PKCS1v15(), RSA_HASHES[_RSA_ALGORITHM])
            case EllipticCurvePrivateKey() as private:
                der = private.sign(signed, ECDSA(CURVE_HASHES[private.curve.key_size]))
                numbers = (string(mpint_bytes(number)) for number in decode_dss_signature(der))
                return self.public.type, b"".join(numbers)
