"""JSON Schema of artifacts, for readers that are not Python."""

from typing import Any

from pydantic.json_schema import models_json_schema

from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ROW_TYPES, SCHEMA_VERSION, ArtifactKind, Manifest
from rilctl.schemas.records import RejectedRecord


def artifact_schema(kind: ArtifactKind) -> dict[str, Any]:
    """One JSON Schema (2020-12) for everything in an artifact of this kind.

    Its properties are `manifest` (manifest.json) and, for kinds with rows, `row` (one row of rows-*.parquet) and
    `rejected` (one line of rejected.jsonl).
    """
    parts: dict[str, type[StrictModel]] = {"manifest": Manifest}
    if kind in ROW_TYPES:
        parts |= {"row": ROW_TYPES[kind], "rejected": RejectedRecord}
    references, definitions = models_json_schema([(model, "serialization") for model in parts.values()])
    properties: dict[str, Any] = {name: references[(model, "serialization")] for name, model in parts.items()}
    properties["manifest"] = {"allOf": [properties["manifest"], {"properties": {"kind": {"const": kind}}}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"rilctl artifact `{kind}`, schema version {SCHEMA_VERSION}",
        "type": "object",
        "properties": properties,
        "required": ["manifest"],
        **definitions,
    }
