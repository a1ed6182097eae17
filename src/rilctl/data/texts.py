"""What a text of a data set must be before a model reads it."""

import re

from rilctl.data.videos import refuse_video_mark
from rilctl.errors import RowError

_CONTROL = re.compile(r"<\|[\w-]{1,64}\|>|<image>|<IMG_CONTEXT>", re.IGNORECASE)
"""What chat templates are made of: in a question it would end the turn, or ask for a picture that isn't there."""


def checked(what: str, text: str) -> str:
    """The text without white space around it.

    Args:
        what: it is: `question`, `answer`, `response`, `system`.
        text: as the data set holds it.

    Raises:
        RowError: it is empty (`question-empty`), `template-token`, `video-unsupported`.
    """
    stripped = text.strip()
    if not stripped:
        raise RowError(f"{what}-empty", f"the {what} is empty")
    without_markup(what, stripped)
    return stripped


def without_markup(what: str, text: str) -> str:
    """The text as it is. Raises `RowError`: `template-token`, `video-unsupported`, `text-invalid`."""
    refuse_video_mark(text)
    if found := _CONTROL.search(text):
        raise RowError("template-token", f"the {what} holds `{found.group()}`")
    return encodable(text, f"the {what}")


def encodable(text: str, what: str) -> str:
    """Half of a surrogate pair can come out of JSON, and can't be written anywhere. Raises `RowError`."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError("text-invalid", f"{what} is not valid Unicode") from error
    return text
