"""Secrets as they lie in Git: sealed for devices with age, or with SOPS. The one place that seals and unseals.

Signatures say who wrote a secret, seals who may read it: only what is trusted already is ever unsealed.
"""

from reconciler.sealing.age import Keys, seal, seals_for, unseal
from reconciler.sealing.sops import unseal_value

__all__ = ["Keys", "seal", "seals_for", "unseal", "unseal_value"]
