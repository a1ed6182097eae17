"""Chat completions on 127.0.0.1; as a judge it reads the prompts of lmms-eval's tasks and answers them by rules."""

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.judging.benchmarks import BenchmarkJudge


def watched(model: GenerationEngine, **limits: float) -> BenchmarkJudge:
    """A judge as `eval` has it, without a cache."""
    table = {"type": "llm", "model": "judge", **limits}
    return BenchmarkJudge.over(model, LlmJudgeConfig.model_validate_json(json.dumps(table)))


def judge_reply(prompt: str) -> str:
    """What a careful judge replies to a prompt of MM-Vet, MathVista or MMBench."""
    if "Correctness" in prompt:
        return _grade(prompt.strip().splitlines()[-1])
    if "Extracted answer" in prompt:
        response = prompt.rsplit("Extracted answer:", 1)[0].strip().split("\n\n")[-1]
        stated = re.search(r"(?i)answer(?: is|:) (.*)", response)
        return stated[1].removesuffix(".") if stated else response
    if "most similar to the answer" in prompt:
        return _match(prompt.rsplit("Example 3:", 1)[1])
    raise ValueError(f"no prompt of a known task: {prompt[:80]}")


def _grade(line: str) -> str:
    _, truth, response = line.removesuffix(" |").split(" | ")
    parts = [part.strip() for part in re.split("<AND>|<OR>", truth)]
    found = [part in response for part in parts]
    return "1.0" if all(found) or ("<OR>" in truth and any(found)) else "0.0"


def _match(question: str) -> str:
    answer = question.split("Answer:")[1].split("Your output")[0].replace("-", "")
    answer = re.split("it is |It is (?!not)", answer)[-1]  # what comes before it is denied
    for letter, option in re.findall(r"([A-D])\. (\w+)", question):
        if option in answer:
            return str(letter)
    return "E" if "qzx" not in answer else "unsure"  # leaves lmms-eval to guess


class ChatServer(ThreadingHTTPServer):
    """Answers `POST …/chat/completions` under any path.

    Args:
        reply: what it says to a prompt.
        failure_share: of the calls, those that get an error, half a reply or a reply without content.
        stalls_after: so many calls are answered; the others wait until it closes.
    """

    def __init__(self, reply: Callable[[str], str], failure_share: float, stalls_after: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.failure_share = failure_share
        self.answered: Counter[str] = Counter()
        """Requests that got a whole answer, and how often."""
        self.num_failed = 0
        self.stalls_after = stalls_after
        self.is_stalled = threading.Event()
        self.is_closing = threading.Event()
        self.draw = random.Random(0)
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def fate(self, request: str) -> str:
        """What becomes of a call: `answer`, `stall`, or a way to fail."""
        with self.lock:
            if self.stalls_after is not None and self.answered.total() >= self.stalls_after:
                self.is_stalled.set()
                return "stall"
            if self.draw.random() < self.failure_share:
                self.num_failed += 1
                return self.draw.choice(["error", "half", "empty"])
            self.answered[request] += 1
            return "answer"


@contextmanager
def chat_server(
    reply: Callable[[str], str] = judge_reply, *, failure_share: float = 0.0, stalls_after: int | None = None
) -> Iterator[ChatServer]:
    """Runs one for a while."""
    server = ChatServer(reply, failure_share, stalls_after)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = request["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        model = request["model"]
        match self.server.fate(json.dumps([content, request.get("temperature")])):
            case "answer":
                self._send(200, _completion(model, self.server.reply(prompt)))
            case "error":
                self._send(500, {"error": {"message": "out of order"}})
            case "empty":
                self._send(200, {"choices": []})
            case "half":
                self._send(200, _completion(model, self.server.reply(prompt)), half=True)
            case _:
                self.server.is_closing.wait()
                self.close_connection = True

    def _send(self, status: int, body: Any, *, half: bool = False) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.close_connection = half

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _completion(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
