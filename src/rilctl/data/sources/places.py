"""Where the rows of a file of JSON stand, so that some can be read without the others."""

import codecs
import json
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rilctl.errors import DataError

_CHUNK = 1 << 23
_MOST_ROW = 1 << 28
"""Bytes of one row; where none ends within so many, the list is broken."""
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_NUMBER = re.compile(r"[-+.eE0-9]*")
_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Places:
    """Where rows stand.

    Args:
        starts: of each row its first byte.
        ends: the byte after its last.
        numbers: as a person counts: a line from 1, a list's value from 0.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    numbers: Sequence[int]


def line_places(path: Path) -> Places:
    """Of the lines of a file that aren't empty."""
    breaks, base = [np.zeros(1, dtype=np.int64)], 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            breaks.append(np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n")) + (base + 1))
            base += len(chunk)
    starts = np.concatenate(breaks)
    lengths = np.diff(starts, append=base)
    filled = np.flatnonzero(lengths > len("\r\n"))
    starts, lengths = starts[filled], lengths[filled]
    return Places(_compact(starts), _compact(starts + lengths), _compact(filled + 1))


def _compact(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> "array[int]":
    return array("q", numbers.astype(np.int64).tobytes())


def list_places(path: Path) -> Places:
    """Of the values of a JSON list in UTF-8.

    Raises:
        DataError: it is no JSON list.
    """
    with path.open("rb") as file:
        try:
            starts, ends = _split(file)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: not a JSON list: {error}", hint="one JSON object on each line is read as well"
            ) from error
    return Places(starts, ends, range(len(starts)))


def _split(file: BinaryIO) -> tuple["array[int]", "array[int]"]:
    """See `list_places`. Each byte is read as one character: all that divides values is ASCII."""
    starts, ends = array("q"), array("q")
    window = _Window(file)
    window.take("[")
    if window.next_sign() == "]":
        return starts, ends
    while True:
        for start, end in window.take_many():
            starts.append(start)
            ends.append(end)
        start, end = window.take_value()
        starts.append(start)
        ends.append(end)
        if window.take(",]") == "]":
            break
    if window.next_sign():
        raise ValueError(f"something follows its end, at byte {window.base + window.at:,}")
    return starts, ends


class _Window:
    """The part of a file that is looked at.

    Args:
        file: at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._decoder = file, json.JSONDecoder()
        self._checker = codecs.getincrementaldecoder("utf-8")()
        self.base, self.at, self._text = 0, 0, ""
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        else:
            self.base = 3

    def next_sign(self) -> str:
        """The next character that is no space, which stays; nothing at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._read_on():
                return ""

    def take(self, signs: str) -> str:
        """The next one of these characters. Raises `ValueError` where another comes."""
        sign = self.next_sign()
        if not sign or sign not in signs:
            raise ValueError(f"expected `{'` or `'.join(signs)}` at byte {self.base + self.at:,}")
        self.at += 1
        return sign

    def take_many(self) -> Iterator[tuple[int, int]]:
        """Where values begin and end that are followed by a comma, as far as what is seen has them whole."""
        self.next_sign()
        try:
            while True:
                _, end = self._decoder.raw_decode(self._text, self.at)
                found = _COMMA.match(self._text, end)
                if found is None or found.end() == len(self._text):
                    return
                yield self.base + self.at, self.base + end
                self.at = found.end()
        except json.JSONDecodeError:  # `take_value` finds out whether there is more to see
            return

    def take_value(self) -> tuple[int, int]:
        """Where the next value begins and ends in the file. Raises `ValueError`."""
        self.next_sign()
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self.at)
                more = _NUMBER.match(self._text, end)
                is_whole = more is not None and more.end() < len(self._text)
                if is_whole or not self._read_on():  # a number may go on
                    break
            except json.JSONDecodeError as error:
                if len(self._text) - self.at > _MOST_ROW or not self._read_on():
                    raise ValueError(f"{error.msg} at byte {self.base + error.pos:,}") from error
        start, self.at = self.base + self.at, end
        return start, self.base + end

    def _read_on(self) -> bool:
        """See more of the file, and forget what was taken; False at its end."""
        chunk = self._file.read(_CHUNK)
        self._checker.decode(chunk, final=not chunk)
        if not chunk:
            return False
        self._text = self._text[self.at :] + chunk.decode("latin-1")
        self.base, self.at = self.base + self.at, 0
        return True
