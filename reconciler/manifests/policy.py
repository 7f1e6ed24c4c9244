"""`trust/policy.yaml`: who may say what, as people write it. What devices obey is made of it, and signed."""

from collections.abc import Mapping

from reconciler.admission import CAPABILITIES, EVERYTHING, is_grant
from reconciler.errors import ManifestError
from reconciler.manifests.kinds import APP_NAME, NAME, SERVICE_NAME, document
from reconciler.manifests.shape import Field, Fields, ListOf, MapOf, Text, Truth, Whole, check
from reconciler.model.tree import Tree
from reconciler.reading import Node, Problems, parse, scalar_text, seconds

POLICY_FILE = "trust/policy.yaml"
_ROLES_ALWAYS = ("root", "release")

_DURATION = Text(r"([0-9]{1,6}[hms])+", noun="duration", advice="write a duration such as `30m` or `1h30m`")
_REPOSITORY = Text(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", noun="mark of a repository", advice="write what `uuidgen` prints"
)
_GLOB = Text(
    r"[A-Za-z_.*][A-Za-z0-9_.@+=,*-]*(/[A-Za-z0-9_.@+=,*-]+)*",
    noun="pattern of paths",
    advice="write one such as `devices/plant-7/**`",
)
_DEVICES = Text(r"[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?", noun="pattern of names", advice="write one such as `press-*`")
_CAPABILITY = Text(
    r"[a-z-]+(:[ -~]{1,300})?",
    noun="capability",
    advice="write one of docs/concepts/admission.md, such as `privileged`",
)
_FINGERPRINT = Text(
    r"SHA256:[A-Za-z0-9+/]{43}", noun="fingerprint", advice="write what `ssh-keygen -l` shows: `SHA256:` and 43 letters"
)
_REPOSITORIES = Text(
    r"[a-z0-9*][a-z0-9._:*/-]*",
    noun="pattern of repositories",
    advice="write a whole name such as `registry.acme.example/vision/*`",
)
_PEM = Text(
    r"-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?",
    noun="public key",
    advice="write what `cosign.pub` holds, as a block (`|`)",
    is_hidden=True,
)
_PRINCIPAL = Text(r"[A-Za-z_][^\s,*?!]*", noun="principal", advice="write one as it stands in allowed_signers")

_ROLE = Fields(
    "a role",
    {
        "principals": Field(ListOf(_PRINCIPAL, least=1, unique=True), "Who has the role.", "list at least one"),
        "threshold": Field(Whole(1, 100), "How many of them must sign.", "write how many must sign"),
    },
)
_GRANT = Fields(
    "a grant",
    {
        "capability": Field(
            _CAPABILITY, "What may be used, in the words of admission.", "write one such as `privileged`"
        ),
        "roles": Field(
            ListOf(NAME, least=1, unique=True), "Who must sign a release that makes use of it.", "list them"
        ),
        "devices": Field(ListOf(_DEVICES, least=1), "On which devices, by name; `*` stands for any part of one."),
        "apps": Field(ListOf(APP_NAME, least=1), "By which apps."),
        "services": Field(ListOf(SERVICE_NAME, least=1), "By which services of them."),
    },
)
_PATHS = Fields(
    "a path",
    {
        "match": Field(_GLOB, "The paths that this is about; the first that matches counts.", "write a pattern"),
        "roles": Field(ListOf(NAME, least=1, unique=True), "Who must sign a change of them.", "list at least one"),
    },
)
_SIGNED = Fields(
    "a rule of signatures",
    {
        "repositories": Field(
            ListOf(_REPOSITORIES, least=1), "Images of these; `*` stands for anything.", "list at least one"
        ),
        "keys": Field(ListOf(_PEM, least=1), "Public keys of cosign, in PEM.", "list at least one"),
        "threshold": Field(Whole(1, 100), "How many of them must have signed; default: 1."),
    },
    "images.signatures.",
)
_FRESHNESS = Fields(
    "`freshness`",
    {
        "maxAge": Field(_DURATION, "How long a note of the role `freshness` may count.", "write one such as `24h`"),
        "refuseNewWhenStale": Field(Truth(), "Whether new releases wait for a note that counts; default: false."),
    },
    "freshness.",
)
_POLICY = Fields(
    "`spec`",
    {
        "repository": Field(
            _REPOSITORY, "The fleet's own mark, for ever: signatures count nowhere else.", "write what `uuidgen` prints"
        ),
        "validDays": Field(Whole(1, 3650), "For how many days a version counts once it is proposed; default: 365."),
        "freshness": Field(_FRESHNESS, "How old the last word may be that a release is the newest."),
        "roles": Field(MapOf(_ROLE, NAME), "Who may sign, by the name of the role.", "write at least `root`"),
        "paths": Field(ListOf(_PATHS, least=1), "Who may change what; a path without a match is denied.", "list them"),
        "revoked": Field(ListOf(_FINGERPRINT, unique=True), "Keys that count no more."),
        "images": Field(
            Fields(
                "`images`",
                {
                    "requireDigest": Field(Truth(), "Refuse images that are named by a tag."),
                    "signatures": Field(ListOf(_SIGNED), "Whose images must be signed; the first that matches counts."),
                },
                "images.",
            ),
            "What images may be.",
        ),
        "admission": Field(
            Fields("`admission`", {"grants": Field(ListOf(_GRANT), "What is opened, and for whom.")}, "admission."),
            "What services may ask of a device.",
        ),
    },
)


