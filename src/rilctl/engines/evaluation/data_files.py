"""JSON files of a task, before `datasets` reads them: its reader ends the process where values nest without end."""

import re
from pathlib import Path
from typing import Final

import numpy as np

from rilctl.errors import DataError

_MOST_LEVELS: Final = 1000
_CHUNK_BYTES: Final = 1 << 24
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_CHANGES = np.zeros(256, np.int32)
_CHANGES[list(b"[{")], _CHANGES[list(b"]}")] = 1, -1


def refuse_deep(folder: Path, files: object) -> None:
    """Raise `DataError` where a JSON file nests values more deeply than anybody means.

    Args:
        folder: where relative paths start.
        files: `data_files` as `datasets` takes them; what is no file here is passed over.
    """
    if isinstance(files, dict | list):
        for each in files.values() if isinstance(files, dict) else files:
            refuse_deep(folder, each)
    elif isinstance(files, str) and "://" not in files and "\0" not in files:
        file = folder / files
        if file.is_file() and _may_be_deep(file) and _is_deep(file.read_bytes()):
            raise DataError(f"{file}: values are nested in more than {_MOST_LEVELS:,} levels", hint="repair the file")


def _may_be_deep(file: Path) -> bool:
    """Whether brackets add up to many levels, those of texts included; fast."""
    level = 0
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            levels = level + np.cumsum(_CHANGES[np.frombuffer(chunk, np.uint8)])
            if levels.max() > _MOST_LEVELS:
                return True
            level = int(levels[-1])
    return False


def _is_deep(content: bytes) -> bool:
    level = 0
    for token in _TOKEN.finditer(content):
        first = content[token.start()]
        level += int(_CHANGES[first])
        if level > _MOST_LEVELS:
            return True
    return False
