"""`data check`: every row and every picture is read, and what was found is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import NamedTuple

from rilctl.config.data import DataConfig
from rilctl.data.fingerprints import image_hash
from rilctl.data.reading import Split
from rilctl.data.sample import Sample, SampleSet
from rilctl.data.select import Seen
from rilctl.errors import RowError
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.stages.look.readers import STUDENT, Reader, find_readers
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data

_CHUNK = 256
"""Rows whose pictures are read together."""


class Spread(NamedTuple):
    """How a length is spread over rows or pictures."""

    least: int
    median: float
    most: int
    total: int


@dataclass(frozen=True)
class Problem:
    """Rows that can't be used, and why.

    Args:
        who: `data set`, or the model that can't be asked.
        reason: the code of a rejected row.
        num_rows: how many.
        first: the first of them, and what is wrong with it.
    """

    who: str
    reason: str
    num_rows: int
    first: str


@dataclass(frozen=True)
class SplitReport:
    """What was found in one split.

    Args:
        name: of the data set.
        num_rows: that can be used.
        num_no_truth: of them without a ground truth.
        problems: of those that can't.
        left_out: rows that selection left out, by reason.
        num_pictures: of all rows.
        num_distinct_pictures: by their bytes.
        longest_side_px: of the pictures.
        question_chars: of the last user turns.
        prompt_tokens: of the student's prompts, pictures included; None where they aren't known.
        image_tokens: of each row's pictures, likewise.
        response_tokens: of what `sft` learns, in the student's tokens.
        num_equal: rows with the words and pictures of an earlier row.
        num_near: further rows that ask an earlier row's question about nearly its pictures.
    """

    name: str
    num_rows: int
    num_no_truth: int
    problems: tuple[Problem, ...]
    left_out: dict[str, int]
    num_pictures: int
    num_distinct_pictures: int
    longest_side_px: Spread | None
    question_chars: Spread | None
    prompt_tokens: Spread | None
    image_tokens: Spread | None
    response_tokens: Spread | None
    num_equal: int
    num_near: int


@dataclass(frozen=True)
class DataReport:
    """What was found in a recipe's data.

    Args:
        splits: by name; `validation` only where rows are held out.
        num_near_held_out: training rows that ask a held-out row's question about nearly its pictures.
        num_shared_pictures: pictures that stand in both splits.
        benchmarks: that training rows were kept apart from; `contaminated` in `left_out` counts those that went.
    """

    splits: dict[Split, SplitReport]
    num_near_held_out: int
    num_shared_pictures: int
    benchmarks: tuple[str, ...]

    @property
    def num_bad(self) -> int:
        """Rows that can't be used."""
        return sum(problem.num_rows for split in self.splits.values() for problem in split.problems)


@dataclass(frozen=True)
class _Read:
    """A row whose pictures were read: their digests and hashes, or what is wrong with it, by who says so."""

    sample: Sample
    digests: tuple[str, ...]
    hashes: tuple[int, ...]
    refused: tuple[tuple[str, RowError], ...]


def check_data(context: StageContext) -> DataReport:
    """Read everything that training and validation would read.

    Raises:
        ConfigError, DataError, ModelError, UsageError: the data set or a model can't be opened, or no row is left.
    """
    config = context.recipe.data
    train = load_data(context)
    assert config is not None
    readers = find_readers(context)
    found = {"train": list(_read_all(context, config, train, readers))}
    splits: dict[Split, SplitReport] = {"train": _report(config, train, found["train"], readers)}
    held_out: list[_Read] = []
    if config.validation.is_set:
        validation = load_data(context, "validation")
        held_out = list(_read_all(context, config, validation, readers))
        splits["validation"] = _report(config, validation, held_out, readers)
    near = Seen(config.select.max_hash_distance)
    for row in held_out:
        near.add(row.sample.question, row.hashes)
    return DataReport(
        splits,
        sum(near.holds(row.sample.question, row.hashes) for row in found["train"]),
        len(_digests(found["train"]) & _digests(held_out)),
        config.select.decontaminate,
    )


