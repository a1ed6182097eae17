"""Reading the benchmarks that training data is kept apart from."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rilctl.config.data import ColumnsConfig, DigitsData, SelectConfig
from rilctl.data.fingerprints import image_hash
from rilctl.data.images import as_cells, to_image_ref
from rilctl.data.select import Benchmarks
from rilctl.data.sources.base import Table, closest, existing
from rilctl.data.sources.digits import open_digits
from rilctl.data.sources.jsonl import read_jsonl
from rilctl.errors import ConfigError, DataError, RowError

_DIGITS = DigitsData(type="digits", split="test", num_questions=2000)


def read_benchmarks(select: SelectConfig, base_dir: Path, max_px: int) -> Benchmarks:
    """Questions and image hashes of everything in `select.decontaminate`.

    Raises:
        ConfigError: a name that is neither a suite nor a `.jsonl` file.
        DataError: a missing file, or a row that can't be read: what is unknown can't be kept out.
    """
    questions: list[str] = []
    hashes: list[int] = []
    for name in select.decontaminate:
        table = _open(name, base_dir)
        try:
            for question, image_hashes in _read(table, max_px):
                questions.append(question)
                hashes += image_hashes
        except RowError as error:
            raise DataError(f"benchmark {name}: {error.message}", hint="repair the row, or remove it") from error
    return Benchmarks(questions, hashes, select.max_hash_distance)


def _open(name: str, base_dir: Path) -> Table:
    if name == "digits":
        return open_digits(_DIGITS)
    if not name.endswith(".jsonl"):
        guess = closest(name, ["digits"])
        raise ConfigError(
            f"data.select.decontaminate: `{name}` is not a suite that ships here",
            hint=guess or "name `digits`, or a .jsonl file with `question` and `images`",
        )
    path = existing(name, base_dir)
    return Table(name, read_jsonl(path, "images"), ColumnsConfig(), (path.parent,))


def _read(table: Table, max_px: int) -> Iterator[tuple[str, Iterable[int]]]:
    for row in table.rows:
        if isinstance(row.fields, RowError):
            raise row.fields
        question = row.fields.get("question")
        if not isinstance(question, str):
            raise RowError("field-missing", f"{row.name}: no `question`")
        cells = as_cells(row.fields.get("images"))
        refs = [to_image_ref(cell, name=row.name, roots=table.image_roots, max_px=max_px) for cell in cells]
        yield question, [image_hash(ref.load()) for ref in refs]
