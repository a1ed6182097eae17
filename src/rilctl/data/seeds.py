"""Seeds that depend on what a row is, and on nothing else."""

import hashlib


def row_seed(*parts: object) -> int:
    """A seed that depends on all parts and nothing else, in [0, 2^63)."""
    payload = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(payload.encode()).digest()[:8], "big") >> 1
