import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rilctl.config.layers import dotted, read_layers
from rilctl.config.toml_writing import toml_string, toml_value

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.lists(TEXT.filter(bool), min_size=1, max_size=4)


@given(TEXT)
def test_a_string_survives_toml(text: str) -> None:
    assert tomllib.loads(f"v = {toml_string(text)}") == {"v": text}


@given(KEYS, st.one_of(TEXT, st.integers(-(2**63), 2**63 - 1), st.booleans()))
def test_an_override_reaches_the_key_that_it_names(keys: list[str], value: Any) -> None:
    literal = toml_value(value)
    node: Any = read_layers([], [f"{dotted(tuple(keys))}={literal}"], {}).tree
    for key in keys:
        assert list(node) == [key]
        node = node[key]
    assert node == value
