"""A value beside an option's letter, with nothing else: `80°, option D`, `D (9)`."""

import re

_NOUN = r"(?:(?:the |an? )?(?:option|choice|answer|letter)(?: is)? |(?:对应)?选项\s?(?:是|为|:)?\s?)"
_AND = r"(?:(?:and|so|which is|that is|i\.e\.|namely|corresponding to|which (?:corresponds to|matches)),? )?"
_LETTER_LAST = re.compile(
    rf"(\S.{{0,60}}?)(?:\s?[(\[]\s?{_NOUN}?([A-J])\s?[)\]]|[,;:]\s?{_AND}{_NOUN}?[(\[]?([A-J])[)\]]?"
    rf"|\s{_AND}{_NOUN}[(\[]?([A-J])[)\]]?)[\s.]*"
)
_LETTER_FIRST = re.compile(rf"{_NOUN}?[(\[]?([A-J])[)\]]?(?:\s?[,:=]\s?|\s(?=\())\(?([^()]{{1,60}})\)?[\s.]*")


def beside_letter(text: str) -> tuple[str, str] | None:
    """The letter and what stands beside it, or None where a (plain) text is anything else."""
    if found := _LETTER_FIRST.fullmatch(text):
        return found[1], found[2].strip(" .")
    if found := _LETTER_LAST.fullmatch(text):
        return found[2] or found[3] or found[4], found[1].strip()
    return None
