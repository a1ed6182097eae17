"""From a `[data]` table to the samples of one split."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from rilctl.config.data import DataConfig
from rilctl.data.benchmarks import read_benchmarks
from rilctl.data.checking import AT_ONCE, Checker, threaded
from rilctl.data.fingerprints import image_hash
from rilctl.data.index import Index, find_index
from rilctl.data.once.kept import Kept
from rilctl.data.once.stored import changed, ids_of, only
from rilctl.data.reading import Reader, Rows, Split
from rilctl.data.sample import Sample, SampleSet
from rilctl.data.select import Order, Seen, by_likelihood, by_rank, keeps_truth, outside_band
from rilctl.errors import DataError, RowError

PromptTokens = Callable[[Sequence[Sample]], list[int | None]]
Likelihoods = Callable[[Sequence[Sample]], Sequence[float | RowError | None]]
"""From rows to the mean log-probability of each one's answer, why it can't be read, or None: it has no answer."""


def load_samples(
    config: DataConfig,
    *,
    base_dir: Path,
    split: Split = "train",
    pass_rates: Mapping[str, float] | None = None,
    prompt_tokens: PromptTokens | None = None,
    likelihoods: Likelihoods | None = None,
    kept: Kept | None = None,
) -> SampleSet:
    """Read, check and select the samples of one split.

    Training and validation never overlap: a row of the training split that has the question, answer and images of a
    held-out row is left out. An image is read for its header and digest and is not kept in memory. With
    `num_samples`, images are looked at in the order of the ids' hashes until there are enough good rows.

    Args:
        config: the `[data]` table.
        base_dir: folder that relative paths start from.
        split: `validation` is empty where the table holds none out.
        pass_rates: share of right responses by sample id; needed where `select.pass_rate` is set.
        prompt_tokens: from rows to the tokens of their prompts, None for one that can't be known; needed where
            `select.max_prompt_tokens` is set.
        likelihoods: needed where `select.likelihood` is set.
        kept: where a large data set is indexed for later starts; None: nowhere.

    Raises:
        DataError: the source can't be opened, lacks a column, or no row is left.
        ConfigError: an unknown benchmark.
        CredentialError: a gated hub data set.
    """
    index = _index(config, base_dir, kept)
    if index is not None:
        return index.split(split)
    return _load(config, base_dir, split, Reader(config, base_dir), pass_rates, prompt_tokens, likelihoods, kept)


def load_part(
    config: DataConfig,
    *,
    base_dir: Path,
    most_rows: int,
    pass_rates: Mapping[str, float] | None = None,
    prompt_tokens: PromptTokens | None = None,
    likelihoods: Likelihoods | None = None,
    kept: Kept | None = None,
) -> tuple[SampleSet, SampleSet]:
    """Both splits, each source read once and no further than a plan needs.

    Of a source that has many rows, `most_rows` stand for all. Then near-duplicates and rows of benchmarks stay: they
    are found by comparing all rows. Other arguments and errors are those of `load_samples`.

    Args:
        config: the `[data]` table.
        base_dir: see `load_samples`.
        most_rows: see `draw`.
        pass_rates: see `load_samples`.
        prompt_tokens: see `load_samples`.
        likelihoods: see `load_samples`.
        kept: see `load_samples`.

    Returns:
        The rows of training and of validation. Where rows were drawn, `num_samples` has taken none of them away.
    """
    index = _index(config, base_dir, kept)
    if index is not None:
        return index.part("train", most_rows), index.part("validation", most_rows)
    reader = Reader(config, base_dir, most_rows)
    train = _load(config, base_dir, "train", reader, pass_rates, prompt_tokens, likelihoods, kept)
    return train, _load(config, base_dir, "validation", reader, pass_rates, prompt_tokens, likelihoods, kept)


def _index(config: DataConfig, base_dir: Path, kept: Kept | None) -> Index | None:
    if kept is None:
        return None

    def load(split: Split, reader: Reader) -> SampleSet:
        return _load(config, base_dir, split, reader, None, None, None, kept)

    return find_index(config, base_dir, kept, load)


def _load(
    config: DataConfig,
    base_dir: Path,
    split: Split,
    reader: Reader,
    pass_rates: Mapping[str, float] | None,
    prompt_tokens: PromptTokens | None,
    likelihoods: Likelihoods | None,
    kept: Kept | None,
) -> SampleSet:
    select = config.select
    if split == "validation" and not config.validation.is_set:
        return SampleSet("none", (), (), {}, _digest(()))
    rows = reader.read(split)
    held_out = reader.read("validation").samples if split == "train" and config.validation.is_set else ()
    num_samples = config.validation.num_samples if split == "validation" else select.num_samples
    if split == "train" and (band := select.pass_rate) is not None:
        if pass_rates is None:
            raise ValueError("select.pass_rate needs pass_rates")
        rates = pass_rates
        rows.keep(lambda sample: outside_band(sample.id, band, rates))
    if held_out:
        rows.keep(_equal_to(held_out))
    if select.max_prompt_tokens is not None:
        if prompt_tokens is None:
            raise ValueError("select.max_prompt_tokens needs prompt_tokens")
        rows.keep(_too_many_tokens(rows.samples, prompt_tokens, select.max_prompt_tokens))
    if rows.drawn is None and (select.drop_near_duplicates or select.decontaminate):
        rows.keep(_near_to(held_out, rows.samples, config, base_dir))
    ranked = None
    if split == "train" and select.likelihood is not None:
        if likelihoods is None:
            raise ValueError("select.likelihood needs likelihoods")
        ranked = _by_likelihood(rows, likelihoods, select.likelihood.order, split)
    checker = Checker(config.workers, kept, headers_only=rows.drawn is not None)
    _take(rows, num_samples if rows.drawn is None else None, ranked, salt=split, checker=checker)
    if not rows.samples and (rows.drawn is None or split == "train"):  # of a small share none may have been drawn
        raise _nothing_left(rows)
    # Not earlier: a row is compared with held-out ones by its ground truth as well.
    if split == "train" and config.truth_share < 1:
        rows.samples = changed(rows.samples, lambda sample: _with_truth(sample, config.truth_share))
    left_out = dict(sorted(rows.left_out.items()))
    digest = _digest(rows.samples) if rows.drawn is None else ""
    return SampleSet(
        rows.name, _fixed(rows.samples), tuple(rows.rejected), left_out, digest, rows.num_shortened, rows.drawn
    )


def _fixed(samples: Sequence[Sample]) -> Sequence[Sample]:
    return tuple(samples) if isinstance(samples, list) else samples


def _with_truth(sample: Sample, share: float) -> Sample:
    return sample if keeps_truth(sample.id, share) else replace(sample, answer="", response="")


def _equal_to(held_out: Iterable[Sample]) -> Callable[[Sample], str | None]:
    """Finds rows with the question, answer and images of a held-out row; reads images only where the texts agree."""
    by_text: dict[tuple[object, ...], list[Sample]] = {}
    for sample in held_out:
        by_text.setdefault(_texts(sample), []).append(sample)

    def reason_of(sample: Sample) -> str | None:
        for other in by_text.get(_texts(sample), ()):
            digests = [image.digest for image in sample.images]
            try:
                if digests == [image.digest for image in other.images]:
                    return "in-validation"
            except RowError:
                continue  # rejected when validation is loaded
        return None

    return reason_of


def _texts(sample: Sample) -> tuple[object, ...]:
    return sample.conversation.context, sample.question, sample.answer


def _too_many_tokens(
    samples: Sequence[Sample], prompt_tokens: PromptTokens, most: int
) -> Callable[[Sample], str | None]:
    found = {sample.id: tokens for sample, tokens in zip(samples, prompt_tokens(samples), strict=True)}
    return lambda sample: "prompt-too-long" if (found[sample.id] or 0) > most else None


def _near_to(
    held_out: Sequence[Sample], samples: Sequence[Sample], config: DataConfig, base_dir: Path
) -> Callable[[Sample], str | None]:
    """Finds rows that are near a benchmark's, a held-out row or an earlier row. Decodes every image once."""
    select = config.select
    benchmarks = read_benchmarks(select, base_dir, config.max_image_px)
    seen = Seen(select.max_hash_distance)
    if select.drop_near_duplicates:
        for sample, hashes in zip(held_out, threaded(_image_hashes, held_out, config.workers), strict=True):
            if not isinstance(hashes, RowError):
                seen.add(sample.question, hashes)
    found = {s.id: hashes for s, hashes in zip(samples, threaded(_image_hashes, samples, config.workers), strict=True)}

    def reason_of(sample: Sample) -> str | None:
        hashes = found[sample.id]
        if isinstance(hashes, RowError):
            raise hashes
        if benchmarks.contain(sample.question, hashes):
            return "contaminated"
        if select.drop_near_duplicates and not seen.add(sample.question, hashes):
            return "near-duplicate"
        return None

    return reason_of