def _digests(rows: Iterable[_Read]) -> set[str]:
    return {digest for row in rows for digest in row.digests}


def _read_all(
    context: StageContext, config: DataConfig, samples: SampleSet, readers: Sequence[Reader]
) -> Iterator[_Read]:
    """Every row with its pictures decoded, on as many threads as `data.workers` says."""
    rows = samples.samples
    context.reporter.begin("data check", total=len(rows), unit="rows")
    with ThreadPoolExecutor(max(1, config.workers)) as pool:
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            yield from pool.map(partial(_read, readers), chunk)
            context.reporter.advance(len(chunk))
            context.check_stop()
    context.reporter.end()


def _read(readers: Sequence[Reader], sample: Sample) -> _Read:
    refused: list[tuple[str, RowError]] = []
    digests: list[str] = []
    hashes: list[int] = []
    try:
        for image in sample.images:
            hashes.append(image_hash(image.load()))
            digests.append(image.digest)
    except RowError as error:
        return _Read(sample, (), (), (("data set", error),))
    for reader in readers:
        try:
            reader.prompt(sample.conversation)
        except RowError as error:
            refused.append((reader.name, error))
    return _Read(sample, tuple(digests), tuple(hashes), tuple(refused))


def _report(config: DataConfig, samples: SampleSet, rows: Sequence[_Read], readers: Sequence[Reader]) -> SplitReport:
    good = [row for row in rows if not row.refused]
    num_equal, num_near = _repeated(good, config.select.max_hash_distance)
    encoder = next((reader.encoder for reader in readers if reader.name == STUDENT), None)
    sizes = [] if encoder is None else prompt_sizes(encoder, [row.sample for row in good])
    responses = [row.sample.response for row in good if row.sample.response]
    encoded = encoder.tokenizer(responses, add_special_tokens=False)["input_ids"] if encoder and responses else []
    return SplitReport(
        samples.name,
        len(good),
        sum(not row.sample.has_truth for row in good),
        tuple(_problems(samples, rows)),
        samples.left_out,
        sum(len(row.digests) for row in good),
        len(_digests(good)),
        _spread(max(image.size_px) for row in good for image in row.sample.images),
        _spread(len(row.sample.question) for row in good),
        _spread(size.tokens for size in sizes if size is not None),
        _spread(size.image_tokens for size in sizes if size is not None),
        _spread(len(ids) for ids in encoded),
        num_equal,
        num_near,
    )


def _problems(samples: SampleSet, rows: Sequence[_Read]) -> Iterator[Problem]:
    """Bad rows by who refuses them and why, in the order in which they were met."""
    said = [("data set", row.reason, f"`{row.sample_id}`: {row.message}") for row in samples.rejected]
    said += [(who, error.reason, f"`{row.sample.id}`: {error.message}") for row in rows for who, error in row.refused]
    counts = Counter((who, reason) for who, reason, _ in said)
    for (who, reason), num_rows in counts.items():
        first = next(text for a, b, text in said if (a, b) == (who, reason))
        yield Problem(who, reason, num_rows, first)


def _repeated(rows: Sequence[_Read], max_distance: int) -> tuple[int, int]:
    """Rows equal to an earlier one, and others that are near one."""
    keys: set[object] = set()
    seen = Seen(max_distance)
    num_equal = num_near = 0
    for row in rows:
        is_new = seen.add(row.sample.question, row.hashes)
        key = row.sample.conversation.key
        if key in keys:
            num_equal += 1
        elif not is_new:
            num_near += 1
        keys.add(key)
    return num_equal, num_near


def _spread(values: Iterable[int]) -> Spread | None:
    numbers = sorted(values)
    return Spread(numbers[0], median(numbers), numbers[-1], sum(numbers)) if numbers else None
