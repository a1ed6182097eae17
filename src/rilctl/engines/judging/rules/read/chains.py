r"""Chains of equalities and of what follows from what: `A = a \cdot 2b = 2ab`, `2x = 6 \implies x = 3`."""

import re

FOLLOWS = re.compile(
    r"\\(?:iff|implies|Leftrightarrow|Longleftrightarrow|Rightarrow|Longrightarrow|therefore)(?![a-z])|⇔|⟺|⟹|∴"
)
"""What stands behind follows from what stands before."""
_ALIGNED = re.compile(r"\\(?:begin|end)\s?\{(?:align|aligned|equation|gather|split|eqnarray)\*?\}")
_ROW_END = re.compile(r"\\\\(?:\[[^\]]{0,9}\])?")
_SPOKEN = re.compile(r"\\(?:text|mathrm|mbox|operatorname|textbf)\s?\{([^{}]{0,60})\}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_TURNS = re.compile(
    r"\b(?:or|and|not|no|nor|if|unless|but|maybe|for|when|where|only|wrong|false|about)\b", re.IGNORECASE
)
_OTHER_RELATION = re.compile(r"[<>≤≥≠~≈?;]|!=|\\(?:[lg]eq?|ne|neq|lt|gt|approx|pm|in|to)(?![a-z])")
_LETTER = re.compile(r"[^\W\d_]")
_COMMA = re.compile(r",(?![0-9]{3}(?![0-9]))")
_LONE_NAME = re.compile(r"[\s$(\\]*(?:[A-Za-z](?:_\{?\w{1,8}\}?)?|\\[a-z]+(?:\s?\\?[a-z]+)?)\s*")


def last_member(statement: str) -> str:
    """A statement that is such a chain as its first member and its last; any other one as it is."""
    if "\\" not in statement and statement.count("=") < 2 and FOLLOWS.search(statement) is None:
        return statement
    if "\\begin" in statement:
        rows = [row for row in _ROW_END.split(_ALIGNED.sub(" ", statement)) if row.strip(" $\\[]&")]
        if len(rows) > 1 and "matrix" not in statement and all(map(is_mathematics, rows)):
            statement = rows[-1].replace("&", "").strip()
    pieces = [piece for piece in FOLLOWS.split(statement) if piece.strip(" $\\()[]")]
    if len(pieces) > 1 and all(map(is_mathematics, pieces)):
        statement = pieces[-1].strip()
    members = statement.split("=")
    if len(members) < 2 or _OTHER_RELATION.search(statement) or not is_mathematics(statement):
        return statement
    if _COMMA.search(re.sub(r"\\[,;]|\{,\}", "", statement)):
        return statement
    first, last = members[0], members[-1].strip()
    if not last.strip(" $\\()[].") or not first.strip(" $\\()["):
        return statement
    if _LONE_NAME.fullmatch(first) or (len(members) > 2 and _has_unknown(members[-2])):
        return f"{first.strip()} = {last}" if len(members) > 2 else statement
    return statement if _has_unknown(members[-2]) else f"{_opening(first)}= {last}"


def _has_unknown(member: str) -> bool:
    return _LETTER.search(_COMMAND.sub("", _SPOKEN.sub("", member))) is not None


def _opening(first: str) -> str:
    """How the first member began its mathematics, so that the last one ends it."""
    start = first.lstrip()
    return next((mark for mark in ("$$", "$", "\\(", "\\[") if start.startswith(mark)), "")


def is_mathematics(text: str) -> bool:
    """Whether a text has no words but such as name what is multiplied and measured."""
    spoken = " ".join(match[1] for match in _SPOKEN.finditer(text))
    left = _COMMAND.sub(" ", _SPOKEN.sub(" ", text))
    return _TURNS.search(spoken) is None and _TURNS.search(left) is None and _WORD.search(left) is None