POLICY = document("Policy", _POLICY, needed="write `repository`, `roles` and `paths`")


def read_policy(tree: Tree) -> Mapping[str, Node] | None:
    """The `spec` of the policy; None when the fleet has none. Raises ManifestError with every problem in it."""
    if POLICY_FILE not in tree:
        return None
    node = parse(tree[POLICY_FILE], POLICY_FILE)
    problems = Problems()
    check(POLICY, node, "", problems)
    if not problems:
        _rules(node.entries["spec"].entries, problems)
    problems.raise_if_any()
    return node.entries["spec"].entries


def check_policy(tree: Tree) -> Problems:
    """What is wrong in it."""
    problems = Problems()
    try:
        read_policy(tree)
    except ManifestError as error:
        problems.extend(error.problems)
    return problems


def max_age_seconds(freshness: Node) -> float:
    """How old a note may be."""
    return seconds(freshness.entries["maxAge"], "maxAge", Problems())


def _rules(spec: Mapping[str, Node], problems: Problems) -> None:
    roles = spec["roles"].entries
    for name, role in roles.items():
        count, threshold = len(role.entries["principals"].elements), role.entries["threshold"]
        if float(scalar_text(threshold)) > count:
            what = f"the threshold of `{name}` is more than its principals ({count})"
            problems.add(threshold.place, what, "nobody could reach it: lower it, or list more")
    missing = [name for name in (*_ROLES_ALWAYS, *(["freshness"] if "freshness" in spec else [])) if name not in roles]
    for name in missing:
        problems.add(spec["roles"].place, f"there is no role `{name}`", "write who has it, and how many must sign")
    grants = spec["admission"].entries.get("grants") if "admission" in spec else None
    for grant in grants.elements if grants else ():
        if not is_grant(scalar_text(grant.entries["capability"])):
            advice = f"known are {EVERYTHING}, {', '.join(CAPABILITIES)}, each perhaps with `:VALUE`"
            told = f"{scalar_text(grant.entries['capability'])!r} grants nothing"
            problems.add(grant.entries["capability"].place, told, advice)
    for path in (*spec["paths"].elements, *(grants.elements if grants else ())):
        for role in path.entries["roles"].elements:
            if scalar_text(role) not in roles:
                known = ", ".join(roles) or "none"
                problems.add(role.place, f"there is no role `{scalar_text(role)}`", f"roles are {known}")
