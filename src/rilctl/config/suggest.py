"""Did you mean: the nearest of the names that would have been right."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, or None; case and `_` against `-` don't count."""
    by_plain_form = {_plain(candidate): candidate for candidate in candidates}
    matches = get_close_matches(_plain(word), by_plain_form, n=1, cutoff=0.6)
    return by_plain_form[matches[0]] if matches else None


def nearest_file(path: Path, siblings: Iterable[Path]) -> Path | None:
    """The file whose name, without its ending, is near that of `path`: an ending that both have is no likeness."""
    by_stem = {sibling.stem: sibling for sibling in siblings}
    return by_stem.get(nearest(path.stem, by_stem) or "")


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``"; did you mean `x`?"``, to be put behind a message, or nothing."""
    match = nearest(word, candidates)
    return f"; did you mean `{match}`?" if match else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
