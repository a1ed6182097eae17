"""What an answer is set against: `It may look like a basset, but it is a beagle`, `a beagle, not a basset`.

What is conceded only seems so, is denied, or is what others take it for; what is asserted stands behind `but` as a
plain statement. Everything else stays as it is, for others to doubt.
"""

import re

_PRONOUN = r"(?:it|this|that|he|she|they|these|those)"
_SEEMS = (
    r"(?:looks?|seems?|appears?|resembles?|(?:may|might|could|can)(?: well| easily| at first)? (?:look|seem"
    r"|appear|be (?:mistaken|taken)"
    r"|resemble|remind|pass))"
)
_TAKEN_FOR = (
    r"(?:some|many|most|other|few)?\s?(?:people|tourists|visitors|viewers|readers|observers|some|many|others)"
    r"(?: \w+)? (?:think|believe|say|assume|guess|mistake|take|confuse|call)\b"
)
_EXPECTED = (
    r"(?:i|one|you|we)(?: would|'d| might| could| may| had)(?: first)?(?: have)? (?:guess(?:ed)?|think|thought"
    r"|expect(?:ed)?"
    r"|say|said|take[n]?)\b"
)
_CONCEDES = re.compile(
    rf"^\W*(?:although |though |while |even though )?(?:(?:at first(?: glance"
    rf"| sight)?,? )?{_PRONOUN} (?:\w+ly )?{_SEEMS}\b|{_TAKEN_FOR}|{_EXPECTED})"
    r"[^.;:!?]{1,80}?(?:[,;]| -)\s(?:but |yet |however,? )?(?=\w)",
    re.IGNORECASE,
)
_AMONG = re.compile(r"^\W*(?:between|of) [^,.;:]{1,40} and [^,.;:]{1,40}, (?=\w)", re.IGNORECASE)
"""Says among which ones."""
_SURELY = re.compile(r"^\W*(?:without (?:a |any )?doubt|beyond (?:a |any )?doubt),?\s", re.IGNORECASE)
_DENIES_FIRST = re.compile(
    rf"^\W*(?:neither [^,.;:!?]{{1,40}} nor [^,.;:!?]{{1,40}}, but (?:rather )?|{_PRONOUN}(?:'s| is"
    rf"| was) no [^,.;:!?]{{1,40}}, (?:but )?{_PRONOUN}(?:'s| is| was) (?!no\b|not\b))",
    re.IGNORECASE,
)
_ASSERTS = re.compile(
    rf"(?:(?:actually|really|in fact|in reality)[, ]+)?(?:{_PRONOUN}(?:'s|'re| is| are| was| were)|the (?:label"
    rf"|sign|legend|caption"
    r"|chart|table|display|image|picture|axis|scale|scoreboard|badge|bib) (?:says|reads|shows|gives|is)"
    r"|the (?:real|actual|true|correct|right) \w+ (?:is|are|was|were))\s(?:actually "
    r"|really |in fact )?"
    r"(?!not\b|no\b|n't|likely|probably|said|called|often|sometimes|possible|unclear|hard)(?=\w)",
    re.IGNORECASE,
)
_CONFUSED = (
    r"(?:and )?(?:is )?not to be (?:confused|mistaken) (?:with|for)|as opposed to|unlike|in contrast to|(?:and"
    r"|which is) not|which isn't"
    r"(?: the same as)?|which is not the same as"
    rf"|(?:even (?:if|though)|although|though) {_PRONOUN} (?:\w+ly )?{_SEEMS}(?: (?:like|as|to be))?"
)
_TRAILING = re.compile(
    rf"(?:,\s(?:{_CONFUSED})\s[^,.;:!?]{{1,60}}|\s\((?:{_CONFUSED}|not)\s[^()]{{1,60}}\))(?=[.!]?$)", re.IGNORECASE
)
_HINT = re.compile(
    r"look|seem|appear|resembl|mistak|confus|opposed|unlike|contrast|not|think|thought|believe|say|said|assume"
    r"|guess|take|call"
    r"|[Nn]either| no |n't|doubt|etween |\bOf |expect|pass|remind"
)
SPEAKS_OF_ANSWERS = re.compile(
    r"\b(?:answers?|right|correct|true|truth|actual|real|solution|key|reference|wrong|false|incorrect|mistaken?|results?)\b",
    re.IGNORECASE,
)
"""Of what is set apart: it isn't another thing, but this answer or the right one."""
_DOUBTS = re.compile(r"\b(?:or|maybe|perhaps|possibly|might|could|may|if|unless|either)\b", re.IGNORECASE)


UNSAYS = re.compile(
    r"\b(?:not|unlike|opposed to|other than|instead of|rather than|\w+n't|same as)\s(?:(?:the|my|an?|your)\s)?"
    r"(?:same as\s(?:the\s)?)?"
    r"(?:(?:right|correct|true|real|actual)\b|(?:\w+\s)?(?:answer|solution)\b)(?!\?)"
    r"|\b(?:looks?|seems?|appears?)\s(?:to be\s|rather\s|quite\s)?(?:wrong|false|incorrect|mistaken)\b",
    re.IGNORECASE,
)
"""Behind an answer: it isn't the right one, or hardly is."""
_LISTS_OTHERS = re.compile(
    r"(?:\b(?:wrong|incorrect|false|not|neither|never|except|excluded|rejected)\b|n't\b"
    r"|^(?!\W*(?:so|thus|therefore|hence)\b)[^:\n]*\bwithout\b)[^:\n]*:$",
    re.IGNORECASE,
)
_MAX_LISTED = 6
"""Words of a line below a heading."""


def without_what_is_excluded(statements: list[str], question: str) -> list[str]:
    """Statements without the short lines below a heading that excludes them: `The wrong ones are:`."""
    headings = [place for place, each in enumerate(statements) if each.endswith(":") and _LISTS_OTHERS.search(each)]
    if not headings or _LISTS_OTHERS.search(f"{question.rstrip(' ?.')}:"):
        return statements
    end = next(
        (i for i in range(headings[0] + 1, len(statements)) if len(statements[i].split()) > _MAX_LISTED),
        len(statements),
    )
    return statements[: headings[0] + 1] + statements[end:]


def without_concession(statement: str) -> str:
    """What a statement asserts, without what it concedes before or sets apart behind; else as it is."""
    if not _HINT.search(statement):
        return statement
    trailing = _TRAILING.search(statement)
    if trailing and SPEAKS_OF_ANSWERS.search(trailing[0]):
        return statement
    if trailing and trailing.start() and not _DOUBTS.search(statement[: trailing.start()]):
        statement = statement[: trailing.start()] + statement[trailing.end() :]
    led = _AMONG.match(statement) or _SURELY.match(statement)
    if led and not _DOUBTS.search(statement[led.end() :]):
        return statement[led.end() :]
    denied = _DENIES_FIRST.match(statement)
    if denied and not _DOUBTS.search(statement[denied.end() :]):
        return statement[denied.end() :]
    conceded = _CONCEDES.match(statement)
    if conceded is None:
        return statement
    asserted = statement[conceded.end() :]
    return asserted if _ASSERTS.match(asserted) and not _DOUBTS.search(asserted) else statement
