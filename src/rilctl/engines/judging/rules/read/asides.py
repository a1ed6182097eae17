"""Sentences of a response that speak about an answer, or of something else, and so give none."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.kinds.base import Kind
from rilctl.engines.judging.rules.read.accounted import takes_back
from rilctl.engines.judging.rules.read.clauses import LAST_QUESTION
from rilctl.engines.judging.rules.read.echo import asked_words, is_turned
from rilctl.engines.judging.rules.read.phrases import ACCORDING_TO_KEY, CORRECTION
from rilctl.engines.judging.rules.read.statements import split_statements
from rilctl.engines.judging.rules.read.subjects import is_about_another

_DESCRIBED = re.compile(
    r"\b(?:(?:start|begin|end|rhyme)s?(?:\s+(?:with|in|on)\b)|(?:is|are) (?:similar|close|equivalent in kind) to\b"
    r"|(?:first|last|only one) (?:digit|letter|character)\b)",
    re.IGNORECASE,
)
"""Tells what an answer is like."""
_ASKS_DESCRIPTION = re.compile(r"\b(?:start|begin|end|rhyme|similar|close|digit|letter|character)", re.IGNORECASE)
_DESCRIBABLE = re.compile(
    r"^\W*(?:(?:the|its|my|this|that|correct|right|final|so|and)\s+)*(?:answer|result|number|word|letter|solution|name"
    r"|value|count|total|option|it|that)\b",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"\W*(?:(?:the|a|an|one|my|its|your|his|her|their|any|some)\s)?(?:\w+\s)?(?:wrong|incorrect|false|obvious"
    r"|tempting|naive|intuitive|common"
    r"|previous|earlier|initial|old|original|usual|expected|typical|popular|bad|rejected|alternative|other|another)\s"
    r"(?:\w+\s)?(?:answer|option|choice|result|solution|guess|mistake|error|response)s?\b",
    re.IGNORECASE,
)
"""An answer that is spoken of and isn't given."""
_REPORTED = re.compile(
    r"\b(?:(?:am|was|were|been|are) told|(?:user|prompt|hint|caption|system|someone|somebody|people|they|he|she)"
    r" (?:all )?(?:say|said|claim|claimed|think|thought|believe|suggest)(?:s|ed)?|i(?:'ve| have)? heard|it is said"
    r"|(?:many|some|most|others?|one|someone|somebody|anyone)(?: people| students| models| would| might| could"
    r"| may| will){0,2} (?:say|think|guess|believe|expect|assume)"
    r"|supposedly|allegedly)\b"
    r"(?=.{0,40}\b(?:is|are|be|was|yes|no|[A-J]|[0-9]+)\b)"
    rf"|\b{ACCORDING_TO_KEY}",
    re.IGNORECASE,
)
"""What others say."""
_HINT = re.compile(
    "old |former|believ|expect|assum|start|begin|end|rhyme|similar|close|equivalent|digit|letter|character|told"
    "|say|said|claim|think|thought|beli|sugg|heard"
    "|wrong|incorrect|obvious|tempting|naive|intuitive|common|previous|earlier|initial|original|usual|expected|typical"
    "|popular|rejected|alternative|other"
    "|first|according to|suppos|alleg|not|n't|never|illeg|unrea|unkn|uncl|cut off|missing"
)
"""A text without any of these needs no closer look."""
_AT_FIRST = re.compile(
    r"\b(?:at first|first|initially|originally)\b,?\s(?:i |we )?(?:had )?(?:count|thought|said|read|guess|assum"
    r"|got|took|believ|saw)\w*\b"
    r"|\b(?:the|its) (?:old|former|previous|earlier) \w+ (?:was|is)\b"
    r"|\bi (?:had )?(?:first |at first |initially )?(?:count|thought|read|guess|assum"
    r"|believ)\w*\b[^.]{1,60}\b(?:at first|initially)\b",
    re.IGNORECASE,
)
"""What someone took for the answer before."""
_SPEAKS_OF = re.compile(rf"(?:^|[.!?;\n]\s*){_NO_ANSWER.pattern}", re.IGNORECASE)
_BUT = re.compile(r",?\s+(?:but|however|yet|though|although)\b[ ,]*", re.IGNORECASE)
_UNREADABLE = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|could not|isn't|aren't|not|never)\s(?:be\s)?(?:(?:fully|clearly|really)\s)?"
    r"(?:read|seen|determined|told|known|identified|legible|readable|visible|shown|stated|given|available)\b"
    r"|\b(?:illegible|unreadable|unknown|unclear|cut off|missing)\b",
    re.IGNORECASE,
)
"""Says that what was asked for can't be had."""
_HAS_SUBJECT = re.compile(
    r"[\u4e00-\u9fff]{1,12}[是为]|[Tt]he\s[^.\n]{2,60}\s(?:is|are|was|were|has|have|says|reads|\w+s|holding|wearing)\s"
)
_AT_END = r"(?=\W*$|[,.;]| and\b)"
_RIVALS = tuple(
    tuple(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for pattern in group)
    for group in (
        (
            r"open(?:s|ed|ing)?(?! (?:until|till|to)\b)|found(?:ed)?|established|creat(?:ed|ion)|built|launched"
            r"|inaugurated",
            r"clos(?:e|es|ed|ing)|shut(?:s|ting)?|dissolved|abolished|demolished|destroyed|burn(?:ed|t)",
            r"renovat(?:ed|ion)|restor(?:ed|ation)|rebuilt|extended|enlarged|modernised|modernized",
            r"moved|relocated",
            r"sold|bought|acquired",
            r"born",
        ),
        (r"start(?:s|ed|ing)?|beg[iau]n(?:s|ning)?", r"end(?:s|ed|ing)?|finish(?:es|ed|ing)?|stop(?:s|ped)?"),
        (r"born|birth", r"di(?:es?|ed)|death", r"married|wedding", r"issued", r"expir(?:es?|ed|y|ation)"),
        tuple(rf"(?:says?|said|answer(?:ed|s)?|voted?|replied|chose) ['\"]?{said}" for said in ("yes", "no")),
        (r"agreed?", r"disagreed?"),
        (r"(?:for|in favou?r)(?= (?:of )?(?:it|the|this)\b|\W*$)", r"against"),
        (
            r"highest|largest|biggest|most|greatest|maximum|peak(?:s|ed)?",
            r"lowest|smallest|least|minimum|fewest",
            r"runner-up|(?:comes|ranks|placed?|is) (?:second|third|fourth|last)|(?:second|third|fourth|last) place",
        ),
        (r"tallest|longest", r"shortest"),
        (r"oldest|earliest", r"youngest|newest|latest"),
        (r"w[io]n(?:s|ning)?|winner", r"los(?:e|es|t|er)"),
        (r"fastest|quickest", r"slowest"),
        (r"heaviest", r"lightest"),
        (r"cheapest", r"dearest|most expensive"),
        (r"first", r"last"),
        (r"(?<=on the )left|left(?= (?:side|hand|one|of|picture|image|page|bar|half)|\W*$)", r"right"),
        (r"top", r"bottom"),
        (r"above", r"below"),
        (r"increase[sd]?|r[io]se[sn]?|gr[eo]w[sn]?", r"decrease[sd]?|f[ae]ll[s]?|fallen|drop(?:s|ped)?|decline[sd]?"),
        (r"arriv(?:e|es|ed|al)|destination", r"depart(?:s|ed|ure)?|leaves?|com(?:e|es|ing) from|origin"),
        (r"b(?:uy|uys|ought)|buyer", r"s(?:ell|ells|old)|seller"),
        (
            rf"widths?|wide{_AT_END}|how wide", rf"heights?|(?:high|tall){_AT_END}|how (?:high|tall)",
            rf"depths?|deep{_AT_END}|how deep", r"weights?|weighs?|how heavy", r"radius|radii", r"diameters?",
            r"perimeters?|circumference", r"areas?", r"volumes?", rf"lengths?|long{_AT_END}|how long",
        ),
        (r"mean|average", r"median", r"mode"),
        (r"m[ae]n|boys?|he|his|male|father|gentleman", r"wom[ae]n|girls?|she|her|female|mother|lady"),
        (r"total", r"subtotal|sub-total"),
        (r"profits?", r"revenues?|turnover", r"costs?"),
    )
)  # fmt: skip
"""What a question asks about, and what it then doesn't: a sentence about the others alone answers another question."""
_HAN_RIVALS = tuple(
    (re.compile(asked), re.compile(other))
    for asked, other in (
        ("最高|最大|最多", "最低|最小|最少|第二|第三"),
        ("最低|最小|最少", "最高|最大|最多"),
        ("左", "右"),
        ("右", "左"),
        ("上升|增加|增长", "下降|减少"),
        ("下降|减少", "上升|增加|增长"),
        ("到达", "出发"),
        ("出发", "到达"),
        ("开", "关"),
        ("关", "开"),
    )
)
"""The same in Chinese, each in one direction."""
_SIDES = frozenset(pattern for group in _RIVALS if group[1].pattern == r"\b(?:right)\b" for pattern in group)
_RUNNER_UP = re.compile(
    r"\b(?:second|third|fourth|fifth|sixth|2nd|3rd|[4-9]th|next)[ -](?:(?:most|least)\b|\w+est\b)", re.IGNORECASE
)
"""The second highest isn't the highest."""
_A_YEAR = re.compile(r"(?<![\w.,$€£/-])(?:1[5-9]|20)[0-9]{2}(?![\w%/-]|[.,][0-9])")
_OF_YEAR = re.compile(
    r"\b(?:in|of|by|for|during) (?:the year )?((?:1[5-9]|20)[0-9]{2})\b(?!\s?%)"
    r"|^\W*((?:1[5-9]|20)[0-9]{2}): ",
    re.IGNORECASE,
)
_ASKS_YEAR = re.compile(r"\b(?:years?|when|since|date|range|period)\b", re.IGNORECASE)
_END_OF_SCALE = re.compile(
    r"\W*(?:the |its )?(?:\w+est|maximum|minimum|most|least|top|bottom)(?: \w+){0,3}? (?:is|was|are|were|has"
    r"|shows)\b|\W*\d\S* is the \w+est\b",
    re.IGNORECASE,
)
_ASKS_OF_ENDS = re.compile(
    r"\b(?:differences?|differ|sum|range|ratio|average|mean|median|gap|product|more|less)\b", re.IGNORECASE
)
_ANY_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_LEFT, _RIGHT = re.compile(r"\bleft\b", re.IGNORECASE), re.compile(r"\bright\b", re.IGNORECASE)
_CLAUSE_START = re.compile(r";\s|,\s(?=(?:so|and|while|whereas|its|the)\b|\w+: )|\s(?=\((?:the|its)\b)")
_AND = re.compile(r"^(?:and|while|whereas)\s", re.IGNORECASE)
_LISTED = re.compile(r"\s*(?:[-*•]|[0-9]{1,2}[.)])\s")
_SAYS_YES_NO = re.compile(r"\W*(?:yes|no|true|false)\b", re.IGNORECASE)
_NO_RIVALS = re.compile(r"\b(?:opposite|antonym|contrary|difference|reverse|inverse|range)\b", re.IGNORECASE)
_MIN_WORDS = 4
"""Of a sentence about something else: a shorter one may be the answer itself."""


