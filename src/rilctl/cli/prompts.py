"""A prompt as a person reads it."""

from collections.abc import Mapping, Sequence


def prompt_lines(prompt: str | Sequence[Mapping[str, object]]) -> list[str]:
    """Text in a chat template, or an endpoint's messages in a line each."""
    if isinstance(prompt, str):
        return prompt.rstrip("\n").split("\n")
    return [f"{message['role']}: {message['content']}" for message in prompt]
