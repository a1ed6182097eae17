"""Who or what did what was asked: `Ajax` of `Ajax won the match by 3 goals to 1`."""

import re
from functools import lru_cache

from rilctl.engines.judging.rules.read.clauses import stem
from rilctl.engines.judging.rules.read.echo import DOUBLED
from rilctl.engines.judging.rules.read.phrases import SMALL_WORDS

_EDGE = ".,;:!?\"'()[]*_ "
DIRECTIONS = frozenset({"for", "from", "into", "onto", "than", "about", "with", "to", "by", "without"})
"""Say who does it to whom."""
_ASKS_WHO = re.compile(
    r"(?:[^?]*[,.:]\s)?(?:who|whom|(?:which|what)(?: of the)?(?: \w+){1,2}?)"
    r"(?=\s(?:is|was|are|were|has|have|had|won|wrote|made|took|got|led|built|sent|sold|bought|ran|came|held"
    r"|\w+ed|\w+s)\s)\s([^?]*)\??\W*$",
    re.IGNORECASE,
)
_ACCORDING = re.compile(
    r",?\s(?:according to|based on|as (?:shown|seen)|shown|in the (?:chart|image|picture|graph|photo|table|map"
    r"|diagram|plot))\b.*$",
    re.IGNORECASE,
)
_PASSIVE = re.compile(r"\s(?:is|was|are|were|has been|have been)\s(?:\w+ly\s)?(\w+)\sby\s([^,;]{2,80})$", re.IGNORECASE)
_COPULAS = frozenset({"is", "was", "are", "were"})
_NO_DOERS = frozenset({
    "it", "this", "that", "he", "she", "they", "there", "these", "those", "here", "nobody", "none", "no",
    "neither", "not", "if", "when",
    "what", "which", "who", "everyone", "everybody", "someone", "both", "either", "one", "in", "on", "at", "by",
})  # fmt: skip
_MAX_DOER = 6
_MAX_REST = 5
_MIN_AGENT = 4
_AGENT = re.compile(r"(?:er|or)$")
_IRREGULAR = {
    form: base
    for base, forms in {
        "win": "won winner winners", "write": "wrote written writer author authors authored", "send": "sent", "make":
        "made", "build": "built",
        "take": "took taken", "lose": "lost loser", "grow": "grew grown growth", "rise": "rose risen", "fall":
        "fell fallen",
        "hold": "held", "wear": "wore worn", "sell": "sold seller", "buy": "bought buyer", "pay": "paid",
        "spend": "spent",
        "lead": "led leader", "come": "came", "begin": "began begun", "draw": "drew drawn", "fly": "flew flown",
        "choose": "chose chosen chooses", "speak": "spoke spoken", "keep": "kept", "meet": "met", "say":
        "said", "sit": "sat",
        "stand": "stood", "give": "gave given", "drive": "drove driven", "run": "ran runner", "paint": "painter"
        " artist", "eat": "ate eaten",
        "sing": "sang sung", "teach": "taught teacher", "catch": "caught", "score": "scorer", "have": "has had"
        " with having",
        "sign": "signature signed", "invent": "inventor invention", "approve": "approval",
    }.items()
    for form in forms.split()
}  # fmt: skip


def doer(clause: str, question: str) -> str:
    """`Ajax` of `Ajax won the match by 3 goals to 1` and of `Ajax is the winner`, where is asked which team won it."""
    asks = _ASKS_WHO.match(question)
    if asks is None:
        return ""
    wanted = [word for word in _asked_of(asks[1]) if word not in SMALL_WORDS]
    words = clause.split()
    folded = [word.strip(_EDGE).casefold() for word in words]
    done = {root(word) for word in wanted}
    place = next((i for i, word in enumerate(folded) if i and (word in _COPULAS or root(word) in done)), 0)
    if (
        not 0 < place <= _MAX_DOER
        or not done
        or folded[0] in _NO_DOERS
        or (folded[place] in _COPULAS and place + 1 == len(words))
    ):
        return ""
    subject, rest = folded[:place], {root(word) for word in folded[place:]}
    if any(root(word) in done or word in DIRECTIONS for word in subject if word not in SMALL_WORDS):
        return ""
    num_said = len(done & rest)
    is_said = done <= rest or (
        folded[place] not in _COPULAS and len(done) > 1 and num_said >= len(done) - 1 and len(rest) < _MAX_REST
    )
    return " ".join(words[:place]).strip(_EDGE) if is_said else ""


def agent(clause: str, question: str) -> str:
    """By whom something was done, where that is asked: `Ann Lee` of `The report was authored by Ann Lee`."""
    match = _PASSIVE.search(clause)
    if match is None or " by " in question:
        return ""
    asked = {root(word.strip(_EDGE + "?").casefold()) for word in question.split()} | SMALL_WORDS
    words = [word.strip(_EDGE).casefold() for word in (*clause[: match.start()].split(), match[1])]
    return match[2].strip(_EDGE) if all(len(word) < 3 or word in asked or root(word) in asked for word in words) else ""


@lru_cache(maxsize=1024)
def _asked_of(text: str) -> tuple[str, ...]:
    """The words of a question that say what was done."""
    text = _ACCORDING.sub("", text)
    return tuple(
        word for each in text.split() if len(word := each.strip(_EDGE + "?").casefold()) > 2 and word.isalpha()
    )


@lru_cache(maxsize=8192)
def root(word: str) -> str:
    """A verb without its forms, and who does it: `winner` and `won` are `win`."""
    word = _IRREGULAR.get(word, word)
    short = stem(word)
    return DOUBLED.sub(r"\1", _AGENT.sub("", short)) if len(short) > _MIN_AGENT else short
