"""From a source to the rows of one split, before anybody looks at pictures or compares rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rilctl.config.data import ChatData, DataConfig, DigitsData, FolderData, HubData, JsonlData, LlavaData, ParquetData
from rilctl.data.drawing import Drawn
from rilctl.data.groups import conversation_of, groups_by_image, largest_share
from rilctl.data.rows import read_samples
from rilctl.data.sample import Sample
from rilctl.data.select import earlier_answers, is_held_out, too_long
from rilctl.data.sources.open import open_source
from rilctl.data.template import QuestionTemplate
from rilctl.errors import RowError
from rilctl.schemas.records import RejectedRecord

Split = Literal["train", "validation"]
_LARGE = 0.5
"""Of the conversations; a group of more leaves one side of a split with little or nothing."""


@dataclass
class Rows:
    """The rows of one split on their way through the filters."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    image_roots: Sequence[Path] = ()
    num_shortened: int = 0
    hint: str = "loosen data.select or data.validation"
    drawn: Drawn | None = None

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


@dataclass(frozen=True)
class _Read:
    """What a source gave.

    Args:
        name: of the source.
        rows: good and bad ones, in its order.
        image_roots: see `Table`.
        drawn: which rows these are; None: all.
    """

    name: str
    rows: Sequence[Sample | RejectedRecord]
    image_roots: Sequence[Path]
    drawn: Drawn | None


class Reader:
    """Reads each source of a data set once, whichever splits it is asked for.

    Args:
        config: the `[data]` table.
        base_dir: folder that relative paths start from.
        most_rows: of each source, see `draw`; None: all.
    """

    def __init__(self, config: DataConfig, base_dir: Path, most_rows: int | None = None) -> None:
        self._config, self._base_dir, self._most_rows = config, base_dir, most_rows
        self._known: dict[str, _Read] = {}

    def read(self, split: Split) -> Rows:
        """The rows of one split that are not too long; a bad row belongs to one split as well. Raises `DataError`."""
        config, share = self._config, self._config.validation.share
        source = config if split == "train" else _validation_source(config)
        found = self._read(source)
        read = found.rows
        rows = Rows(found.name, image_roots=found.image_roots, drawn=found.drawn)
        max_turns, earlier = None, set[str]()
        if isinstance(source, ChatData | LlavaData):
            max_turns = source.max_turns
            if source.turns == "last":
                earlier = earlier_answers(map(_row_id, read))
        groups = _groups(config, read) if share else {}
        if (largest := largest_share(groups)) > _LARGE:
            rows.hint = (
                f"{largest:.0%} of the conversations share pictures and stay together: set data.validation.group"
            )
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

    def _read(self, source: DataConfig) -> _Read:
        key = source.model_dump_json(exclude={"validation", "select"})
        if key not in self._known:
            self._known[key] = _read_source(source, self._base_dir, self._most_rows)
        return self._known[key]


def _read_source(source: DataConfig, base_dir: Path, most_rows: int | None) -> _Read:
    template = None
    if isinstance(source, HubData | ParquetData | JsonlData | FolderData) and source.template is not None:
        template = QuestionTemplate(source.template)
        if "question" not in template.names:  # the table need have no such column
            source = source.model_copy(update={"columns": source.columns.model_copy(update={"question": ""})})
    table = open_source(source, base_dir, most_rows)
    read = read_samples(table, source.max_image_px, template, needs_truth=source.missing_truth == "reject")
    return _Read(table.name, read, table.image_roots, table.drawn)


def _groups(config: DataConfig, read: Iterable[Sample | RejectedRecord]) -> dict[str, str]:
    """The groups that are held out or trained on as a whole, where pictures make them; by conversation."""
    if config.validation.group != "image":
        return {}
    return groups_by_image(row for row in read if isinstance(row, Sample))


def _row_id(row: Sample | RejectedRecord) -> str:
    return row.sample_id if isinstance(row, RejectedRecord) else row.id


def _validation_source(config: DataConfig) -> DataConfig:
    held_out = config.validation
    if isinstance(config, HubData | DigitsData):
        return config.model_copy(update={"split": held_out.split}) if held_out.split else config
    if held_out.path is None:
        return config
    changes: dict[str, str] = {"path": held_out.path}
    return config.model_copy(update=changes | ({"image_root": held_out.image_root} if held_out.image_root else {}))
