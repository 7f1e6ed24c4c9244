"""Git, and nothing else here opens it.

`Desk` is imported from `reconciler.repository.desk`, because it needs GitPython, which devices do not have.
"""

from reconciler.repository.bundle import BundleRefused, create_bundle
from reconciler.repository.commits import Author
from reconciler.repository.mirror import Mirror
from reconciler.repository.objects import ObjectTooBig, TreeRefused
from reconciler.repository.probe import may_write, newest, version
from reconciler.repository.remote import Remote, check_branch, is_ssh
from reconciler.repository.report_history import read_history
from reconciler.repository.status_branch import FoundReport, StatusBranch, read_carried, read_reports, report_path
from reconciler.repository.store import Store

__all__ = [
    "Author",
    "BundleRefused",
    "FoundReport",
    "Mirror",
    "ObjectTooBig",
    "Remote",
    "StatusBranch",
    "Store",
    "TreeRefused",
    "check_branch",
    "create_bundle",
    "is_ssh",
    "may_write",
    "newest",
    "read_carried",
    "read_history",
    "read_reports",
    "report_path",
    "version",
]