def _by_likelihood(rows: Rows, likelihoods: Likelihoods, order: Order, salt: str) -> list[Sample]:
    """The rows in the order of their answers' likelihood; without those that have none."""
    found = dict(zip((sample.id for sample in rows.samples), likelihoods(rows.samples), strict=True))

    def reason_of(sample: Sample) -> str | None:
        score = found[sample.id]
        if isinstance(score, RowError):
            raise score
        return "likelihood-unknown" if score is None else None

    rows.keep(reason_of)
    return by_likelihood(
        rows.samples, {id: score for id, score in found.items() if isinstance(score, float)}, order, salt
    )


def _take(rows: Rows, num_samples: int | None, ranked: list[Sample] | None, *, salt: str, checker: Checker) -> None:
    """Keep the first good rows by rank, or all good rows; their order stays the source's."""
    samples = rows.samples
    wanted = len(samples) if num_samples is None else num_samples
    waiting: Sequence[int] = range(len(samples))
    if wanted < len(samples):
        waiting = by_rank(ids_of(samples), salt) if ranked is None else _places(samples, ranked)
    kept: list[int] = []
    at = 0
    while at < len(waiting) and len(kept) < wanted:
        places = waiting[at : at + min(wanted - len(kept), AT_ONCE)]
        at += len(places)
        chunk = list(only(samples, places))
        errors = checker.errors(chunk)
        rows.note(chunk)
        for place, sample, error in zip(places, chunk, errors, strict=True):
            if error is None:
                kept.append(place)
            else:
                rows.reject(sample, error)
    if at < len(waiting):
        rows.left_out["num-samples"] += len(waiting) - at
    rows.samples = only(samples, sorted(kept))


