"""Writes the JSON Schemas of our documents to docs/reference/schemas: `python -m lab.schemas`."""

import json
from pathlib import Path

from reconciler.manifests import json_schemas

FOLDER = Path(__file__).parents[1] / "docs" / "reference" / "schemas"


def files() -> dict[str, str]:
    """The text of each file, by name."""
    return {
        f"{kind.lower()}.schema.json": json.dumps(schema, indent=2) + "\n" for kind, schema in json_schemas().items()
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