def without_asides(text: str, question: str, kind: Kind) -> str:
    """Without sentences that give no answer, and without all before one that says that none can be given.

    Args:
        text: tidy.
        question: what it asks for may be told in such words: `It starts with B` of what a word starts with.
        kind: of the answer that the question has.
    """
    is_named = not (kind.is_closed and not kind.is_of_values) and _HAS_SUBJECT.search(text) is not None
    others = [] if not is_named else [each for each in split_statements(text) if is_about_another(each, question)]
    pairs = list(_asked_rivals(question))
    if pairs:
        said = _RUNNER_UP.sub("runner-up", text)
        pairs = [pair for pair in pairs if pair[1].search(said)]
    if kind.keeps_denials:  # whose answers are opposites
        pairs = [] if _SAYS_YES_NO.match(text) else [pair for pair in pairs if pair[0] in _SIDES]
    years = _asked_years(question)
    others += [each for each in split_statements(text) if _is_of_another_year(each, years)] if years else []
    if "ratio" in question:
        others += [each for each in split_statements(text) if is_turned(each, question)]
    if _asks_of_ends(question) and _END_OF_SCALE.match(text):
        others += [each for each in split_statements(text) if _is_step_of(each)]
    if not pairs and not others and not _HINT.search(text.casefold()):
        return text
    described = _DESCRIBED.search(text) is not None and not _ASKS_DESCRIPTION.search(question)
    reported = _REPORTED.search(text) is not None
    unreadable = _UNREADABLE.search(text) is not None and not _UNREADABLE.search(question)
    named = _SPEAKS_OF.search(text) is not None
    first = _AT_FIRST.search(text) is not None
    if not (first or others or named or described or reported or unreadable or pairs):
        return text
    kept: list[str] = []
    asked = asked_words(question)
    statements = split_statements(text)
    is_below = False
    for place, statement in enumerate(statements):
        if is_below and (_LISTED.match(statement) or statements[place - 1].rstrip("* ").endswith(":")):
            continue
        is_below = False
        if first and _AT_FIRST.search(statement) and not CORRECTION.search(statement):
            own = _BUT.split(statement, maxsplit=1)
            if own[1:] or place + 1 < len(statements):
                kept += own[1:]
                continue
        if (statement in others and not takes_back(statement)) or (named and _NO_ANSWER.match(statement)):
            continue
        if described and _DESCRIBED.search(statement) and _DESCRIBABLE.match(statement):
            continue
        if reported and _REPORTED.search(statement):
            own = _BUT.split(statement, maxsplit=1)
            kept += own[1:]
            continue
        if unreadable and (refused := _UNREADABLE.search(statement)) and _names(statement[: refused.start()], asked):
            kept.clear()
            continue
        if (
            pairs
            and (not kind.explains or len(statement.split()) >= _MIN_WORDS)
            and "=" not in statement
            and _is_about_rival(statement, pairs)
        ):
            is_below = statement.rstrip("* ").endswith(":")
            continue
        kept.append(_without_rival_clause(statement, pairs) if pairs else statement)
    return _joined(kept, text)


