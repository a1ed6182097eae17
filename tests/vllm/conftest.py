"""A policy that vLLM's CPU kernels can run (heads of 32; the pocket student's have 24), in process and on a server."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch

from rilctl.config.engines import VllmEngineConfig, VllmServerEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.backend import SERVER_OPTIONS
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.ports import hold_port
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.prompts.kept import KeptPrompts

MODEL = "pocket-teacher-qwen"
LOCAL = VllmEngineConfig(kv_cache_bytes=1 << 28, max_length_tokens=256)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))  # vLLM's imports warn of its own future
            item.add_marker(pytest.mark.timeout(600))


def load_policy(model: str = MODEL, **config: object) -> Vlm:
    return load_vlm(ModelConfig(model=model, **config), base_dir=Path(), device=torch.device("cpu"), trainable=True)


def nudge(policy: Vlm, seed: int, size: float = 0.02) -> None:
    """What an optimizer step does to the weights, only larger."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator) * parameter.std()


def trainer_logprobs(
    policy: Vlm, request: GenerationRequest, answer: tuple[Response, ...], temperature: float, banned: tuple[int, ...]
) -> list[list[float]]:
    prompt = KeptPrompts(policy).get(request.conversation)
    ids_NR, mask_NR = collate_responses(policy, [row.token_ids for row in answer])
    with torch.no_grad():
        logprobs_NR, _ = response_logprobs(
            policy,
            [prompt],
            torch.zeros(len(answer), dtype=torch.long),
            ids_NR,
            mask_NR,
            temperature=temperature,
            banned_ids=banned,
        )
    return [values[mask].tolist() for values, mask in zip(logprobs_NR, mask_NR, strict=True)]


class Server:
    """`vllm serve` on this machine, as docs/vllm.md starts it."""

    def __init__(self, model: Path, log: Path, *options: str) -> None:
        self.port = hold_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.model, self.log = model, log
        options_here = ["--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager", "--max-model-len", "256"]
        options_here += ["--port", str(self.port), "--kv-cache-memory-bytes", str(1 << 28)]
        options_here += ["--no-enable-chunked-prefill"]  # see `rilctl.engines.generation.vllm.local`
        options_here += ["--limit-mm-per-prompt", '{"image": 4, "video": 0}']
        self._command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        self._command += [*SERVER_OPTIONS, *options_here, *options]
        self.process: subprocess.Popen | None = None

    def leave_out(self, option: str) -> None:
        """An option and its value."""
        place = self._command.index(option)
        del self._command[place : place + 2]

    def start(self) -> None:
        environment = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1"}
        environment |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, limit_s: float = 480) -> None:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            assert self.process is not None and self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                if httpx2.get(f"{self.url}/health", timeout=10).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.5)
        raise AssertionError(self.log.read_text()[-4000:])

    def wait_for_requests(self, limit_s: float = 200) -> None:
        """Until it answers one."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            lines = httpx2.get(f"{self.url}/metrics", timeout=60).text.splitlines()
            if any(line.startswith("vllm:num_requests_running{") and not line.endswith(" 0.0") for line in lines):
                return
        raise AssertionError("no request came")

    def kill(self) -> None:
        """It and the engine that it started: they are a process group of their own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()

    def engine(self, **keys: object) -> VllmServerEngineConfig:
        return VllmServerEngineConfig(url=self.url, **keys)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from rilctl.models.loaded.weights import export_untied

    directory = tmp_path_factory.mktemp("served")
    export_untied(load_policy(), directory, torch.float32)
    running = Server(directory, directory / "server.log")
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def local_policy() -> Vlm:
    return load_policy()


@pytest.fixture(scope="module")  # an engine that is closed takes vLLM's groups of processes from all others with it
def local(local_policy: Vlm) -> Iterator[VllmRollouts]:
    engine = open_rollouts(local_policy, KeptPrompts(local_policy), LOCAL, Path())
    assert isinstance(engine, VllmRollouts)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def served_policy() -> Vlm:
    return load_policy()


@pytest.fixture(scope="session")
def served(server: Server, served_policy: Vlm) -> Iterator[VllmRollouts]:
    server.wait()
    engine = open_rollouts(served_policy, KeptPrompts(served_policy), server.engine(), Path(), warn=print)
    assert isinstance(engine, VllmRollouts)
    yield engine
    engine.close()
