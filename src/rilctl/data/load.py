"""From a `[data]` table to the samples of one split."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import JsonValue

from rilctl.config.data import ChatData, DataConfig, DigitsData, FolderData, HubData, JsonlData, LlavaData, ParquetData
from rilctl.data.benchmarks import read_benchmarks
from rilctl.data.fingerprints import image_hash
from rilctl.data.groups import conversation_of, groups_by_image, largest_share
from rilctl.data.rows import read_samples
from rilctl.data.sample import Sample, SampleSet
from rilctl.data.select import (
    Order,
    Seen,
    by_likelihood,
    by_rank,
    earlier_answers,
    is_held_out,
    keeps_truth,
    outside_band,
    too_long,
)
from rilctl.data.sources.open import open_source
from rilctl.data.template import QuestionTemplate
from rilctl.errors import DataError, RowError
from rilctl.schemas.records import RejectedRecord

Split = Literal["train", "validation"]
PromptTokens = Callable[[Sequence[Sample]], list[int | None]]
Likelihoods = Callable[[Sequence[Sample]], Sequence[float | RowError | None]]
"""From rows to the mean log-probability of each one's answer, why it can't be read, or None: it has no answer."""
_T = TypeVar("_T")
_LARGE = 0.5
"""Of the conversations; a group of more leaves one side of a split with little or nothing."""


@dataclass
class _Rows:
    """The rows of one split on their way through the filters."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    image_roots: Sequence[Path] = ()
    num_shortened: int = 0
    hint: str = "loosen data.select or data.validation"

    def keep(self, reason_of: Callable[[Sample], str | None]) -> None:
        """Leave out the samples that `reason_of` gives a reason for; reject those for which it raises `RowError`."""
        kept: list[Sample] = []
        for sample in self.samples:
            try:
                if reason := reason_of(sample):
                    self.left_out[reason] += 1
                else:
                    kept.append(sample)
            except RowError as error:
                self.reject(sample, error)
        self.samples = kept

    def reject(self, sample: Sample, error: RowError) -> None:
        """Record a bad row."""
        self.rejected.append(RejectedRecord.of(sample.id, self.name, error))


