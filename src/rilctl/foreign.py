"""Text that somebody else wrote, such as an id, a file's name or a server's answer, on its way to a terminal.

A terminal obeys what it is sent: an escape sequence sets its title or clipboard, hides what stands above, or shows a
link that leads elsewhere; a control for text from right to left shows letters in another order than they have.
"""

import unicodedata

_NOT_SEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control and format characters, halves of surrogate pairs, ends of lines and paragraphs."""
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that only shape their neighbours, in Persian, Hindi and emoji."""


def printable(text: str) -> str:
    r"""The text with every character that isn't to be seen as an escape such as `\x1b`; lines and tabs stay."""
    return text if text.isprintable() else "".join(c if c in "\n\t" else _escaped(c) for c in text)


def one_line(text: str) -> str:
    """The same with line feeds and tabs escaped as well: what stands within a line can't begin another one."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def is_seen(character: str) -> bool:
    """Whether a terminal shows a character, and does nothing else."""
    return character in _JOINERS or unicodedata.category(character) not in _NOT_SEEN


def _escaped(character: str) -> str:
    return character if is_seen(character) else character.encode("unicode_escape").decode()
