"""`trust/policy.yaml` of a new fleet."""

import uuid
from collections.abc import Sequence


def new_policy_file(name: str, people: Sequence[str]) -> str:
    """A policy for a new fleet: everybody in both roles, two of them if there are two."""
    return _NEW.format(
        name=name, repository=uuid.uuid4(), people=", ".join(dict.fromkeys(people)), threshold=min(2, len(set(people)))
    )


_NEW = """\
# Who may say what, in trust mode `release`. `fleet policy propose` makes the next version out of this file.
apiVersion: fleet/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  repository: {repository}   # of this fleet, for ever
  roles:
    root: {{principals: [{people}], threshold: {threshold}}}      # may change this
    release: {{principals: [{people}], threshold: {threshold}}}   # must sign each release
  paths:   # the first that matches counts; its roles must sign a release that changes such a path
    - {{match: "**", roles: [release]}}
"""
