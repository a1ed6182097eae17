"""The pictures of rollouts, which name them by digest: looked up in the data set that their questions are from."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.reporting.shown_rows import Pictures
from rilctl.schemas.records import RolloutRecord

if TYPE_CHECKING:
    from PIL import Image


def pictures_of(read: Callable[[], Iterable[Sample]]) -> Pictures:
    """Finds a row's first picture; one that is not what it was when the row was made is none.

    Args:
        read: gives the questions, when the first picture is asked for.
    """

    @cache
    def by_id() -> dict[str, Sample]:
        return {sample.id: sample for sample in read()}

    def find(record: RolloutRecord) -> "Image.Image | None":
        if not record.image_digests or (sample := by_id().get(record.sample_id)) is None:
            return None
        try:
            for picture in sample.conversation.images:
                if picture.digest == record.image_digests[0]:
                    return picture.load()
        except RowError:
            return None
        return None

    return find
