"""Multiple choice: an option's letter, or its text; both where both are given."""

import re
from typing import Any

from rilctl.engines.judging.rules.compare.quantities import same_rounded
from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.kinds.beside import beside_letter
from rilctl.engines.judging.rules.kinds.comparatives import compared_thing
from rilctl.engines.judging.rules.kinds.number import NumberKind
from rilctl.engines.judging.rules.kinds.option_texts import differs_in_numbers, with_noun
from rilctl.engines.judging.rules.kinds.options import LABEL
from rilctl.engines.judging.rules.kinds.quantity import Quantity
from rilctl.engines.judging.rules.kinds.telling import TellingKind
from rilctl.engines.judging.rules.kinds.written import WrittenOptions
from rilctl.engines.judging.rules.read.accounted import is_accounted
from rilctl.engines.judging.rules.read.clauses import asked_clause, stem, stems, without_asked_condition
from rilctl.engines.judging.rules.read.doubts import is_doubted
from rilctl.engines.judging.rules.read.echo import is_turned_round
from rilctl.engines.judging.rules.read.phrases import CONCLUSION, HEDGE, NEGATION
from rilctl.engines.judging.rules.read.plain import normal, plain
from rilctl.engines.judging.rules.read.statements import without_asked_negation

_WORD = r"(?:(?:the\s)?(?:option|choice|letter|answer|选项|选择|选|option|opción|antwort)\s{0,2}:?\s{0,2})?"
_ALONE = re.compile(
    rf"{_WORD}(?:[(\[]\s?)?([A-Ja-j])\s?[)\]]?[.:,;)]?(?:\s(?:is|seems)\s(?:the\s)?(?:correct|right|best|true)"
    r"(?:\s(?:answer|option|choice|one))?\.?)?(?:选项|项|是正确的|是正确答案|正确|是对的)?",
    re.IGNORECASE,
)
_WITH_TEXT = re.compile(
    rf"{_WORD}(?:[(\[]([A-Ja-j])[)\]][.:]?|([A-Ja-j])[.):]|([B-HJ])(?=\s(?!\s*[=_^\\])))\s{{0,9}}(\S.*)",
    re.DOTALL | re.IGNORECASE,
)
_BECAUSE = re.compile(
    r"[.,;:]?\s+(?:because|since|as|which|for|given|due)\s.*|\s+is\s(?:the\s)?(?:correct|right|best)\b.*", re.DOTALL
)
_SAYS = re.compile(
    r"\b([B-HJ])\)?\s+(?:is|was|says|shows|has|would|describes)\b"
    r"(?!\s(?:be\s)?(?:therefore\s|thus\s|clearly\s|also\s)?(?:the\s)?(?:only\s)?(?:correct|right|best|answer"
    r"|most|true|one that (?:fits|matches)))"
)
_PART = re.compile(r"(?<![\w'])\([a-h]\)(?=\s*[\w$])")
_PARTS = re.compile(r"(?:^|[\s:;.,?])\(a\)\s[^\n]{3,}?[\s;.,?]\(b\)\s|^\(a\)\s", re.DOTALL | re.MULTILINE)
"""Of a question that asks several things; its options' letters are capitals."""
_LIKE = re.compile(r"(?<!look )(?<!looks )(?<!looked )\b(?:like|similar to|resembl\w+)\b", re.IGNORECASE)
_LESS = re.compile(r"\b(?:less|least)\b", re.IGNORECASE)
_NO_NOUN = re.compile(
    r"(?:ing|ed)$|^(?:is|was|are|here|there|please|too|obviously|clearly|option|answer|option|only|in|on)$"
)
_WOULD = re.compile(r"\bwould (?:have|need|show|look|require|make)\b", re.IGNORECASE)
"""Says what isn't so."""
_ROMAN = re.compile(r"\((?:i{1,3}|i?v)\),?")
"""Of statements that are counted so: `(i) and (ii)`."""
_ENDS_IN_A = re.compile(r"^\w+ A$")
"""Whose letter is no article: `sample A`."""
_ONE = re.compile(r" ones?$")
_OF_THEM = re.compile(r"^(?:it|they|he|she) (?=\w+ \w)")
"""A sentence as an option, whose subject may be said by its name."""
_REASON = re.compile(r",?\s(?:because|since|as (?:they|it))\s|,\sas\s", re.IGNORECASE)
_SAID = re.compile(
    r"(?:\b(?:option|choice|letter|answer)\s{1,2}[(\[]?([A-Ja-j])\b[)\]]?|(?<![\w'])[(\[]([A-Ja-j])[)\]]"
    r"|(?:(?<![\w-])(?:so|thus|therefore|hence|is|was|be|leaves|leaving|choose|pick|select|with|say|to|i\.e\."
    r"|namely|it's|that's)[,:]?|[:,])\s{1,3}((?-i:[A-HJ]))(?=[.!]?\s*$|\.\s+(?=[A-Z]))"
    r"|(?:选|为|是|选择)\s?([A-J])(?![A-Za-z])|(?:^\s*|,\s|\b(?:so|thus|therefore|hence),?\s)([B-HJ]|A(?=\s+is\s))\s+(?=is\s+(?:the\s+)?(?:correct"
    r"|right|answer|best|one that (?:fits|matches))))",
    re.IGNORECASE,
)
_STANDALONE = re.compile(
    r"(?<![\w'\-+*/=^])(?:[(\[]([A-Ja-j])[)\]]|([B-HJ])|(A)(?=[.,;:)/]|\s*$|\s+(?:or|and|is|nor)\b))(?![\w'\-+*/=^])"
)


