"""Each line of scratch holds its own digest."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.sealed_lines import read_sealed_lines, sealed_line
from rilctl.errors import ArtifactError

VALUES = ['{"text":"1 \u2028 \u00e9"}', "[]", "7"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(map(sealed_line, VALUES)), encoding="utf-8")
    return path


def test_values_come_back_and_the_file_is_json_lines(file: Path) -> None:
    assert list(read_sealed_lines(file)) == VALUES
    assert [json.loads(line)["value"] for line in file.read_bytes().splitlines()] == [json.loads(v) for v in VALUES]


def test_a_last_line_that_a_kill_cut_short_is_left_out(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    assert list(read_sealed_lines(file)) == VALUES[:-1]


def test_every_flipped_bit_is_found(file: Path) -> None:
    data = file.read_bytes()
    for place in range(len(data) - 1):  # the last line's end is the case above
        for bit in (1, 32):
            changed = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            file.write_bytes(changed)
            with pytest.raises(ArtifactError, match="is not as it was written"):
                list(read_sealed_lines(file))
