"""What a tracker has been sent of a run: beside the tracker's own folder, so that nothing is sent twice."""

import os
import uuid
from pathlib import Path

from pydantic import Field, ValidationError

from rilctl.artifacts.layout import MOST_JSON_BYTES, TEMPORARY_PREFIX, TRACKERS, read_regular
from rilctl.schemas.base import StrictModel


class Sent(StrictModel):
    """How far a tracker is."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    """The run's, at the tracker."""
    name: str
    """The run's, for people."""
    step: int = -1
    """The last step that was sent; -1: none was."""
    artifacts: list[str] = []
    """Digests of the artifacts that it was told of."""


def sent_file(run: Path, tracker: str) -> Path:
    """Where it is noted."""
    return run / TRACKERS / f"{tracker}.json"


def read_sent(run: Path, tracker: str) -> Sent | None:
    """How far a tracker is with a run; None: it knows nothing of it, or the note is damaged, and it begins anew."""
    try:
        return Sent.model_validate_json(read_regular(sent_file(run, tracker), most_bytes=MOST_JSON_BYTES))
    except (OSError, ValidationError):
        return None


def write_sent(run: Path, tracker: str, sent: Sent) -> None:
    """Note it. Whole or not at all, but not waited for: after a power cut some steps may be sent once more."""
    file = sent_file(run, tracker)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{TEMPORARY_PREFIX}{file.name}")
    temporary.write_text(sent.model_dump_json(), encoding="utf-8")
    os.replace(temporary, file)
