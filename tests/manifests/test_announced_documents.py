"""Policies, rollouts and requests are checked before devices act on them; that they do not yet is told."""

import pytest
from document_cases import DocumentCase, read_document_cases

from reconciler.errors import ProblemKind
from reconciler.manifests import check_documents

CASES = read_document_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_told_of_a_document(case: DocumentCase) -> None:
    told = check_documents({case.path: case.text})
    assert [str(one) for one in told if one.kind is not ProblemKind.NOTE] == case.problems
    assert [str(one) for one in told if one.kind is ProblemKind.NOTE] == case.notes


def test_files_are_told_together_in_their_order() -> None:
    tree = {case.path: case.text for case in CASES}
    told = check_documents(tree)
    files = [one.where.partition(":")[0] for one in told]
    assert files == sorted(files, key=lambda path: ("trust", "rollouts", "requests").index(path.split("/")[0]))
    assert told == check_documents(dict(reversed(tree.items())))
    assert check_documents({"apps/shop/compose.yaml": b"[", "secrets/a.yaml": b"["}) == ()
