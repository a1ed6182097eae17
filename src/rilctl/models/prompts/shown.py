"""What is asked, for a person to read: as a model's template has it, and without any model."""

from rilctl.data.conversation import Conversation, Turn
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.encode import chat_text


def shown_prompt(encoder: Encoder, conversation: Conversation) -> str:
    """The prompt as text in the model's own form, before a picture's placeholder becomes its tokens.

    The recipe's system turn is in it. Raises `RowError` as `chat_text` does.
    """
    return chat_text(encoder, conversation)


def shown_messages(conversation: Conversation, system: str | None = None) -> list[dict[str, str]]:
    """Role and text of each turn; `<image>` stands where a picture does.

    Args:
        conversation: what is asked.
        system: of the one who is asked; a row's own comes first.
    """
    led = conversation.led_by(system)
    turns = led.turns if led.system is None else (Turn("system", (led.system,)), *led.turns)
    return [{"role": turn.role, "text": turn.marked} for turn in turns]
