"""A judge on 127.0.0.1 that reads the prompts of lmms-eval's tasks and answers them by rules."""

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def judge_reply(prompt: str) -> str:
    """What a careful judge replies to a prompt of MM-Vet, MathVista or MMBench."""
    if "Correctness" in prompt:
        return _grade(prompt.strip().splitlines()[-1])
    if "Extracted answer" in prompt:
        response = prompt.rsplit("Extracted answer:", 1)[0].strip().split("\n\n")[-1]
        stated = re.search(r"answer is (.*)", response)
        return stated[1] if stated else response
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
    for letter, option in re.findall(r"([A-D])\. (\w+)", question):
        if option in answer:
            return str(letter)
    return "E" if "qzx" not in answer else "unsure"  # leaves lmms-eval to guess


class JudgeServer(ThreadingHTTPServer):
    """Answers `POST …/chat/completions` under any path; fails at random if it is told to.

    Args:
        failure_share: of the calls, those that get an error, half a reply or a reply without content.
        seed: of the failures.
    """

    def __init__(self, failure_share: float = 0.0, seed: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failure_share = failure_share
        self.answered: Counter[str] = Counter()
        """Prompts that got a whole answer, and how often."""
        self.num_failed = 0
        self.draw = random.Random(seed)
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def judge_server(failure_share: float = 0.0) -> Iterator[JudgeServer]:
    """Runs one for a while."""
    server = JudgeServer(failure_share)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][0]["content"]
        prompt = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        with self.server.lock:
            fails = self.server.draw.random() < self.server.failure_share
            kind = self.server.draw.choice(["error", "half", "empty"])
            if fails:
                self.server.num_failed += 1
            else:
                self.server.answered[prompt] += 1
        if not fails:
            self._send(200, _completion(body["model"], judge_reply(prompt)))
        elif kind == "error":
            self._send(500, {"error": {"message": "out of order"}})
        elif kind == "empty":
            self._send(200, {"choices": []})
        else:
            self._send(200, _completion(body["model"], judge_reply(prompt)), half=True)

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
