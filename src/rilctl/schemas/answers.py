"""Ground truths as text: one form for a text, a number, true or false, a list, and several answers that all are right.

A ground truth is a text in every record, and what is written there decides how a response is compared with it. Of
several accepted answers it is `{"one of": ["yes", "yeah"]}`.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping

from rilctl.errors import RowError

_KEY = "one of"


def answer_text(value: object, column: str) -> str:
    """A ground truth as text, from what a data set or a line of JSON holds.

    Args:
        value: a text, a number, true or false; a list of accepted answers, or of objects with an `answer`, as VQA has
            them: then those that are given more often come first. A list in a list is one answer that is a list.
        column: for messages.

    Returns:
        Empty where there is none.

    Raises:
        RowError: `field-type` or `text-invalid`.
    """
    if not isinstance(value, list | tuple):
        return _one(value, column)
    texts = [_one(_bare(item), column).strip() for item in value]
    accepted = [text for text, _ in Counter(text for text in texts if text).most_common()]
    return accepted[0] if len(accepted) == 1 else one_of(accepted) if accepted else ""


def accepted_answers(answer: str) -> tuple[str, ...]:
    """The answers that a ground truth accepts, the first one first; itself where it is a single one."""
    if answer.startswith(f'{{"{_KEY}"'):
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError):
            return (answer,)
        texts = found.get(_KEY)
        if len(found) == 1 and isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
            return tuple(texts)
    return (answer,)


def one_of(answers: list[str]) -> str:
    """The ground truth that accepts each of these."""
    return json.dumps({_KEY: answers}, ensure_ascii=False)


def _bare(item: object) -> object:
    if isinstance(item, Mapping) and "answer" in item:
        return item["answer"]
    return json.dumps(item, ensure_ascii=False) if isinstance(item, list | tuple) else item


def _one(value: object, column: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        found = type(value).__name__
        raise RowError("field-type", f"`{column}` must be a text, a number, true, false or a list, found {found}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError("field-type", f"`{column}` is {value}")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError("text-invalid", f"`{column}` is not valid Unicode") from error
    return text
