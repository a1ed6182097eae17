"""Keys in what others say: masked, however a server writes them."""

import base64

from pydantic import SecretStr

_MASK = b"[key]"
_IN_MESSAGES = 8
"""Characters of the shortest piece that is masked in a message. A server may quote part of a key, its start most of
all; a shorter piece says little, and a message loses nothing by being masked."""
_IN_ANSWERS = 12
"""The same in an answer, which is worth something: twelve characters of a random key are 48 bits or more, which come up
in no text by chance, while shorter ones may be a word of it (`sk-proj-`, `EMPTY`, a key that somebody made up)."""


class Mask:
    """Hides one key, its pieces, and both in base64; letters count as the same in upper and lower case.

    Args:
        key: None hides nothing.
    """

    def __init__(self, key: SecretStr | None) -> None:
        forms = () if key is None else _forms(key.get_secret_value())
        self._in_messages = _Finder(forms, _IN_MESSAGES, whole=True)
        self._in_answers = _Finder(forms, _IN_ANSWERS, whole=False)

    def message(self, text: str) -> str:
        """What is said of a failure, without the key."""
        return self._in_messages.masked(text)

    def answer(self, text: str) -> str:
        """What a model answered, without the key; one that is shorter than the shortest piece is no secret."""
        return self._in_answers.masked(text)


class _Finder:
    """Finds pieces of some forms in a text.

    Args:
        forms: in lower case; the key itself comes first.
        shortest: bytes of the shortest piece.
        whole: whether a key that is shorter than that is found as a whole.
    """

    def __init__(self, forms: tuple[bytes, ...], shortest: int, *, whole: bool) -> None:
        if forms and len(forms[0]) < shortest:
            forms, shortest = (forms[:1], len(forms[0])) if whole else ((), shortest)
        self._length = shortest
        self._pieces = {form[at : at + shortest] for form in forms for at in range(len(form) - shortest + 1)}
        half = max(1, shortest // 2)  # of any piece, one of the form's blocks of half the length is a part
        self._blocks = {form[at : at + half] for form in forms for at in range(0, len(form) - half + 1, half)}

    def masked(self, text: str) -> str:
        """The text with every piece, as long as it goes on, replaced."""
        raw = text.encode("utf-8", "surrogatepass")
        lower = raw.lower()  # of bytes: ASCII alone, so that places stay the same
        if not any(map(lower.__contains__, self._blocks)):
            return text
        spans = self._spans(lower)
        ends = [0, *(end for _, end in spans)]
        kept = [raw[end:start] for end, (start, _) in zip(ends, spans, strict=False)]
        return _MASK.join([*kept, raw[ends[-1] :]]).decode("utf-8", "surrogatepass")

    def _spans(self, lower: bytes) -> list[tuple[int, int]]:
        """From where to where pieces go; those that meet are one."""
        spans: list[tuple[int, int]] = []
        for at in range(len(lower) - self._length + 1):
            if lower[at : at + self._length] in self._pieces:
                start = spans.pop()[0] if spans and at <= spans[-1][1] else at
                spans.append((start, at + self._length))
        return spans


def _forms(key: str) -> tuple[bytes, ...]:
    """The key, and its base64 wherever it begins in what is encoded; all in lower case."""
    raw, encoded = key.encode(), list[bytes]()
    for shift in range(3):  # only characters whose six bits are all the key's
        first, end = -(-8 * shift // 6), 8 * (shift + len(raw)) // 6
        text = base64.b64encode(bytes(shift) + raw)[first:end]
        encoded += [text, text.translate(bytes.maketrans(b"+/", b"-_"))]
    return tuple(dict.fromkeys(form.lower() for form in (raw, *encoded)))
