"""Weights on their way to the disk: what the library says of a full one is what the operating system says."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from rilctl.artifacts.layout import naming

_NUMBER = re.compile(r"os error (\d+)")


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Raise `OSError`, and one that names a file or else this file or folder, where writing it fails."""
    with naming(path):
        try:
            yield
        except SafetensorError as error:
            number = _NUMBER.search(str(error))
            if number is None:
                raise OSError(errno.EIO, str(error)) from error
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
