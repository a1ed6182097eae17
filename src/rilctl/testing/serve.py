"""The doubles as servers of their own: `python -m rilctl.testing.serve judge --port 8001`.

`judge` answers by rules, in the form that the rubric asks for; `teacher` says what a teacher might; `vllm-double` has
vLLM's routes over Hugging Face generation. `rilctl rehearse` starts them where the real thing can't run.
"""

import argparse
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

from rilctl.testing.endpoint import Call, Script, ScriptedEndpoint, Wire
from rilctl.testing.judges import careful, reply_to


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="rilctl.testing.serve")
    parser.add_argument("kind", choices=("judge", "teacher", "vllm-double"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, help="what `vllm-double` starts with")
    arguments = parser.parse_args()
    with ScriptedEndpoint(_script(arguments.kind, arguments.model), port=arguments.port):
        threading.Event().wait()


def _script(kind: str, model: Path | None) -> Script:
    if kind == "judge":
        return _chat(lambda call: reply_to(call.text, careful))
    if kind == "teacher":
        return _chat(teacher_answer)
    from rilctl.testing.vllm_double import VllmDouble

    assert model is not None
    return VllmDouble(model, max_length_tokens=4096)


def _chat(answer: Callable[[Call], str]) -> Script:
    """Answers to questions; whoever asks for anything else learns that somebody is there."""
    return lambda call: answer(call) if call.path.endswith("/chat/completions") else Wire(b"{}")


def teacher_answer(call: Call) -> str:
    """The same words for the same question, pictures and seed; greedily for any seed."""
    seed = call.body.get("seed") if call.body.get("temperature") else None
    number = zlib.crc32(f"{call.text} {call.image_urls} {seed}".encode()) % 100
    return f"answer {number}"


if __name__ == "__main__":
    main()
