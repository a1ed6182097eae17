"""`resume/step-…/checkpoint.json`: a checkpoint of a run that is under way, written last."""

from pydantic import JsonValue

from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import FileEntry


class Mark(StrictModel):
    """How much of a log belongs to a checkpoint."""

    size_bytes: int
    """From its beginning."""
    sha256: str
    """Of these bytes."""


class Checkpoint(StrictModel):
    """What a run goes on from; everything that it trusts has a digest here."""

    step: int
    """Steps that are done."""
    num_ranks: int
    """Processes that trained."""
    state: dict[str, JsonValue]
    """What the verb remembers besides weights and optimizers."""
    files: list[FileEntry]
    """All that lies beside this file."""
    logs: dict[str, Mark]
    """By the file's name."""
    file_digest: str = ""
    """sha256 of this file with these 64 digits left out."""
