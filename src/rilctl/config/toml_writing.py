"""Values as TOML writes them."""

import re
from typing import Any

from rilctl.foreign import is_seen

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def toml_key(name: str) -> str:
    """A key as TOML writes it: bare where possible, else quoted."""
    return name if _BARE_KEY.match(name) else toml_string(name)


def toml_string(text: str) -> str:
    r"""A TOML basic string: quotes and backslashes are escaped, and what isn't to be seen."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    number = ord(character)
    return character if is_seen(character) else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


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
