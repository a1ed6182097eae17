"""Which rows must be on one side of a split: the answers of one conversation, and rows that show one picture."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rilctl.data.sample import ImageRef, Sample
from rilctl.errors import RowError


def conversation_of(row_id: str) -> str:
    """What comes before the last `#` of an id, which all answers of one conversation share."""
    return row_id.rpartition("#")[0] or row_id


def groups_by_image(samples: Iterable[Sample]) -> dict[str, str]:
    """For each conversation the name of its group: the first, by name, of those that it shares pictures with.

    Sharing goes on: of a, b and c, where b shares one picture with a and another with c, all three are one group. A
    conversation whose pictures are its own is a group of its own, so its side is the same as without this.
    """
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents[name] != name:
            parents[name] = name = parents[parents[name]]
        return name

    first_with: dict[Path | str, str] = {}
    for sample in samples:
        conversation = conversation_of(sample.id)
        parents.setdefault(conversation, conversation)
        for image in sample.images:
            key = _identity(image)
            if key is None:
                continue
            one, other = root(conversation), root(first_with.setdefault(key, conversation))
            parents[max(one, other)] = min(one, other)
    return {name: root(name) for name in parents}


def largest_share(groups: Mapping[str, str]) -> float:
    """Of all conversations, how many are in the largest group."""
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    return max(sizes.values(), default=0) / max(len(groups), 1)


def _identity(image: ImageRef) -> Path | str | None:
    """A file by its path, anything else by its content; None where it can't be read, which rejects its row later."""
    if isinstance(image.origin, Path):
        return image.origin
    try:
        return image.digest
    except RowError:
        return None