def _joined(kept: list[str], text: str) -> str:
    """Statements that were kept, on lines of their own where they were, or where their end is gone."""
    found = ""
    for statement in kept:
        place = text.find(statement)
        is_line = place < 1 or text[:place].rstrip(" ")[-1:] == "\n" or found[-1:] not in (".", "!", "?", ";")
        found += f"\n{statement}" if is_line and found else f" {statement}" if found else statement
    return found


@lru_cache(maxsize=1024)
def _asks_of_ends(question: str) -> bool:
    return _ASKS_OF_ENDS.search(question) is not None


def _is_step_of(statement: str) -> bool:
    """Whether a statement gives an end of what is then compared: `The highest value is 27`."""
    return (
        _END_OF_SCALE.match(statement) is not None
        and not _ASKS_OF_ENDS.search(statement)
        and len(_ANY_NUMBER.findall(statement)) == 1
    )


def _without_rival_clause(statement: str, pairs: list[tuple[re.Pattern[str], re.Pattern[str]]]) -> str:
    """Without the clause about what wasn't asked, beside one about what was: `The width is 3, so its area is 9`."""
    parts = _CLAUSE_START.split(statement)
    is_rival = [_is_about_rival(part, pairs) for part in parts]
    is_own = [any(one.search(part) and not other.search(part) for one, other in pairs) for part in parts]
    if len(parts) != 2 or is_rival[0] is is_rival[1] or is_own == is_rival or is_own[0] is is_own[1]:
        return statement
    own, other = parts if is_own[0] else reversed(parts)
    return _AND.sub("", own) if any(map(str.isdigit, statement)) and not takes_back(other) else statement


