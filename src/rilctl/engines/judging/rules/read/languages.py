"""What leads into an answer in other languages than English: `Das Auto ist rot`, `它是红色的`."""

import re

from rilctl.engines.judging.rules.read.phrases import ENGLISH

_ARTICLE = (
    r"(?:la|le|les|l'|ce|cette|un|une|das|der|die|den|ein|eine|el|los|las|il|lo|gli|o|os|as|a|este|esta|questo|questa"
    r"|het|de|это)"
)
_COPULA = (
    r"(?:est|sont|était|s'appelle|ist|sind|war|heißt|lautet|hat|es|son|era|se llama|è|sono|si chiama|é"
    r"|são|chama-se|is|zijn)"
)
_COLOUR = r"(?:(?:de couleur|de color|di colore|da cor|de cor)\s)?"
_LATIN = re.compile(
    r"\W*(?:(?:alors|donc|also|entonces|quindi|então|portanto),?\s)?"
    r"(?:c'est|ce sont|(?:il|elle|on) est|(?:ils|elles) sont|il y a|je vois|on voit|(?:es|er|sie|das) (?:ist"
    r"|sind)|sie sind|es gibt"
    r"|ich sehe|es(?=\s(?:de|un|una|el|la)\b)|son|está|están|hay|è|ci sono|c'è|vedo|é|são|há|estão|vejo|это|het"
    r" is|dit is"
    rf"|{_ARTICLE}\s?[^.;:?!\n]{{1,60}}?\s(?<!the ){_COPULA})\s+{_COLOUR}"
    r"(?:(?:un|une|ein|eine|einen|una|uno|um|uma|le|la|les|l'|der|die|das|el|il|lo|o|a)\s)?(?=\S)",
    re.IGNORECASE,
)
_HAN = re.compile(r"(?:是|为|叫做|叫|写着|显示|指向|:)\s?\"?([^，。,.是为:\"]{1,60}?)\"?\s?[.。!]?\s*$")
_JAPANESE = re.compile(r"[はが]\s?\"?([^はが。,.\"]{1,40}?)\"?(?:です|である|だ|でした)\s?[.。!]?\s*$")
_KOREAN = re.compile(r"(?:은|는|이|가)\s\"?(.{1,40}?)\"?(?:입니다|이다|이에요|예요|이었습니다)\s?[.。!]?\s*$")
_EAST = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def foreign_forms(text: str) -> list[str]:
    """A (tidy) statement of another language without what leads into its answer; nothing of an English one."""
    if _EAST.search(text):
        found = [match[1] for pattern in (_HAN, _JAPANESE, _KOREAN) if (match := pattern.search(text))]
        return [
            form for each in [*found, text.rstrip(" .。!")] for form in (each, each.removesuffix("的")) if form != text
        ]
    lead = None if ENGLISH.search(text) else _LATIN.match(text)
    if lead is None:
        return []
    rest = text[lead.end() :].strip()
    return [rest] if rest else []
