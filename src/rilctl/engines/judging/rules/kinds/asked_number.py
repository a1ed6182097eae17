"""What a question that asks for a number says of it: a year, a percentage, how many, whose, in which scale."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rilctl.engines.judging.rules.kinds.counted import names_one
from rilctl.engines.judging.rules.kinds.portions import asks_portion
from rilctl.engines.judging.rules.read.clauses import stem
from rilctl.engines.judging.rules.read.echo import asked_words
from rilctl.engines.judging.rules.read.phrases import SMALL_WORDS

VERDICT = re.compile(
    r"\b(?:verdict|scor(?:e|ed|es)|grad(?:e|ed)|rat(?:ed|ing)|reward|judge?ment|points?|solution [0-9]"
    r"|(?<!cm )(?<!mm )(?<!ml )(?<!inch )marks?"
    r"|correct(?:ness)?(?! (?:answer|option|choice|result|value|number|count|total|sum)))\b",
    re.IGNORECASE,
)
_ASKS_PERCENT = re.compile(r"\bper ?cent(?:age)?\b|(?<![0-9])%", re.IGNORECASE)
_ASKS_RATE = re.compile(
    r"\b(?:unemployment|inflation|interest|growth|tax|literacy|mortality|success|error|vacancy) rate\b", re.IGNORECASE
)
_NO_NOUN = frozenset({
    "above", "below", "before", "after", "until", "there", "it", "is", "are", "was", "were", "has", "have", "how",
    "many", "much", "does", "do", "log", "ln", "sin", "cos", "tan", "exp", "sqrt",
})  # fmt: skip
_UNKNOWN_ASKED = re.compile(r"\b(?:(?:[Ss]olve for|[Vv]alue of|[Ff]ind) \$?([a-z])|[Ww]hat is \$?([b-z]))\$?(?![\w(^])")
_NUMBER_SIGN = re.compile(r"^\W*(?:v(?=[0-9])|(?:no|nr)\.|number|#|№)\s?(?=[0-9])", re.IGNORECASE)
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9, "万元": 10**4, "亿元": 10**8}
_ASKS_SCALE = re.compile(r"(?:(?<=\bin )|\(|(?<=\(in ))(?:thousand|million|billion)s?\b|万元|亿元", re.IGNORECASE)
_ASKS_MORE = re.compile(r"\bhow (?:many|much) more\b", re.IGNORECASE)
_COMPARES = re.compile(
    r"(?P<one>[^?.;\n]*)\b(?P<how>more|less|fewer|\w{3,}er)\b(?P<more>[^?.;\n]{0,80}?)\bthan\s(?P<other>[^?.,;\n]{2,60})\?",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\s(?P<how>more|less|fewer|\w{3,}er)(?P<more>\s[^,.;:?0-9]{1,40}?)? than"
    r"\s(?P<other>[^,.;:?0-9]{2,60}?)(?=\sby\s|[,.;:?0-9]|$)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_ASKS_MOMENT = re.compile(r"\bwhen (?:will|would|does|do|is|are)\b|\bafter how|\bhow (?:long|soon)\b", re.IGNORECASE)
_AFTER = re.compile(
    r"(?<!long )(?<!time )(?<!shortly )(?<!soon )(?<!while )(?<!well )(?<!sometime )(?<!only )\bafter "
    r"(?=[0-9][0-9.,/ ]*(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b)",
    re.IGNORECASE,
)
_ASKS_START = re.compile(r"\b(?:found|establish|exist|start|since|open|begin|began|creat|built)", re.IGNORECASE)
_ASKS_ID = re.compile(
    r"\b(?:(?:which|what(?: is the| number| line)?|the) (?:\w+ )?(?:number|no\.|route|line|room|gate|platform"
    r"|bus|flat|seat|track"
    r"|house number|page|exit|pier|bay|lot|id|code)|number (?:of|on) the \w+(?<!s)\b)",
    re.IGNORECASE,
)
_GLUED_LETTER = re.compile(r"(?<![A-Za-z])[0-9]+(?![ixyn])[A-Za-z]\b")


_SHORT = 2
_NO_NAMES = frozenset({"It", "He", "So", "We", "I", "In", "On", "At", "By", "As", "An", "A"})
_THAT = frozenset({"that", "it", "him", "her", "them", "other"})


def _things(text: str) -> frozenset[str]:
    """Stems of words that name something; two letters are enough for a name."""
    words = [
        word for word in _WORD.findall(text) if len(word) > _SHORT or (word[0].isupper() and word not in _NO_NAMES)
    ]
    return frozenset(stem(word) for word in map(str.casefold, words) if word in _THAT or word not in SMALL_WORDS)


@dataclass(frozen=True)
class AskedNumber:
    """What a question says of the number that it asks for.

    Args:
        question: as it was asked.
        percent: whether it asks for a percentage.
        rate: whether for a rate that is one as a rule.
        portion: whether for a part of something.
        year: whether for a year.
        start: whether for one in which something began.
        how_many: whether it counts.
        how: whether it counts or measures.
        more: whether it asks how much more.
        identifier: whether it asks for a number that names something, as a bus or a room has one.
        scale: in thousands, millions of what; else 1.
        unknown: the letter whose value is asked for; empty where there is none.
        numbers: its own.
        verdicts: its own words that others use of an answer.
    """

    question: str
    percent: bool
    rate: bool
    portion: bool
    year: bool
    start: bool
    how_many: bool
    how: bool
    more: bool
    identifier: bool
    scale: int
    unknown: str
    numbers: frozenset[str]
    verdicts: frozenset[str]

    def is_id(self, text: str) -> bool:
        """Whether a text that should name a bus, a room and so on has a number with a letter: `57A` is no 57."""
        return self.identifier and _GLUED_LETTER.search(text) is not None

    def compared(self, text: str) -> str | None:
        """`X is 5 more than Y` without the comparison, where is asked how much more `X` is; None of `Y` or another."""
        asked, said = _COMPARES.search(self.question), _COMPARED.search(text)
        if asked is None or said is None or asked["how"].casefold() != said["how"].casefold():
            return text
        one, other = _things(f"{asked['one']} {asked['more']}"), _things(asked["other"])
        subject, object_ = _things(f"{text[: said.start()]} {said['more'] or ''}"), _things(said["other"])
        is_of_one = not subject or bool(subject & one and not subject & (other - one))
        is_of_other = bool(object_ & (other | _THAT)) and object_ <= _things(self.question) | _THAT
        if not is_of_one or not is_of_other or object_ & (one - other):
            return None
        return text[: said.start()] + (said["more"] or "") + text[said.end() :]

    def without_after(self, text: str) -> str:
        """`after 32 minutes` as `32 minutes`, where is asked when something will be so."""
        return _AFTER.sub("", text) if "fter " in text and _ASKS_MOMENT.search(self.question) else text

    def counts(self, unknown: str) -> bool:
        """Whether the values of an unknown are counted: `x = 2` is none of how many solutions there are."""
        return self.how_many and re.search(rf"(?<![A-Za-z\\]){unknown}(?![A-Za-z])", self.question) is not None

    def without_echo(self, text: str) -> str:
        """Without the question's words before a number, `chapter 7`, and its sign: `No. 23`."""
        if not self.how and text[:1] in "nN#№(":
            text = _NUMBER_SIGN.sub("", text)
        words, asked = text.split(), asked_words(self.question) - _NO_NOUN
        if self.how_many and len(words) == 2 and names_one(f"{words[0]} ", self.question):
            return text
        while words and words[0].strip(".:,").isalpha() and words[0].strip(".:,").casefold() in asked:
            words = words[1:]
        return " ".join(words)


@lru_cache(maxsize=1024)
def asked_number(question: str) -> AskedNumber:
    """What a (tidy) question says of the number that it asks for."""
    scale, unknown = _ASKS_SCALE.search(question), _UNKNOWN_ASKED.search(question)
    year = re.search(r"\b(?:years?|when)\b", question, re.IGNORECASE) is not None
    how = re.search(r"\bhow\b", question, re.IGNORECASE) is not None
    return AskedNumber(
        question,
        percent=_ASKS_PERCENT.search(question) is not None,
        rate=_ASKS_RATE.search(question) is not None,
        portion=asks_portion(question),
        year=year,
        start=year and _ASKS_START.search(question) is not None,
        how_many=re.search(r"\bhow many\b", question, re.IGNORECASE) is not None,
        how=how,
        more=_ASKS_MORE.search(question) is not None,
        identifier=not how and _ASKS_ID.search(question) is not None,
        scale=1 if scale is None else _SCALES[scale[0].casefold().strip("( ").rstrip("s")],
        unknown=unknown[1] or unknown[2] if unknown else "",
        numbers=frozenset(re.findall(r"[0-9]+", question)),
        verdicts=frozenset(word.casefold() for word in VERDICT.findall(question)),
    )
