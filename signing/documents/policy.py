"""The policy: who may say what. It moves from version to version only by quorums of both, the old and the new."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from signing.allowed_signers import AllowedSigners
from signing.cosign import ImageKey
from signing.documents.fields import NAME, REPOSITORY, SHA256, Fields, read_document
from signing.documents.paths import PATTERN, matches
from signing.documents.quorum import Role, Voice, Voices, check_quorum, has_quorum, voices_of
from signing.errors import SignatureError

NAMESPACE = "policy.v1@fleet"
ROOT, RELEASE, FRESHNESS = "root", "release", "freshness"
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_CAPABILITY = re.compile(r"[a-z-]+(:[ -~]{1,300})?")
# A note that counts for ten years would say nothing.
_LONGEST = 10 * 365 * 24 * 3600
_REPOSITORIES = re.compile(r"[a-z0-9*][a-z0-9._:*/-]{0,300}")
_PEM = re.compile(r"[ -~\n]{1,2000}")
_PATTERN_NAME = re.compile(r"[A-Za-z0-9*._-]{1,100}")


@dataclass(frozen=True, slots=True)
class PathRule:
    """Who must sign for paths that match: the quorum of each of these roles."""

    match: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the last word of the role `freshness` may be, in seconds, and whether new releases wait for a new one."""

    max_age: int
    refuses_new: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What services of apps on devices may use, when these roles have signed the release. Names may hold `*`."""

    capability: str
    roles: tuple[str, ...]
    devices: tuple[str, ...]
    apps: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageSigners:
    """Images of these repositories need so many signatures of cosign by these keys, PEM by fingerprint."""

    repositories: tuple[str, ...]
    keys: Mapping[str, str]
    threshold: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One version. `sha256` is that of its bytes, which name the keys by the digest of their file."""

    repository: str
    version: int
    issued: datetime
    expires: datetime
    signers: AllowedSigners
    roles: Mapping[str, Role]
    paths: tuple[PathRule, ...]
    revoked: frozenset[str]
    freshness: Freshness | None
    grants: tuple[Grant, ...]
    requires_digest: bool
    images: tuple[ImageSigners, ...]
    sha256: str

    @classmethod
    def parse(cls, raw: bytes, signers: bytes) -> Self:
        """Read a policy and the keys that belong to it. Raises SignatureError: DOC_*, POLICY_*, SIGNERS*."""
        fields = read_document(raw, "policy")
        if hashlib.sha256(signers).hexdigest() != fields.text("signers_sha256", SHA256):
            raise SignatureError("POLICY_SIGNERS", "allowed_signers is not the one that this policy names")
        policy = cls(
            repository=fields.text("repository", REPOSITORY),
            version=fields.number("version", least=1),
            issued=fields.moment("issued"),
            expires=fields.moment("expires"),
            signers=AllowedSigners.parse(signers, "allowed_signers"),
            roles=_roles(fields.inside("roles")),
            paths=tuple(_path(one) for one in fields.each("paths")),
            revoked=frozenset(fields.texts("revoked", _FINGERPRINT)) if fields.has("revoked") else frozenset(),
            freshness=_freshness(fields.inside("freshness")) if fields.has("freshness") else None,
            grants=tuple(_grant(one) for one in fields.each("grants")) if fields.has("grants") else (),
            requires_digest=fields.flag("require_digest") if fields.has("require_digest") else False,
            images=tuple(_signers(one) for one in fields.each("images")) if fields.has("images") else (),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        fields.finish()
        _check(policy)
        return policy

    def standing(self, voices: Iterable[Voice], namespace: str) -> Voices:
        """Those who would be heard today: by the same key, in this namespace, and not revoked."""
        keys = {
            (signer.principal, signer.key.fingerprint)
            for signer in self.signers.by_blob.values()
            if signer.namespaces is None or namespace in signer.namespaces
        }
        left = (voice for voice in voices if voice.fingerprint not in self.revoked)
        return Voices(tuple(voice for voice in left if (voice.principal, voice.fingerprint) in keys))

    def granted(self, device: str, voices: Voices) -> tuple[Grant, ...]:
        """What those who signed a release have granted on this device."""
        return tuple(
            grant
            for grant in self.grants
            if any(matches(pattern, device) for pattern in grant.devices)
            and all(has_quorum(voices, self.role(role)) for role in grant.roles)
        )

    def role(self, name: str) -> Role:
        return self.roles[name]

    def rule(self, path: str) -> PathRule:
        """The first rule that matches. Raises SignatureError PATH_NO_RULE: what nobody is named for, nobody may say."""
        for rule in self.paths:
            if matches(rule.match, path):
                return rule
        raise SignatureError("PATH_NO_RULE", f"no rule of the policy is for `{path}`; add one under `paths`")

    def check_in_force(self, now: datetime) -> None:
        """Raises SignatureError POLICY_EXPIRED."""
        if now > self.expires:
            told = f"policy {self.version} counted until {self.expires:%Y-%m-%dT%H:%MZ}; sign a new version of it"
            raise SignatureError("POLICY_EXPIRED", told)


def succeed(policy: Policy, raw: bytes, signers: bytes, signatures: Mapping[str, bytes]) -> Policy:
    """The version that follows this one. Raises SignatureError unless quorums of `root` of both have signed it.

    Keys are judged as of the day that it was issued, so that a device which slept for a year still finds its way; that
    it has expired since is for whoever obeys it to ask (TUF, section 5.3, does the same).
    """
    new = Policy.parse(raw, signers)
    if new.repository != policy.repository:
        raise SignatureError("REPO_ID", f"policy {new.version} is for the repository {new.repository}")
    if new.version != policy.version + 1:
        raise SignatureError("POLICY_VERSION", f"policy {new.version} cannot follow {policy.version}")
    if new.issued < policy.issued:
        raise SignatureError("BACKDATED", f"policy {new.version} was issued before the one that it follows")
    for judge in (policy, new):
        voices = voices_of(raw, signatures, NAMESPACE, judge.signers, policy.revoked | new.revoked, new.issued)
        told = f"policy {new.version}, by the rules of {judge.version}"
        check_quorum(voices, ROOT, judge.role(ROOT), told)
    return new


def _roles(fields: Fields) -> dict[str, Role]:
    found = {}
    for name in fields.names():
        if not NAME.fullmatch(name):
            raise SignatureError("DOC_FIELD", "the name of a role must be letters, digits, `.`, `_` and `-`")
        role = fields.inside(name)
        found[name] = Role(frozenset(role.texts("principals", NAME)), role.number("threshold", least=1))
        role.finish()
    return found


def _path(fields: Fields) -> PathRule:
    rule = PathRule(fields.text("match", PATTERN), fields.texts("roles", NAME))
    fields.finish()
    return rule


def _freshness(fields: Fields) -> Freshness:
    rule = Freshness(fields.number("max_age_seconds", least=60, most=_LONGEST), fields.flag("refuse_new_when_stale"))
    fields.finish()
    return rule


def _grant(fields: Fields) -> Grant:
    roles = fields.texts("roles", NAME)
    capability = fields.text("capability", _CAPABILITY)
    devices, apps, services = (fields.texts(key, _PATTERN_NAME) for key in ("devices", "apps", "services"))
    grant = Grant(capability, roles, devices, apps, services)
    fields.finish()
    return grant


def _signers(fields: Fields) -> ImageSigners:
    keys = {ImageKey.parse(pem).fingerprint: pem for pem in fields.texts("keys", _PEM)}
    rule = ImageSigners(fields.texts("repositories", _REPOSITORIES), keys, fields.number("threshold", least=1))
    fields.finish()
    if not rule.repositories or rule.threshold > len(keys):
        raise SignatureError("POLICY_ROLE", f"images need {rule.threshold} of {len(keys)} different keys")
    return rule


def _check(policy: Policy) -> None:
    """Raises SignatureError POLICY_ROLE for roles that could never speak."""
    needed = {ROOT, RELEASE} | ({FRESHNESS} if policy.freshness else set())
    rules = [rule.roles for rule in policy.paths] + [grant.roles for grant in policy.grants]
    named = {role for roles in rules for role in roles}
    if missing := (needed | named) - set(policy.roles):
        raise SignatureError("POLICY_ROLE", f"no role `{min(missing)}` under `roles`")
    if policy.expires <= policy.issued:
        raise SignatureError("POLICY_EXPIRED", "the policy expires before it is issued")
    if not all(rules):
        raise SignatureError("POLICY_ROLE", "a rule that names no role would need nobody")
    known = {signer.principal for signer in policy.signers.by_blob.values()}
    for name, role in policy.roles.items():
        if unknown := role.principals - known:
            raise SignatureError("POLICY_ROLE", f"{min(unknown)} of role `{name}` has no key in allowed_signers")
        if role.threshold > len(role.principals):
            raise SignatureError("POLICY_ROLE", f"role `{name}` needs {role.threshold} of {len(role.principals)}")
