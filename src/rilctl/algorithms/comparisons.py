"""Many comparisons at once: what is left of a small p when it was looked for in many places."""

from collections.abc import Mapping


def holm(p: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's adjusted p (1979): below 0.05, a difference that is one at 5 % for all comparisons together."""
    adjusted, largest = dict[tuple[str, str], float](), 0.0
    for place, (pair, value) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p) - place) * value))
        adjusted[pair] = largest
    return {pair: adjusted[pair] for pair in p}
