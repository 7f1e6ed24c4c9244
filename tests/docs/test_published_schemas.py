"""The published JSON Schemas are those of the code."""

import json
from typing import Any

import pytest
from doc_pages import DOCS, fenced, quoted, rows, section, text_of
from jsonschema import Draft202012Validator

from lab import schemas
from reconciler.reading import parse, plain


def test_the_published_schemas_are_those_of_the_code() -> None:
    published = {path.name: path.read_text() for path in schemas.FOLDER.iterdir()}
    assert published == schemas.files(), "write them anew: python -m lab.schemas"


def test_the_page_names_every_schema() -> None:
    assert {f"schemas/{name}" for name in schemas.files()} <= quoted(text_of("reference/manifest.md"))


@pytest.mark.parametrize(("kind", "level"), [("Policy", "##"), ("Rollout", "###"), ("Request", "###")])
def test_every_key_of_these_documents_is_told(kind: str, level: str) -> None:
    schema = schemas_of_kinds()[kind]["properties"]["spec"]["properties"]
    told = {row[0].strip("`"): row for row in rows(section("reference/manifest.md", f"{level} {kind}"))}
    assert told.keys() == {f"spec.{key}" for key in schema}
    for key, one in schema.items():
        assert set(one.get("properties", ())) - {"matchLabels", "matchExpressions"} <= quoted(
            "|".join(told[f"spec.{key}"])
        )


def schemas_of_kinds() -> dict[str, Any]:
    return {name.partition(".")[0].capitalize(): json.loads(text) for name, text in schemas.files().items()}


def test_the_examples_of_the_page_keep_their_schemas() -> None:
    for example in fenced(DOCS / "reference/manifest.md", "yaml"):
        value: Any = plain(parse(example.encode(), "example.yaml"))
        if "kind" in value:
            assert Draft202012Validator(schemas_of_kinds()[value["kind"]]).is_valid(value), value["kind"]
