"""Values as TOML writes them."""

import re
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def toml_key(name: str) -> str:
    """A key as TOML writes it: bare where possible, else quoted."""
    return name if _BARE_KEY.match(name) else toml_string(name)


def toml_string(text: str) -> str:
    r"""A TOML basic string: control characters, quotes and backslashes are escaped."""
    escaped = "".join(
        f"\\{c}" if c in '"\\' else f"\\u{ord(c):04x}" if ord(c) < 0x20 or ord(c) == 0x7F else c for c in text
    )
    return f'"{escaped}"'


def toml_value(value: Any) -> str:
    """What JSON can say, but for null, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return toml_string(value)
        case dict():
            return f"{{ {', '.join(f'{toml_key(key)} = {toml_value(item)}' for key, item in value.items())} }}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case _:
            return repr(value)