class ChoiceKind(TellingKind):
    """Option letters as answers.

    Args:
        options: texts by letter.
        of_texts: the kind that all options' texts are (numbers, yes and no), where they are of one.
        stem: the question; letters that it names are no choices by being named.
    """

    name = "choice"

    def __init__(self, options: dict[str, str], of_texts: Kind | None, stem: str) -> None:
        super().__init__(options, of_texts, stem)
        self.is_of_values = isinstance(of_texts, NumberKind)
        self.is_closed = not options.keys() - set("ABCDEFGHIJ")
        self._by_text = {normal(plain(text)): letter for letter, text in options.items() if normal(plain(text))}
        if not self.is_closed:  # of `the red or the white one`
            self._by_text |= {_ONE.sub("", text): letter for text, letter in self._by_text.items()}
        self._by_text |= with_noun(self._by_text, stem)
        said = {_OF_THEM.sub("", text): letter for text, letter in self._by_text.items() if _OF_THEM.match(text)}
        self._by_text |= {text: letter for text, letter in said.items() if text.count(" ") and self.is_closed}
        self._values = {letter: of_texts.whole(text) for letter, text in options.items()} if of_texts else {}
        nouns = {normal(plain(text)).split()[0] for text in options.values() if _ENDS_IN_A.search(text)}
        self._noun_a = re.compile(rf"\b({'|'.join(map(re.escape, nouns))}) A(?=\s)", re.IGNORECASE) if nouns else None
        self._by_text |= {f"{text}1": letter for text, letter in self._by_text.items() if text.endswith(" a")}
        lettered = [text for text in options.values() if len(text) > 1 and _STANDALONE.search(text)]
        self._lettered_texts = re.compile("|".join(map(re.escape, lettered)), re.IGNORECASE) if lettered else None
        self._written = WrittenOptions(options if (of_texts is None or self.is_of_values) and self.is_closed else {})
        self._has_parts = bool(options) and _PARTS.search(stem) is not None
        self._stem = {match[1] or match[2] or match[3] for match in _STANDALONE.finditer(stem)}

    def whole(self, text: str) -> Any:
        """See `Kind`."""
        text = self._without_parts(text)
        written, text = text, plain(text).strip(" \t\n\"'*_$")
        labelled = LABEL.match(text)
        if (
            text.endswith("?")
            and not (labelled and normal(text[labelled.end() :]) in self._by_text)
            and text.rstrip("?").strip() not in self._options.values()
            and normal(text) not in self._by_text
        ):
            return None
        lettered = _WITH_TEXT.fullmatch(text)
        if lettered and (lettered[1] or lettered[2]):
            letter = self._lettered(lettered)
            return None if letter is None or self._written.speaks_against(letter, written) else letter
        by_text = self._by_text.get(normal(text)) if text else None
        if by_text is not None and not _ALONE.fullmatch(text):
            return by_text
        if match := _ALONE.fullmatch(text):
            return self._known(match[1])
        if lettered:
            return self._lettered(lettered)
        return self._by_value(text) or (None if self.is_of_values else self._written.letter_of(written))

    def is_led(self, statement: str) -> bool:
        """See `Kind`."""
        return self._of_texts is not None and self._of_texts.is_led(statement)

    def mislabels(self, line: str) -> bool:
        """See `Kind`."""
        if self.is_of_values and self._is_beside_another(line):
            return True
        if [match[1] or match[2] for match in LABEL.finditer(line)][:3] == ["A", "B", "C"]:  # lists the options
            return True
        labelled = _WITH_TEXT.fullmatch(line.strip())
        option = self._options.get((labelled[1] or labelled[2] or labelled[3]).upper()) if labelled else None
        return bool(labelled and option and self._of_texts is None and differs_in_numbers(labelled[4], option))

    def within(self, sentence: str) -> Any:
        """See `Kind`."""
        sentence = self._without_parts(sentence)
        text = _REASON.split(without_asked_condition(plain(sentence[-1000:]).strip(), self._question), maxsplit=1)[0]
        if _WOULD.search(text):
            return None
        text = _ROMAN.sub(" ", text) if "(ii)" in text else text
        text = without_asked_negation(text, self._question)
        if is_turned_round(text, self._question):
            return SEVERAL
        compared = compared_thing(text, self._question)
        if compared and self._named(compared[0]):
            text, is_as_asked = compared
            if not is_as_asked:
                return SEVERAL
        labelled = _WITH_TEXT.fullmatch(text)
        if labelled and (labelled[1] or labelled[2]):
            letter = self._lettered(labelled)
            if letter is None or self._written.speaks_against(letter, sentence[-1000:]):
                return SEVERAL
        if any(self._is_mislabelled(text, match) for match in LABEL.finditer(text)):
            return SEVERAL
        concluded = [match.start() for match in CONCLUSION.finditer(text)]
        end = concluded[-1] if concluded else 0
        for start in dict.fromkeys((end, 0)):
            letters = self._letters(text[start:])
            named = self._named(text[start:])
            if start and not letters and self._alone(text[start:]):
                return SEVERAL
            if letters or named:
                said = set(letters) or set(named)
                if len(said) > 1 and not letters and (clause := self._asked_clause(text[start:])):
                    return SEVERAL if self._takes(text[start:].replace(clause, " ")) else self.within(clause) or SEVERAL
                if len(said) > 1 or self._is_doubted(text[start:], named):
                    return SEVERAL
                everywhere = set(self._named(text)) if start and not NEGATION.search(text[:start]) else set(named)
                if not letters and self._is_part_of_noun(text[start:]):
                    return SEVERAL
                if letters and (len(set(named)) > 1 or self._describes(text[start:])):
                    return SEVERAL
                if len(everywhere) == 1 and everywhere != said:
                    return SEVERAL
                return said.pop()
        if self._of_texts is not None:
            return self._letter_of(self._of_texts.within(text))
        return None

    def _without_parts(self, text: str) -> str:
        """Without the marks of the question's parts, but for those of an option that it names."""
        if not self._has_parts or any(option in normal(plain(text)) for option in self._by_text):
            return text
        return _PART.sub(" ", text)

    def _asked_clause(self, text: str) -> str:
        return asked_clause(text, self._question, stems(" ".join(self._options.values())))

    def _known(self, letter: str) -> str | None:
        letter = letter.upper()
        return letter if not self._options or letter in self._options else None

    def _lettered(self, match: re.Match[str]) -> Any:
        letter, rest = (match[1] or match[2] or match[3]).upper(), match[4]
        if self._known(letter) is None or (not match[1] and not match[2] and not rest[:1].strip()):
            return None
        of_rest = self._by_text.get(normal(rest))
        if of_rest is None:
            reason = _BECAUSE.search(" " + rest)
            of_rest = self._by_text.get(normal(rest[: max(0, reason.start() - 1)])) if reason else None
        others = {(m[1] or m[2] or m[3]).upper() for m in _STANDALONE.finditer(rest)}
        if of_rest is not None:
            return letter if of_rest == letter else None
        if match[3] and _SAYS.search(f"{letter} {rest}"):
            return None
        if others - {letter} or HEDGE.search(rest) or NEGATION.search(rest):
            return None
        if self._of_texts is not None and self._options:
            value = self._of_texts.whole(rest)
            if value is None:
                return letter if self._letter_of(self._of_texts.within(rest)) in (None, SEVERAL, letter) else None
            return letter if self._letter_of(value) == letter else None
        if self._of_texts is None and self._options and differs_in_numbers(rest, self._options[letter]):
            return None
        named = set(self._named(rest))
        if named and not is_accounted(rest, f"{self._question} {self._options[letter]}"):
            return None
        if named - {letter} or (match[3] and match[3].islower()):
            return None
        bare = match[3] is not None
        return None if bare and self._options and not named else letter

    def _is_beside_another(self, text: str) -> bool:
        """Whether a text is a letter and a number, and no option, or another one, has that number."""
        found = beside_letter(plain(text).strip())
        if found is None or self._of_texts is None:
            return False
        value, own = self._of_texts.whole(found[1]), self._values.get(found[0])
        if not isinstance(value, Quantity) or not isinstance(own, Quantity):
            return False
        exactly = self._letter_of(value)
        return exactly != found[0] if exactly else not same_rounded(own, value)

    def _is_mislabelled(self, text: str, label: re.Match[str]) -> bool:
        """Whether another option's text follows a label: `I think B. a dog`."""
        follows = normal(text[label.end() :]) + " "
        named = [letter for option, letter in self._by_text.items() if follows.startswith(f"{option} ")]
        return bool(named) and (label[1] or label[2]) not in named

    def _by_value(self, text: str) -> str | None:
        return None if self._of_texts is None else self._letter_of(self._of_texts.whole(text))

    def _letter_of(self, value: Any) -> Any:
        if value is None or value is SEVERAL or self._of_texts is None:
            return value
        read = ((letter, other) for letter, other in self._values.items() if other is not None)
        fitting = [letter for letter, other in read if self._of_texts.same(other, value)]
        return fitting[0] if len(fitting) == 1 else None

    def _letters(self, text: str) -> list[str]:
        found = {next(filter(None, match.groups())).upper() for match in _SAID.finditer(text)}
        if found:  # then every other letter that stands alone speaks against it, but for those of the question
            found |= self._alone(self._lettered_texts.sub(" ", text) if self._lettered_texts else text)
        return [letter for letter in found if self._known(letter)]

    def _describes(self, text: str) -> bool:
        """Whether something is said about an option, which doesn't choose it."""
        return any(match[1] not in self._stem for match in _SAYS.finditer(text))

    def _is_doubted(self, text: str, named: list[str]) -> bool:
        """Whether anything but the named options' own words denies or hedges: `Both rise` may be an option."""
        likened = {*map(str.casefold, _LIKE.findall(text))} - {*map(str.casefold, _LIKE.findall(self._question))}
        is_likened = bool(likened) or (_LIKE.search(text) is not None and _LESS.search(text) is not None)
        if not (NEGATION.search(text) or HEDGE.search(text) or is_likened):
            return False
        left = f" {normal(text)} "
        for option, letter in self._by_text.items():
            left = left.replace(f" {option} ", " ") if letter in named else left
        return is_doubted(left, self._question) or (is_likened and _LIKE.search(left) is not None)

    def _is_part_of_noun(self, text: str) -> bool:
        """Whether a text is an option's and a noun behind it: a cat toy is no cat."""
        said, asked = normal(text), stems(self._question)
        rests = (said[len(option) :].split() for option in self._by_text if said.startswith(f"{option} "))
        return any(
            len(rest) == 1 and rest[0].isalpha() and not _NO_NOUN.search(rest[0]) and stem(rest[0]) not in asked
            for rest in rests
        )

    def _alone(self, text: str) -> set[str]:
        """Letters that stand alone, but for those of the question."""
        return {(m[1] or m[2] or m[3]).upper() for m in _STANDALONE.finditer(text)} - self._stem

    def _named(self, text: str) -> list[str]:
        """Options whose text stands in another text, the longest first; what is part of a longer one is not named."""
        text = self._noun_a.sub(r"\1 A1", text) if self._noun_a else text
        left, found = f" {normal(text)} ", []
        for option in sorted(self._by_text, key=len, reverse=True):
            if self._of_texts is None and f" {option} " in left and len(option) > 1:
                left = left.replace(f" {option} ", " \n ")
                found.append(self._by_text[option])
        if not found and self._of_texts is None and any(c > "\u2e80" for c in text):
            found = [letter for option, letter in self._by_text.items() if option in left and option[0] > "\u2e80"]
        return found
