"""What a rehearsal came to."""

from rilctl.schemas.base import StrictModel


class VerbRow(StrictModel):
    """What one verb did."""

    verb: str
    """Which."""
    processes: int
    """That did it together."""
    seconds: float
    """How long it took, start included."""
    rows: int
    """Of its largest table; 0 where it writes weights alone."""
    again: str
    """What the same command said when it was run once more."""


class RehearsalReport(StrictModel):
    """What `rilctl rehearse --json` says."""

    folder: str
    """Recipe, models, data, logs and artifacts of the rehearsal."""
    seconds: float
    """In all."""
    verbs: list[VerbRow]
    """In the order in which they ran."""
    proven: list[str]
    """What the run has shown."""
    replaced: list[str]
    """What stood in for what."""
    not_proven: list[str]
    """What only the real machines can show."""
