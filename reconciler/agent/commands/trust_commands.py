"""`reconciler trust`: what this device obeys and why, and the word by which somebody on it lets it trust anew."""

import argparse
import json

from reconciler.agent.orders.source import known_signers
from reconciler.agent.settings.config import Config
from reconciler.agent.settings.trust_settings import RELEASE, TAG, is_commit_id
from reconciler.agent.state.journal import Journal
from reconciler.agent.state.remembered import Trusted
from reconciler.errors import ConfigError, ReconcilerError, StateError
from reconciler.terminal import printable
from signing import AllowedSigner, AllowedSigners

RESET_BY = "reset on this device"


def show(config: Config, journal: Journal, options: argparse.Namespace) -> int:
    """Print the mode, what is trusted by whom, and the keys. Raises StateError when what was trusted is gone."""
    trusted = journal.trusted
    known = known_signers(config, journal)
    keys = sorted(known.by_blob.values(), key=lambda one: one.principal)
    if options.output == "json":
        print(json.dumps(_plain(config, trusted, keys), indent=2))
        return 0
    by = f"{trusted.principal} {trusted.fingerprint}".strip() if trusted else ""
    lines = [
        f"device     {config.device}",
        f"mode       {_mode(config)}",
        f"anchor     {config.trust.anchor or 'none'}",
        f"trusted    {_trusted(trusted)}",
        *([f"by         {printable(by)}"] if by else []),
        f"keys       {known.source}",
        *(f"  {key.principal:<30} {key.key.fingerprint} {_validity(key, known)}".rstrip() for key in keys),
    ]
    print("\n".join(lines))
    return 0


def reset(config: Config, journal: Journal, options: argparse.Namespace) -> int:
    """Forget what is trusted, or trust this commit from now on. Raises StateInUse while the agent is at work."""
    if options.to and config.trust.mode == RELEASE:
        raise ConfigError("`--to` is for commits, and this device obeys releases", advice="set `trust.anchor`")
    if options.to and not is_commit_id(options.to):
        raise ConfigError(f"`--to` {options.to!r} is no commit id", advice="write all of its digits")
    with journal.locked():
        try:
            before = journal.trusted
            told = f"commit {before.commit} by {before.principal}" if before else "nothing"
        except StateError as error:
            told = f"nothing that could be believed ({error.what})"
        start = f"the anchor {config.trust.anchor}" if config.trust.anchor else "the first commit"
        to = f"commit {options.to}" if options.to else start
        if not options.yes:
            advice = "check what you let it trust, and say `--yes`"
            what = f"nothing was changed: this device would trust {to} instead of {told}, and could go back by it"
            raise ReconcilerError(what, advice=advice)
        journal.forget_trusted()
        if options.to:
            journal.write_trusted(Trusted(options.to, RESET_BY, ""))
    print(f"trusted {printable(told)}; from now on it starts with {to}. Containers were not touched")
    return 0


def _mode(config: Config) -> str:
    trust = config.trust
    if trust.mode == TAG:
        return f"{TAG}, of {trust.tag_prefix}VERSION"
    if trust.mode == RELEASE:
        return f"{RELEASE}, of channel {trust.channel}"
    merges = "recompute" if trust.recomputes_merges else "signed"
    return f"{trust.mode}, policy: {trust.policy}, merges: {merges}"


def _trusted(trusted: Trusted | None) -> str:
    if trusted is None:
        return "nothing yet"
    return f"{trusted.commit} ({trusted.tag})" if trusted.tag else trusted.commit


def _validity(key: AllowedSigner, known: AllowedSigners) -> str:
    if key.key.fingerprint in known.revoked:
        return "revoked"
    since = f"from {key.valid_after:%Y-%m-%dT%H:%MZ}" if key.valid_after else ""
    until = f"until {key.valid_before:%Y-%m-%dT%H:%MZ}" if key.valid_before else ""
    return " ".join(word for word in (since, until) if word)


def _plain(config: Config, trusted: Trusted | None, keys: list[AllowedSigner]) -> dict[str, object]:
    return {
        "device": config.device,
        "mode": config.trust.mode,
        "policy": config.trust.policy,
        "merges": "recompute" if config.trust.recomputes_merges else "signed",
        "anchor": config.trust.anchor or None,
        "trusted": trusted
        and {
            "commit": trusted.commit,
            "tag": trusted.tag or None,
            "principal": trusted.principal,
            "fingerprint": trusted.fingerprint,
        },
        "keys": [{"principal": key.principal, "fingerprint": key.key.fingerprint} for key in keys],
    }
