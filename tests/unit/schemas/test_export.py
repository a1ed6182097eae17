"""Exported JSON Schemas describe what is on disk."""

import json

import pytest

from rilctl.schemas.export import artifact_schema
from rilctl.schemas.manifest import ARTIFACT_KINDS, ROW_TYPES


@pytest.mark.parametrize("kind", ARTIFACT_KINDS)
def test_every_kind_has_a_schema_that_is_json_and_whose_references_resolve(kind):
    schema = artifact_schema(kind)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["properties"].keys() == ({"manifest", "row", "rejected"} if kind in ROW_TYPES else {"manifest"})

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [r for v in node.values() for r in references(v)]
        return [r for v in node for r in references(v)] if isinstance(node, list) else []

    found = references(schema)
    assert found
    for reference in found:
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_the_schema_names_kind_columns_and_descriptions():
    schema = artifact_schema("verdicts")
    assert schema["properties"]["manifest"]["allOf"][1] == {"properties": {"kind": {"const": "verdicts"}}}
    row = schema["$defs"]["VerdictRecord"]
    assert row["additionalProperties"] is False
    assert row["properties"]["correct"]["description"] == "The verdict; null means that the judge gave none."
    assert "created_at" in schema["$defs"]["Manifest"]["required"]
