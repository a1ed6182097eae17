"""Which rollouts trackers are sent: few rows of few steps, so that a long run fills no tracker."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rilctl.artifacts.layout import MANIFEST, RESUME, ROLLOUT_LOG
from rilctl.artifacts.read import read_rows
from rilctl.reporting.followed import LineTail
from rilctl.schemas.records import RolloutRecord
from rilctl.trackers.base import ShownRow

if TYPE_CHECKING:
    from PIL import Image

NUM_TABLES = 25
"""At most this many steps show rows, and the first."""
NUM_ROWS = 8
"""Of a step: those of its first groups."""
MOST_CHARS = 2000
"""Of a question or a response."""
THUMBNAIL_PX = 160
"""The longer side of a picture."""

Pictures = Callable[[RolloutRecord], "Image.Image | None"]
"""The first picture of a row's question; None: it has none, or it isn't found."""


def no_pictures(record: RolloutRecord) -> "Image.Image | None":
    """None of any row."""
    return None


def shows_rows(step: int, config: Mapping[str, JsonValue]) -> bool:
    """Whether a step of a run shows rows.

    Args:
        step: of the run.
        config: its resolved recipe, which says how many there will be.
    """
    train = config.get("train")
    num_steps = train.get("num_steps") if isinstance(train, dict) else None
    every = max(1, math.ceil(num_steps / NUM_TABLES)) if isinstance(num_steps, int) else NUM_TABLES
    return step == 1 or (step > 0 and step % every == 0)


class RowsToShow:
    """The rows of steps that show some, of a run in whatever state.

    Args:
        run: its directory.
        config: its resolved recipe.
        pictures: where its questions' pictures are.
    """

    def __init__(self, run: Path, config: Mapping[str, JsonValue], pictures: Pictures) -> None:
        self._run, self._config, self._pictures = run, config, pictures
        self._tail = LineTail(run / RESUME / ROLLOUT_LOG)
        self._records: defaultdict[int, list[RolloutRecord]] = defaultdict(list)
        self._has_read_all = False

    def of(self, step: int) -> list[ShownRow]:
        """What is shown of a step; steps are asked for in order. Raises `ArtifactError`, `OSError`."""
        if not shows_rows(step, self._config):
            return []
        for record in self._new():
            if shows_rows(record.step, self._config) and len(self._records[record.step]) < NUM_ROWS:
                self._records[record.step].append(record)
        return [_shown(record, self._pictures) for record in self._records.pop(step, [])]

    def _new(self) -> Iterator[RolloutRecord]:
        if (self._run / "rollouts" / MANIFEST).exists():
            if not self._has_read_all:
                self._has_read_all = True
                yield from read_rows(self._run / "rollouts", RolloutRecord)
            return
        for _, line in self._tail.new():
            yield RolloutRecord.model_validate_json(line)


def _shown(record: RolloutRecord, pictures: Pictures) -> ShownRow:
    picture = pictures(record)
    if picture is not None:
        picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    cells: dict[str, str | float | None] = {
        "question": _cut(record.question),
        "truth": _cut(record.answer),
        "side": record.side,
        "source": record.source,
        "response": _cut(record.text),
        "reward": record.reward,
        "answer reward": record.answer_reward,
        "similarity reward": record.similarity_reward,
        "discriminator's logit": record.disc_logit,
        "advantage": record.advantage,
        "question's id": record.sample_id,
    }
    return ShownRow(cells, picture)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}…"
