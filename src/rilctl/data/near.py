"""Rows whose pictures are near, found among a million without looking at each: multi-index hashing.

Norouzi, Punjani, Fleet 2012, "Fast search in Hamming space with multi-index hashing". Two hashes that differ in at most
`d` bits are cut into `m` bands; in one band they differ in at most `d // m` bits. So only rows are compared that have
such a band in common.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise

_BITS = 64
_FEW = 64
"""So many rows are compared one by one: tables would cost more."""
_MOST_BITS = 11
"""Of a distance; with more, so many values would have to be looked up that rows are compared one by one."""

Hashes = tuple[int, ...]


class NearRows:
    """Rows of as many pictures each, which needn't be few.

    Args:
        max_distance: bits in which two image hashes may differ.
    """

    def __init__(self, max_distance: int) -> None:
        self._max_distance = max_distance
        self._num_bands = num_bands = max_distance + 1 if max_distance <= 3 else 3 if max_distance <= 8 else 4
        self._cuts = [band * _BITS // num_bands for band in range(num_bands + 1)]
        self._flips: list[list[int]] = []
        if max_distance <= _MOST_BITS:
            self._flips = [_flips(high - low, max_distance // num_bands) for low, high in pairwise(self._cuts)]
        self._rows: list[Hashes] = []
        self._by_band: list[dict[int, list[Hashes]]] = []

    def add(self, hashes: Hashes) -> None:
        """Remember a row by its pictures' hashes, of which there is one at least."""
        self._rows.append(hashes)
        if self._by_band:
            self._index(hashes)
        elif len(self._rows) > _FEW and self._flips:
            self._by_band = [defaultdict(list) for _ in range(self._num_bands)]
            for row in self._rows:
                self._index(row)

    def holds(self, hashes: Hashes) -> bool:
        """Whether each picture is near that of one remembered row, in their order."""
        most = self._max_distance
        return any(
            all((one ^ other).bit_count() <= most for one, other in zip(hashes, row, strict=True))
            for row in (self._alike(hashes) if self._by_band else self._rows)
        )

    def _index(self, hashes: Hashes) -> None:
        for rows, value in zip(self._by_band, self._bands(hashes[0]), strict=True):
            rows[value].append(hashes)

    def _alike(self, hashes: Hashes) -> Iterator[Hashes]:
        """Rows that may be near: those whose first picture has a band almost in common; some of them several times."""
        for rows, value, flips in zip(self._by_band, self._bands(hashes[0]), self._flips, strict=True):
            for flip in flips:
                if (found := rows.get(value ^ flip)) is not None:
                    yield from found

    def _bands(self, one: int) -> list[int]:
        """What each band of a hash holds."""
        return [one >> low & (1 << high - low) - 1 for low, high in pairwise(self._cuts)]


def _flips(width: int, most: int) -> list[int]:
    """All numbers of so many bits of which at most `most` are 1."""
    return [sum(1 << bit for bit in bits) for num in range(most + 1) for bits in combinations(range(width), num)]
