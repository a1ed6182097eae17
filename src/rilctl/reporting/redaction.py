"""What of a recipe or a lineage may leave this machine: no secret, and nothing of how the machine is laid out."""

import os
import re
from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from pydantic import JsonValue

KEPT_BACK = "(kept back)"
"""Stands where something was."""
_SECRET_KEYS = re.compile(r"(?:^|_)(?:key|secret|password|credentials?)(?:_|$)")
_SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
_SECRET_TEXT = re.compile(r"\b(?:sk-|hf_|ghp_|gsk_|xox[a-z]-|AKIA|AIza)[A-Za-z0-9_-]{8,}")
_LEAST_CHARS = 8
"""Of a secret; what is shorter may be a word."""
_PRIVATE = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]*)://[^\s\"'<>`]+"
    r"|(?:(?<=[\s\"'=:(`])|^)(?P<path>(?:~?/|[A-Za-z]:\\)[^\s\"'`:,)]+)"
)
"""An address, or an absolute path, inside a text."""


def redacted(value: JsonValue, environment: Mapping[str, str] = os.environ) -> JsonValue:
    """A recipe, or a part of one, without what is private.

    Left out are values of keys that name a key or where it is, what looks like a secret or is one in the environment,
    and addresses of servers. Of an absolute path its last part is left, of a relative one all.

    Args:
        value: what JSON can hold.
        environment: variables with secrets in them, by names that say so.
    """
    secrets = sorted(
        (text for name, text in environment.items() if _SECRET_NAMES.search(name) and len(text) >= _LEAST_CHARS),
        key=len,
        reverse=True,
    )
    return _redacted(value, secrets)


def redacted_text(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The same for one text."""
    found = redacted(text, environment)
    assert isinstance(found, str)
    return found


def _redacted(value: JsonValue, secrets: list[str]) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: KEPT_BACK if each and _SECRET_KEYS.search(key) else _redacted(each, secrets)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_redacted(each, secrets) for each in value]
    return _without_private(value, secrets) if isinstance(value, str) else value


def _without_private(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, KEPT_BACK)
    text = _SECRET_TEXT.sub(KEPT_BACK, text)
    for path_type in (PurePosixPath, PureWindowsPath):
        if (path := path_type(text)).is_absolute() and "\n" not in text:
            return _last_part(path)
    return _PRIVATE.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    if found["scheme"]:
        return f"{found['scheme']}://{KEPT_BACK}"
    return _last_part(PurePosixPath(found["path"].replace("\\", "/")))


def _last_part(path: PurePath) -> str:
    return f"…/{path.name}" if path.name else KEPT_BACK
