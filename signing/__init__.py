"""Who may speak: keys, signatures and trust, on raw bytes. Imports only the standard library and `cryptography`."""

from signing.allowed_signers import AllowedSigner, AllowedSigners, parse_revoked
from signing.chain import Admitted, admit_chain, follow_chain
from signing.commits import CommitSignature, SignedObject, Signs, sign_commit, split_commit, verify_commit
from signing.cosign import MAX_BUNDLE, MAX_PAYLOAD, Bundle, ImageKey, ImageSignature, SignedPayload
from signing.errors import ChainError, SignatureError, UnableToCheck
from signing.identity import identified
from signing.keyfile import load_signer, write_new_key
from signing.keys import PublicKey
from signing.merges import History
from signing.openpgp import ForgeKeys
from signing.rules import OneIsEnough, Rules
from signing.signer import Signer
from signing.sshsig import verify_signature
from signing.tags import TagSignature, verify_tag

__all__ = [
    "MAX_BUNDLE",
    "MAX_PAYLOAD",
    "Admitted",
    "AllowedSigner",
    "AllowedSigners",
    "Bundle",
    "ChainError",
    "CommitSignature",
    "ForgeKeys",
    "History",
    "ImageKey",
    "ImageSignature",
    "OneIsEnough",
    "PublicKey",
    "Rules",
    "SignatureError",
    "SignedObject",
    "SignedPayload",
    "Signer",
    "Signs",
    "TagSignature",
    "UnableToCheck",
    "admit_chain",
    "follow_chain",
    "identified",
    "load_signer",
    "parse_revoked",
    "sign_commit",
    "split_commit",
    "verify_commit",
    "verify_signature",
    "verify_tag",
    "write_new_key",
]
