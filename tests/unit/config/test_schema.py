"""The JSON Schema of a recipe takes what rilctl takes: of the tables that a `type` tells apart, exactly one fits."""

from collections.abc import Iterator
from typing import Any

import pytest

from rilctl.config.recipe import Recipe

SCHEMA = Recipe.model_json_schema()


def unions(node: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if "oneOf" in node:
            yield path, node
        for key, value in node.items():
            yield from unions(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from unions(value, f"{path}/{index}")


UNIONS = dict(unions(SCHEMA))


def table(reference: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["$defs"][reference.removeprefix("#/$defs/")]
    return found


def test_the_unions_are_found() -> None:
    ends = {path.rpartition("/")[2] for path in UNIONS}
    assert ends == {"engine", "generation", "additionalProperties", "0"}  # of `data` and `judge`, which may be absent


@pytest.mark.parametrize("path", UNIONS)
def test_a_union_names_its_discriminator(path: str) -> None:
    union = UNIONS[path]
    told = union["discriminator"]
    assert told["propertyName"] == "type"
    assert sorted(told["mapping"].values()) == sorted(member["$ref"] for member in union["oneOf"])
    for tag, reference in told["mapping"].items():
        assert table(reference)["properties"]["type"]["const"] == tag


@pytest.mark.parametrize("path", [path for path in UNIONS if "Reward" not in path])  # their names say what they are
def test_a_table_without_a_type_fits_the_default_alone(path: str) -> None:
    told = UNIONS[path]["discriminator"]
    lacking = [each for each in told["mapping"].values() if "type" not in table(each).get("required", ())]
    assert lacking == ([told["defaultMapping"]] if "defaultMapping" in told else [])
