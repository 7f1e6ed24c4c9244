"""Git, and nothing else here opens it.

`Desk` is imported from `reconciler.repository.desk`, because it needs GitPython, which devices do not have.
"""

from reconciler.repository.bundle import BundleRefused, create_bundle
from reconciler.repository.commits import Author, write_files
from reconciler.repository.found_reports import (
    FoundReport,
    collected,
    commit_path,
    enrollment_path,
    read_arrivals,
    read_carried,
    read_history,
    read_reports,
    read_small,
    report_path,
)
from reconciler.repository.git import end_all
from reconciler.repository.mirror import Mirror
from reconciler.repository.objects import File, ObjectTooBig, TreeRefused
from reconciler.repository.past_files import Version, newest_merge, read_positions, read_versions
from reconciler.repository.probe import Answered, may_write, newest, version
from reconciler.repository.remote import Remote, check_branch, is_ssh
from reconciler.repository.status_branch import ENROLL_REFS, REPORT_REFS, OwnRef, ReportRef, StatusBranch
from reconciler.repository.store import Store

__all__ = [
    "ENROLL_REFS",
    "REPORT_REFS",
    "Answered",
    "Author",
    "BundleRefused",
    "File",
    "FoundReport",
    "Mirror",
    "ObjectTooBig",
    "OwnRef",
    "Remote",
    "ReportRef",
    "StatusBranch",
    "Store",
    "TreeRefused",
    "Version",
    "check_branch",
    "collected",
    "commit_path",
    "create_bundle",
    "end_all",
    "enrollment_path",
    "is_ssh",
    "may_write",
    "newest",
    "newest_merge",
    "read_arrivals",
    "read_carried",
    "read_history",
    "read_positions",
    "read_reports",
    "read_small",
    "read_versions",
    "report_path",
    "version",
    "write_files",
]
