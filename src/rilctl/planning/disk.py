"""Bytes that a run leaves on the disk; pure arithmetic."""

from rilctl.planning.activations import FLOAT32
from rilctl.planning.memory import MOMENTS

ROW_BYTES = 600
"""Of a stored response besides its tokens: question, digests, names, numbers."""
TOKEN_BYTES = 11
"""Of a token of a stored response: its text and its id as JSON."""


def rows_bytes(num_rows: int, num_tokens: int) -> int:
    """Stored responses before they are compressed; Parquet makes less of them."""
    return num_rows * ROW_BYTES + num_tokens * TOKEN_BYTES


def checkpoint_bytes(trained: int) -> int:
    """A training checkpoint: float32 weights and both moments; while one is written, the one before is still there."""
    return 2 * (FLOAT32 + MOMENTS) * trained
