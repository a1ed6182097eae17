"""Limits that several processes keep together."""


def part_of(limit: int, rank: int, num_ranks: int) -> int:
    """What one of some ranks may take of something that all may take `limit` of."""
    return limit // num_ranks + (rank < limit % num_ranks)