def _places(samples: Sequence[Sample], ranked: Sequence[Sample]) -> list[int]:
    place_of = {row_id: place for place, row_id in enumerate(ids_of(samples))}
    return [place_of[sample.id] for sample in ranked]


def _image_hashes(sample: Sample) -> tuple[int, ...] | RowError:
    try:
        return tuple(image_hash(image.load()) for image in sample.images)
    except RowError as error:
        return error


def _nothing_left(rows: Rows) -> DataError:
    reasons = Counter(record.reason for record in rows.rejected) + rows.left_out
    counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items())) or "none in this split"
    hint = rows.hint
    if rows.rejected:
        first = rows.rejected[0]
        hint = f"the first: {first.message}"
        if first.reason == "image-missing" and rows.image_roots:
            hint += f"; paths of pictures start from {rows.image_roots[0]}"
    return DataError(f"{rows.name}: no usable row ({counts})", hint=hint)


def _digest(samples: Iterable[Sample]) -> str:
    """Over the samples in their order, which training follows."""
    whole = hashlib.sha256()
    for sample in samples:
        images = [image.digest for image in sample.images]
        row: list[JsonValue] = [sample.id, sample.question, sample.answer, sample.response, [*images]]
        if context := sample.conversation.context:
            row.append([[turn.role, turn.text] for turn in context])
        whole.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return whole.hexdigest()