def _is_about_rival(statement: str, pairs: list[tuple[re.Pattern[str], re.Pattern[str]]]) -> bool:
    said = _RUNNER_UP.sub("runner-up", statement)
    return any(other.search(said) and not one.search(said) for one, other in pairs)


@lru_cache(maxsize=1024)
def _asked_years(question: str) -> frozenset[str]:
    """The years of which something else is asked."""
    return frozenset() if _ASKS_YEAR.search(question) else frozenset(_A_YEAR.findall(question))


def _is_of_another_year(statement: str, asked: frozenset[str]) -> bool:
    found = {match[1] or match[2] for match in _OF_YEAR.finditer(statement)}
    return bool(found) and asked.isdisjoint(_A_YEAR.findall(statement)) and "=" not in statement


@lru_cache(maxsize=1024)
def _asked_rivals(question: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    """Pairs of (what the question names, what it then isn't about)."""
    if _NO_RIVALS.search(question):
        return ()
    question = _RUNNER_UP.sub("runner-up", _asked_sentence(question))
    has_sides = _LEFT.search(question) is not None and _RIGHT.search(question) is not None
    groups = [group for group in _RIVALS if not (has_sides and _SIDES.issuperset(group))]
    found = [(one, other) for group in groups for one in group for other in group if one is not other]
    found += [] if question.isascii() else _HAN_RIVALS
    return tuple((one, other) for one, other in found if one.search(question) and not other.search(question))


def _asked_sentence(question: str) -> str:
    """The last sentence with a question mark and what stands behind it; what is told before may name rivals too."""
    found = list(LAST_QUESTION.finditer(question))
    return question[found[-1].start() :] if found else question


def _names(text: str, asked: frozenset[str]) -> bool:
    """Whether a text names what the question does, in more than small words."""
    words = [word.strip(".,;:!?\"'()").casefold() for word in text.split()]
    return any(len(word) > 3 and word in asked for word in words)
