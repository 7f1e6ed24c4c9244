"""Signed documents: the policy, releases, and notes that a release is still the newest. Bytes in, verdicts out."""

from signing.documents.approval import NAMESPACE as APPROVAL_NAMESPACE
from signing.documents.approval import Approval
from signing.documents.branch import (
    APPROVAL_FILE,
    DEFAULT_BRANCH,
    FRESHNESS_FILE,
    LISTING_FILE,
    MAX_APPROVAL,
    POLICY_FILE,
    RELEASE_FILE,
    SIGNERS_FILE,
    Branch,
    PolicyFiles,
    approval_folder,
    freshness_folder,
    policy_folder,
    release_folder,
    signature_file,
)
from signing.documents.changes import Step, Steps
from signing.documents.fields import MAX_DOCUMENT, NAME, SHA256, moment_text, write_document
from signing.documents.follow import Contents, Followed, ReleaseJudge, anchored, follow_policies, taken
from signing.documents.freshness import NAMESPACE as FRESHNESS_NAMESPACE
from signing.documents.freshness import judge_freshness
from signing.documents.listing import MAX_LISTING, NOTHING, Entry, Listing
from signing.documents.policy import FRESHNESS, RELEASE, ROOT, Grant, ImageSigners, Policy, succeed
from signing.documents.policy import NAMESPACE as POLICY_NAMESPACE
from signing.documents.quorum import Pending, Voice, Voices, has_quorum, voices_of
from signing.documents.release import NAMESPACE as RELEASE_NAMESPACE
from signing.documents.release import (
    Accepted,
    Release,
    check_content,
    check_still_spoken,
)
from signing.documents.roles import POLICY_FOLDER, RolesAt, roles_for

__all__ = [
    "APPROVAL_FILE",
    "APPROVAL_NAMESPACE",
    "DEFAULT_BRANCH",
    "FRESHNESS",
    "FRESHNESS_FILE",
    "FRESHNESS_NAMESPACE",
    "LISTING_FILE",
    "MAX_APPROVAL",
    "MAX_DOCUMENT",
    "MAX_LISTING",
    "NAME",
    "NOTHING",
    "POLICY_FILE",
    "POLICY_FOLDER",
    "POLICY_NAMESPACE",
    "RELEASE",
    "RELEASE_FILE",
    "RELEASE_NAMESPACE",
    "ROOT",
    "SHA256",
    "SIGNERS_FILE",
    "Accepted",
    "Approval",
    "Branch",
    "Contents",
    "Entry",
    "Followed",
    "Grant",
    "ImageSigners",
    "Listing",
    "Pending",
    "Policy",
    "PolicyFiles",
    "Release",
    "ReleaseJudge",
    "RolesAt",
    "Step",
    "Steps",
    "Voice",
    "Voices",
    "anchored",
    "approval_folder",
    "check_content",
    "check_still_spoken",
    "follow_policies",
    "freshness_folder",
    "has_quorum",
    "judge_freshness",
    "moment_text",
    "policy_folder",
    "release_folder",
    "roles_for",
    "signature_file",
    "succeed",
    "taken",
    "voices_of",
    "write_document",
]
