"""What a model thinks before it answers, in the tags of its family, and the tokens that end its turn."""

import re

_NAMES = r"think|thinking|thought|thoughts|reasoning|reason|analysis|scratchpad|reflection|seed:think|summary|caption"
_END = re.compile(
    rf"</(?:{_NAMES})>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|<\|channel\|>final(?:<\|message\|>)?",
    re.IGNORECASE,
)
_START = re.compile(
    rf"<(?:{_NAMES})>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|channel\|>analysis", re.IGNORECASE
)
_TURN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|return|start|message|end_of_text|begin_of_solution|end_of_solution"
    r"|START_RESPONSE|END_RESPONSE)\|>|<end_of_turn>|</?s>|\[/?INST\]",
    re.IGNORECASE,
)


def without_thinking(text: str) -> str:
    """What follows the thoughts; what was never thought to its end is no answer."""
    if not ("<" in text or "◁" in text or "[" in text):
        return text
    ends = list(_END.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    begun = _START.search(text)
    if begun:
        text = text[: begun.start()]
    return _TURN.sub(" ", text)
