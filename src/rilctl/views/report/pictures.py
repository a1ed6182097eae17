"""Thumbnails within a budget, the most important pictures first."""

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence

from PIL import Image

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.schemas.report_rollouts import ReportPicture, ReportPictures

LONGEST_PX = 320
"""Longest side of a thumbnail; a smaller picture stays as it is."""
_QUALITY = 78
_EXACT_PX = 10_000
"""Up to so many pixels nothing is lost: compressing so small a picture saves nothing and shows."""


def thumbnails(
    wanted: Iterable[tuple[str, str]], found: Mapping[str, Sequence[ImageRef]], budget_bytes: int
) -> ReportPictures:
    """Thumbnails of the pictures that a report refers to.

    Args:
        wanted: (question's id, picture's digest), the most important first; one digest may come several times.
        found: references by the question's id.
        budget_bytes: that all of them may take.
    """
    made: dict[str, ReportPicture] = {}
    lost: set[str] = set()
    left: set[str] = set()
    spent = 0
    for sample_id, digest in wanted:
        if digest in made or digest in left:
            continue
        picture = _thumbnail(found.get(sample_id, ()), digest)
        if picture is None:
            lost.add(digest)
            continue
        lost.discard(digest)
        if spent + len(picture.data_uri) > budget_bytes:
            left.add(digest)
            continue
        spent += len(picture.data_uri)
        made[digest] = picture
    return ReportPictures(
        by_digest=made, budget_bytes=budget_bytes, num_missing=len(lost) + len(left), note=_note(len(lost), len(left))
    )


def _thumbnail(references: Sequence[ImageRef], digest: str) -> ReportPicture | None:
    for reference in references:
        try:
            if reference.digest == digest:
                return _made(reference.load())
        except (RowError, OSError):
            continue
    return None


def _made(picture: Image.Image) -> ReportPicture:
    small = picture.copy()
    small.thumbnail((LONGEST_PX, LONGEST_PX))
    buffer = io.BytesIO()
    if small.width * small.height <= _EXACT_PX:
        small.save(buffer, "WEBP", lossless=True)
    else:
        small.save(buffer, "WEBP", quality=_QUALITY)
    return ReportPicture(
        data_uri=f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}",
        width_px=small.width,
        height_px=small.height,
        full_width_px=picture.width,
        full_height_px=picture.height,
    )


def _note(num_lost: int, num_left: int) -> str:
    parts = [f"{num_lost:,} can't be found any more where the recipe says that data are"] if num_lost else []
    parts += [f"{num_left:,} were left out to keep within the budget (`--pictures-mb`)"] if num_left else []
    return "; ".join(parts)
