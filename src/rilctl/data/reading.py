"""From a source to the rows of one split, before anybody looks at pictures or compares rows."""

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rilctl.config.data import ChatData, DataConfig, DigitsData, FolderData, HubData, JsonlData, LlavaData, ParquetData
from rilctl.data.drawing import Drawn
from rilctl.data.groups import conversation_of, groups_by_image, largest_share
from rilctl.data.once.stored import changed, only
from rilctl.data.read import ReadRows
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
    samples: Sequence[Sample] = ()
    rejected: list[RejectedRecord] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    image_roots: Sequence[Path] = ()
    num_shortened: int = 0
    hint: str = "loosen data.select or data.validation"
    drawn: Drawn | None = None
    note: Callable[[Sequence[Sample]], object] = lambda samples: None
    """Is told which rows' pictures were looked at."""

    def keep(self, reason_of: Callable[[Sample], str | None]) -> None:
        """Leave out the samples that `reason_of` gives a reason for; reject those for which it raises `RowError`."""
        kept = array("q")
        for place, sample in enumerate(self.samples):
            try:
                if reason := reason_of(sample):
                    self.left_out[reason] += 1
                else:
                    kept.append(place)
            except RowError as error:
                self.reject(sample, error)
        self.samples = only(self.samples, kept)

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
    rows: ReadRows
    image_roots: Sequence[Path]
    drawn: Drawn | None


class Reader:
    """Reads each source of a data set once, whichever splits it is asked for.

    Args:
        config: the `[data]` table.
        base_dir: folder that relative paths start from.
        most_rows: of each source, see `draw`; None: all.
        rows: gives the rows of a source a place; None: in memory.
    """

    def __init__(
        self,
        config: DataConfig,
        base_dir: Path,
        most_rows: int | None = None,
        rows: Callable[[], ReadRows] = ReadRows,
    ) -> None:
        self._config, self._base_dir, self._most_rows, self._rows = config, base_dir, most_rows, rows
        self._known: dict[str, _Read] = {}

    def read(self, split: Split) -> Rows:
        """The rows of one split that are not too long; a bad row belongs to one split as well. Raises `DataError`."""
        config, share = self._config, self._config.validation.share
        source = config if split == "train" else validation_source(config)
        found = self._read(source)
        read = found.rows
        rows = Rows(found.name, image_roots=found.image_roots, drawn=found.drawn, note=read.note)
        max_turns, earlier = None, set[str]()
        if isinstance(source, ChatData | LlavaData):
            max_turns = source.max_turns
            if source.turns == "last":
                earlier = earlier_answers(row_id for row_id, _ in read.listed())
        groups = groups_by_image(read.good()) if share and config.validation.group == "image" else {}
        if (largest := largest_share(groups)) > _LARGE:
            rows.hint = (
                f"{largest:.0%} of the conversations share pictures and stay together: set data.validation.group"
            )
        kept = array("q")
        for place, (row_id, bad) in enumerate(read.listed()):
            conversation = conversation_of(row_id)
            if share and is_held_out(groups.get(conversation, conversation), share) != (split == "validation"):
                continue
            if row_id in earlier:
                rows.left_out["earlier-answer"] += 1
            elif bad is not None:
                rows.rejected.append(bad)
            else:
                kept.append(place)
        rows.samples = read.only(kept)
        if max_turns is not None:
            rows.num_shortened = sum(_shortened(sample, max_turns) is not sample for sample in rows.samples)
            rows.samples = changed(rows.samples, lambda sample: _shortened(sample, max_turns))
        if config.select.max_question_chars is not None or config.select.max_response_chars is not None:
            rows.keep(lambda sample: too_long(sample, config.select))
        return rows

    def _read(self, source: DataConfig) -> _Read:
        key = source.model_dump_json(exclude={"validation", "select"})
        if key not in self._known:
            self._known[key] = _read_source(source, self._base_dir, self._most_rows, self._rows())
        return self._known[key]


def _read_source(source: DataConfig, base_dir: Path, most_rows: int | None, rows: ReadRows) -> _Read:
    template = None
    if isinstance(source, HubData | ParquetData | JsonlData | FolderData) and source.template is not None:
        template = QuestionTemplate(source.template)
        if "question" not in template.names:  # the table need have no such column
            source = source.model_copy(update={"columns": source.columns.model_copy(update={"question": ""})})
    table = open_source(source, base_dir, most_rows)
    needs_truth = source.missing_truth == "reject"
    read_samples(table, source.max_image_px, template, needs_truth=needs_truth, into=rows)
    return _Read(table.name, rows, table.image_roots, table.drawn)


def _shortened(sample: Sample, max_turns: int) -> Sample:
    shown = sample.conversation.shortened(max_turns)
    return sample if shown is sample.conversation else replace(sample, conversation=shown)


def validation_source(config: DataConfig) -> DataConfig:
    """What held-out rows are read from: the table itself unless they are elsewhere."""
    held_out = config.validation
    if isinstance(config, HubData | DigitsData):
        return config.model_copy(update={"split": held_out.split}) if held_out.split else config
    if held_out.path is None:
        return config
    changes: dict[str, str] = {"path": held_out.path}
    return config.model_copy(update=changes | ({"image_root": held_out.image_root} if held_out.image_root else {}))
