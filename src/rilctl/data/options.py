"""Multiple choice: options from a column, and the letter of the right one."""

from collections.abc import Sequence

from rilctl.errors import RowError

LETTERS = "ABCDEFGHIJ"
"""As many options as the rules of the judge tell apart."""


def read_options(value: object, column: str) -> tuple[str, ...]:
    """The texts of the options.

    Raises:
        RowError: `choices-invalid`: no list of 2 to 10 texts or numbers.
    """
    if not isinstance(value, list | tuple):
        raise RowError("choices-invalid", f"`{column}` must be a list, found {type(value).__name__}")
    texts = tuple(str(each).strip() for each in value if isinstance(each, str | int | float))
    if len(texts) < len(value) or not all(texts):
        raise RowError("choices-invalid", f"`{column}` holds an option that is no text or number")
    if not 2 <= len(texts) <= len(LETTERS):
        raise RowError("choices-invalid", f"`{column}` holds {len(texts)} options, not 2 to {len(LETTERS)}")
    return texts


def lettered(options: Sequence[str]) -> str:
    """The options as the judge reads them in a question: `A. …`, a line for each."""
    return "\n".join(f"{letter}. {' '.join(option.split())}" for letter, option in zip(LETTERS, options, strict=False))


def right_letter(answer: object, options: Sequence[str], column: str) -> str:
    """The letter of the right option.

    Args:
        answer: an option's text, its letter, or its index from 0; a whole number in text is an index too, where no
            option reads so.
        options: their texts.
        column: of the answer, for messages.

    Raises:
        RowError: `answer-invalid`: none of these.
    """
    letters = LETTERS[: len(options)]
    text = str(answer).strip()
    if isinstance(answer, int) and not isinstance(answer, bool):
        place = answer
    elif options.count(text) == 1:
        place = options.index(text)
    elif len(text.strip("().")) == 1 and text.strip("().").upper() in letters:
        place = letters.index(text.strip("().").upper())
    elif text.isdecimal():
        place = int(text)
    else:
        raise RowError("answer-invalid", f"`{column}` is neither an option, nor its letter or index: {text[:80]!r}")
    if not 0 <= place < len(options):
        raise RowError("answer-invalid", f"`{column}` is {place}, and the options are numbered 0 to {len(options) - 1}")
    return letters[place]
