"""TOML from people, read in bounds that no recipe or suite comes near: a broken one costs neither time nor memory."""

import re
import tomllib
from pathlib import Path
from typing import Any

from rilctl.errors import ConfigError

MOST_BYTES = 256 * 1024
"""Of a file; the longest recipe that ships has 4 KiB."""
MOST_LEVELS = 32
"""Of tables and lists in one another."""

_TEXT_OR_COMMENT = re.compile(
    r'"""(?s:\\.|[^"\\]|"(?!""))*+(?:"{3,5})?'
    r"|'''(?s:[^']|'(?!''))*+(?:'{3,5})?"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+"
)
_DEEP_KEY = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{MOST_LEVELS},}}")


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text says. Raises `ValueError` where it is none, or nested deeper than anything we read."""
    _refuse_deep_keys(text)
    too_deep = ValueError(f"tables and lists are nested deeper than {MOST_LEVELS} levels")
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise too_deep from None
    nodes: list[Any] = [tree]
    for _ in range(MOST_LEVELS):
        parts = (node.values() if isinstance(node, dict) else node for node in nodes)
        nodes = [child for part in parts for child in part if isinstance(child, dict | list)]
    if nodes:
        raise too_deep
    return tree


def read_bounded(path: Path, kind: str) -> bytes:
    """A file's content.

    Args:
        path: of the file.
        kind: what it is to be, `recipe` or `suite`.

    Raises:
        ConfigError: it has more than `MOST_BYTES`.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"{path}: larger than {MOST_BYTES // 1024} KiB, which no {kind} needs",
            hint=f"a {kind} names files of data, it doesn't hold them: is it the file that you mean?",
        )
    return content


def _refuse_deep_keys(text: str) -> None:
    """Raise `ValueError`, in tomllib's form, before tomllib takes memory by the square of a key's length."""
    bare = _TEXT_OR_COMMENT.sub(_blank, text)
    found = _DEEP_KEY.search(bare)
    if found:
        line = bare.count("\n", 0, found.start()) + 1
        column = found.start() - bare.rfind("\n", 0, found.start())
        raise ValueError(f"A key of more than {MOST_LEVELS} parts (at line {line}, column {column})")


def _blank(match: re.Match[str]) -> str:
    """As long as it was, with its ends of lines; a text is a bare key, a comment nothing."""
    mark = " " if match[0].startswith("#") else "_"
    return re.sub(r"[^\n]", mark, match[0])
