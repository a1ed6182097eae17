"""Options that a response names in the question's words: `The second dog is most similar to the first one`."""

import re
from abc import abstractmethod
from typing import Any

from rilctl.engines.judging.rules.kinds.base import SEVERAL, Kind
from rilctl.engines.judging.rules.read.answering import (
    answering_clause,
    claims,
    claims_of_other_one,
    declares,
    describes,
    leads_plainly,
    says_so_at_once,
    says_what_was_asked,
    speaks_of,
    takes,
)
from rilctl.engines.judging.rules.read.clauses import stems
from rilctl.engines.judging.rules.read.phrases import HEDGE, NEGATION
from rilctl.engines.judging.rules.read.plain import plain


class TellingKind(Kind):
    """A kind whose answers are options.

    Args:
        options: texts by letter.
        of_texts: the kind that all options' texts are, where they are of one.
        stem: the question.
    """

    def __init__(self, options: dict[str, str], of_texts: Kind | None, stem: str) -> None:
        self._options, self._of_texts, self._question = options, of_texts, stem

    @abstractmethod
    def _named(self, text: str) -> list[str]:
        """Letters of the options whose text stands in another text."""

    @abstractmethod
    def _letters(self, text: str) -> list[str]:
        """Letters that are said as answers."""

    def told(self, statement: str) -> Any:
        """See `Kind`."""
        clause, rest = answering_clause(plain(statement), self._question)
        value = self.within(clause) if clause and self._of_texts is None else None
        if value is None or value is SEVERAL or not self._options or self._names_another(value, clause):
            return None
        own = stems(f"{self._options.get(value, '')} {value}")
        if self._names_another(value, rest) and (
            speaks_of(rest, self._question, frozenset()) or not (describes(rest) or value in self._named(rest))
        ):
            return None
        lead, behind = self._around(clause, value)
        if not leads_plainly(lead, self._question) or not says_so_at_once(behind, self._question, own):
            return None
        return value if says_what_was_asked(clause, self._question, own, " ".join(self._options.values())) else None

    def chooses_another(self, statement: str, value: Any, *, is_before: bool = False) -> bool:
        """See `Kind`."""
        text = plain(statement)
        if not self._names_another(value, text):
            return not is_before and value not in self._named(text) and claims_of_other_one(text, self._question)
        if is_before:
            return declares(text)
        if self._takes(text):
            return True
        names_both = value in {*self._named(text), *self._letters(text)}
        is_open = NEGATION.search(text) is not None or HEDGE.search(text) is not None
        if names_both and not is_open:
            return False
        return claims(text, self._question) or not describes(text)

    def _takes(self, text: str) -> bool:
        return takes(text, f"{self._question} {' '.join(self._options.values())}")

    def _names_another(self, value: str, text: str) -> bool:
        return bool({*self._named(text), *self._letters(text)} - {value})

    def _around(self, clause: str, value: str) -> tuple[str, str]:
        """What stands before and behind an option in a text that names it."""
        names = (re.escape(self._options.get(value, value)), rf"\({value}\)", rf"(?<!\w){value}(?!\w)")
        found = [match for name in names for match in re.finditer(name, clause, re.IGNORECASE)]
        if not found:
            return clause, ""
        return clause[: min(match.start() for match in found)], clause[max(match.end() for match in found) :]