def load_samples(
    config: DataConfig,
    *,
    base_dir: Path,
    split: Split = "train",
    pass_rates: Mapping[str, float] | None = None,
    prompt_tokens: PromptTokens | None = None,
    likelihoods: Likelihoods | None = None,
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

    Raises:
        DataError: the source can't be opened, lacks a column, or no row is left.
        ConfigError: an unknown benchmark.
        CredentialError: a gated hub data set.
    """
    select = config.select
    if split == "validation" and not config.validation.is_set:
        return SampleSet("none", (), (), {}, _digest(()))
    if split == "validation":
        rows, held_out = _read(config, base_dir, split), []
        num_samples = config.validation.num_samples
    else:
        rows, held_out = _read(config, base_dir, split), _held_out(config, base_dir)
        num_samples = select.num_samples
        if (band := select.pass_rate) is not None:
            if pass_rates is None:
                raise ValueError("select.pass_rate needs pass_rates")
            rates = pass_rates
            rows.keep(lambda sample: outside_band(sample.id, band, rates))
    rows.keep(_equal_to(held_out))
    if select.max_prompt_tokens is not None:
        if prompt_tokens is None:
            raise ValueError("select.max_prompt_tokens needs prompt_tokens")
        rows.keep(_too_many_tokens(rows.samples, prompt_tokens, select.max_prompt_tokens))
    if select.drop_near_duplicates or select.decontaminate:
        rows.keep(_near_to(held_out, rows.samples, config, base_dir))
    ranked = None
    if split == "train" and select.likelihood is not None and likelihoods is not None:
        ranked = _by_likelihood(rows, likelihoods, select.likelihood.order, split)
    _take(rows, num_samples, ranked, salt=split, workers=config.workers)
    if not rows.samples:
        raise _nothing_left(rows)
    if split == "train":  # not earlier: a row is compared with held-out ones by its ground truth as well
        rows.samples = [_with_truth(sample, config.truth_share) for sample in rows.samples]
    left_out = dict(sorted(rows.left_out.items()))
    return SampleSet(
        rows.name, tuple(rows.samples), tuple(rows.rejected), left_out, _digest(rows.samples), rows.num_shortened
    )


def _read(config: DataConfig, base_dir: Path, split: Split) -> _Rows:
    """The rows of one split that are not too long; a bad row belongs to one split as well."""
    source, share = config, config.validation.share
    if split == "validation":
        source = _validation_source(config)
    template = None
    if isinstance(source, HubData | ParquetData | JsonlData | FolderData) and source.template is not None:
        template = QuestionTemplate(source.template)
        if "question" not in template.names:  # the table need have no such column
            source = source.model_copy(update={"columns": source.columns.model_copy(update={"question": ""})})
    table = open_source(source, base_dir)
    rows = _Rows(table.name, image_roots=table.image_roots)
    read = read_samples(table, config.max_image_px, template, needs_truth=config.missing_truth == "reject")
    max_turns, earlier = None, set[str]()
    if isinstance(source, ChatData | LlavaData):
        max_turns = source.max_turns
        if source.turns == "last":
            earlier = earlier_answers(map(_row_id, read))
    groups = _groups(config, read) if share else {}
    if (largest := largest_share(groups)) > _LARGE:
        rows.hint = f"{largest:.0%} of the conversations share pictures and stay together: set data.validation.group"
    for row in read:
        conversation = conversation_of(_row_id(row))
        if share and is_held_out(groups.get(conversation, conversation), share) != (split == "validation"):
            continue
        if _row_id(row) in earlier:
            rows.left_out["earlier-answer"] += 1
            continue
        if isinstance(row, Sample) and max_turns is not None:
            shown = row.conversation.shortened(max_turns)
            rows.num_shortened += shown is not row.conversation
            row = replace(row, conversation=shown)
        if isinstance(row, RejectedRecord):
            rows.rejected.append(row)
        elif reason := too_long(row, config.select):
            rows.left_out[reason] += 1
        else:
            rows.samples.append(row)
    return rows


def _groups(config: DataConfig, read: Iterable[Sample | RejectedRecord]) -> dict[str, str]:
    """The groups that are held out or trained on as a whole, where pictures make them; by conversation."""
    if config.validation.group != "image":
        return {}
    return groups_by_image(row for row in read if isinstance(row, Sample))


def _with_truth(sample: Sample, share: float) -> Sample:
    return sample if keeps_truth(sample.id, share) else replace(sample, answer="", response="")


def _row_id(row: Sample | RejectedRecord) -> str:
    return row.sample_id if isinstance(row, RejectedRecord) else row.id


def _held_out(config: DataConfig, base_dir: Path) -> list[Sample]:
    return _read(config, base_dir, "validation").samples if config.validation.is_set else []


def _validation_source(config: DataConfig) -> DataConfig:
    held_out = config.validation
    if isinstance(config, HubData | DigitsData):
        return config.model_copy(update={"split": held_out.split}) if held_out.split else config
    if held_out.path is None:
        return config
    changes: dict[str, str] = {"path": held_out.path}
    return config.model_copy(update=changes | ({"image_root": held_out.image_root} if held_out.image_root else {}))


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


def _too_many_tokens(samples: list[Sample], prompt_tokens: PromptTokens, most: int) -> Callable[[Sample], str | None]:
    found = {sample.id: tokens for sample, tokens in zip(samples, prompt_tokens(samples), strict=True)}
    return lambda sample: "prompt-too-long" if (found[sample.id] or 0) > most else None


def _near_to(
    held_out: list[Sample], samples: list[Sample], config: DataConfig, base_dir: Path
) -> Callable[[Sample], str | None]:
    """Finds rows that are near a benchmark's, a held-out row or an earlier row. Decodes every image once."""
    select = config.select
    benchmarks = read_benchmarks(select, base_dir, config.max_image_px)
    seen = Seen(select.max_hash_distance)
    if select.drop_near_duplicates:
        for sample, hashes in zip(held_out, _map(_image_hashes, held_out, config.workers), strict=True):
            if not isinstance(hashes, RowError):
                seen.add(sample.question, hashes)
    found = {s.id: hashes for s, hashes in zip(samples, _map(_image_hashes, samples, config.workers), strict=True)}

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


def _by_likelihood(rows: _Rows, likelihoods: Likelihoods, order: Order, salt: str) -> list[Sample]:
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


def _take(rows: _Rows, num_samples: int | None, ranked: list[Sample] | None, *, salt: str, workers: int) -> None:
    """Keep the first good rows by rank, or all good rows; their order stays the source's."""
    wanted = len(rows.samples) if num_samples is None else num_samples
    waiting = by_rank(rows.samples, salt) if ranked is None else ranked
    if wanted >= len(waiting):
        waiting = rows.samples
    kept: set[str] = set()
    while waiting and len(kept) < wanted:
        missing = wanted - len(kept)
        chunk, waiting = waiting[:missing], waiting[missing:]
        for sample, error in zip(chunk, _map(_check_images, chunk, workers), strict=True):
            if error is None:
                kept.add(sample.id)
            else:
                rows.reject(sample, error)
    if waiting:
        rows.left_out["num-samples"] += len(waiting)
    rows.samples = [sample for sample in rows.samples if sample.id in kept]


def _check_images(sample: Sample) -> RowError | None:
    try:
        for image in sample.images:
            image.check()
    except RowError as error:
        return error
    return None


def _image_hashes(sample: Sample) -> tuple[int, ...] | RowError:
    try:
        return tuple(image_hash(image.load()) for image in sample.images)
    except RowError as error:
        return error


def _map(function: Callable[[Sample], _T], samples: list[Sample], workers: int) -> Iterable[_T]:
    """`map` in the samples' order, on threads where `workers` asks for some: Pillow decodes without the GIL."""
    if workers == 0:
        return map(function, samples)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, samples))


def _nothing_left(rows: _Rows) -> DataError:
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
