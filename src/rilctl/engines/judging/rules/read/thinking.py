"""What a model thinks before it answers, in the tags of its family, and the tokens that end its turn."""

import re

_NAMES = (
    "think", "thinking", "thought", "thoughts", "reasoning", "analysis", "scratchpad", "reflection", "seed:think",
    "THINK", "REASONING", "SUMMARY", "CAPTION",
)  # fmt: skip
_PAIRS = (
    *((f"<{name}>", f"</{name}>") for name in _NAMES),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis", "<|channel|>final"),
)
_TURN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|return|start|message|end_of_text|begin_of_solution|end_of_solution"
    r"|START_RESPONSE|END_RESPONSE)\|>|<end_of_turn>|<eo[a-z]>|</?s>|\[/?INST\]"
)


def without_thinking(text: str) -> str:
    """What follows the thoughts; what was never thought to its end is no answer."""
    if not ("<" in text or "◁" in text or "[" in text):
        return text
    end = max((place + len(tag) for _, tag in _PAIRS if (place := text.rfind(tag)) >= 0), default=0)
    text = text[end:]
    begun = min((place for tag, _ in _PAIRS if (place := text.find(tag)) >= 0), default=len(text))
    return _TURN.sub(" ", text[:begun]) if "<" in text or "[" in text else text[:begun]
