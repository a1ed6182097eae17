"""The pictures that a run's rows speak of: they are in its data set, where that can be read from here."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from rilctl.config.data import DataConfig
from rilctl.data.load import Split, samples_by_id
from rilctl.data.sample import Sample
from rilctl.errors import RilctlError, RowError
from rilctl.views.runs.view import RunView

if TYPE_CHECKING:
    from PIL.Image import Image

_NUM_PARENTS = 4


class Pictures:
    """Finds pictures; the data set is read when the first is asked for, and none of its pictures but those.

    Args:
        run: whose recipe says where the data is.
        split: whose rows are asked for.
    """

    def __init__(self, run: RunView, split: Split = "train") -> None:
        self._run, self._split = run, split
        self._samples: dict[str, Sample] | None = None

    def find(self, sample_id: str, digest: str) -> "Image | None":
        """A question's picture as RGB; None where the data set isn't here, or has another picture there."""
        if self._samples is None:
            self._samples = self._read()
        sample = self._samples.get(sample_id)
        for image in sample.conversation.images if sample else ():
            try:
                if image.digest == digest:
                    return image.load()
            except RowError:
                continue
        return None

    def _read(self) -> dict[str, Sample]:
        try:
            config = TypeAdapter[DataConfig](DataConfig).validate_json(json.dumps(self._run.recipe.get("data")))
        except ValidationError:  # of another version, or of no data set
            return {}
        for base_dir in (Path.cwd(), *list(self._run.path.absolute().parents)[:_NUM_PARENTS]):
            try:
                return samples_by_id(config, base_dir=base_dir, split=self._split)
            except (RilctlError, ValueError, OSError):
                continue
        return {}
