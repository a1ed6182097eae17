"""A model that stays as it is on a vLLM server that others may update, against a double of one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rilctl.artifacts.calls import CallCache
from rilctl.config.engines import HfEngineConfig, VllmServerEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.engines.generation.open import open_generation, open_rollouts
from rilctl.engines.generation.vllm.backend import WITNESS
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.loaded.weights import checksum, export_untied, file_checksums
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.stages.shared.cached_calls import answer_chunk
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure
from rilctl.testing.generation_contract import EngineUnderTest
from rilctl.testing.small_vlms import build_small_vlm
from rilctl.testing.vllm_double import VllmDouble

SAMPLING = SamplingConfig(max_new_tokens=6)


def loaded(directory: Path) -> Vlm:
    return load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=torch.device("cpu"), trainable=True)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    export_untied(loaded(build_small_vlm(root / "built")), root / "student", torch.float32)
    return root / "student"


@pytest.fixture(scope="module")
def other(student: Path) -> Path:
    """The same model in all but one weight."""
    policy = loaded(student)
    with torch.no_grad():
        next(policy.model.parameters())[0] += 0.5
    export_untied(policy, student.parent / "other", torch.float32)
    return student.parent / "other"


@pytest.fixture
def server(student: Path) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(VllmDouble(student)) as running:
        yield running


def double(server: ScriptedEndpoint) -> VllmDouble:
    assert isinstance(server.script, VllmDouble)
    return server.script


def engine_of(server: ScriptedEndpoint, model: Path, said: list[str] | None = None) -> GenerationEngine:
    url = f"http://127.0.0.1:{server.port}"
    config = VllmServerEngineConfig(url=url, start_timeout_s=30, rows_per_batch=4)
    return open_generation(ModelConfig(model=str(model)), config, Path(), warn=([] if said is None else said).append)


def requests() -> list[GenerationRequest]:
    return [EngineUnderTest(None).request(number, range(2)) for number in range(3)]  # type: ignore[arg-type]


def tokens(answers: list) -> list:
    return [[row.token_ids for row in answer] for answer in answers]


@pytest.fixture(scope="module")
def expected(student: Path) -> list:
    """What the student itself says: the double samples as Hugging Face does."""
    with closing(load_engine(ModelConfig(model=str(student)), HfEngineConfig(rows_per_batch=4), Path())) as engine:
        return tokens(engine.generate(requests(), SAMPLING))


def train_on(server: ScriptedEndpoint, student: Path, step: int = 1) -> list:
    """What `train` leaves behind: other weights under a name of its own. Gives what they say."""
    policy, generator = loaded(student), torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.5 * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator)
    url = f"http://127.0.0.1:{server.port}"
    config = VllmServerEngineConfig(url=url, start_timeout_s=30, rows_per_batch=4)
    with closing(open_rollouts(policy, KeptPrompts(policy), config, Path())) as rollouts:
        rollouts.update(step)
        return tokens(rollouts.generate(requests(), SAMPLING))


def num_restored(server: ScriptedEndpoint) -> int:
    return sum(call.body.get("method") == "rilctl_restore" for call in server.calls)


def test_after_train_the_student_answers_and_not_what_train_left_behind(
    student: Path, server: ScriptedEndpoint, expected: list, tmp_path: Path
):
    assert train_on(server, student) != expected
    with closing(engine_of(server, student)) as engine, CallCache(tmp_path) as cache:
        assert tokens(answer_chunk(engine, cache, requests(), SAMPLING)) == expected
    emptied = [call.path for call in server.calls if call.path.startswith("/reset")][-3:]
    assert emptied == ["/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache"]


def test_what_was_proven_is_not_loaded_again(student: Path, server: ScriptedEndpoint, expected: list):
    said: list[str] = []
    for _ in range(2):
        with closing(engine_of(server, student, said)) as engine:
            for _ in range(2):
                assert tokens(engine.generate(requests(), SAMPLING)) == expected
    assert num_restored(server) == 1
    (message,) = said
    assert message.endswith(f"loads its weights again, to prove that they are `{student}`")


def test_a_name_is_no_proof(student: Path, server: ScriptedEndpoint, expected: list):
    with closing(engine_of(server, student)) as engine:
        engine.generate(requests(), SAMPLING)
    proven = double(server)._version
    train_on(server, student)
    double(server)._version = proven
    with closing(engine_of(server, student)) as engine:
        assert tokens(engine.generate(requests(), SAMPLING)) == expected


def test_a_server_of_another_model_is_refused_before_it_is_asked(
    student: Path, other: Path, server: ScriptedEndpoint, tmp_path: Path
):
    with closing(engine_of(server, other)) as engine, CallCache(tmp_path) as cache:
        with pytest.raises(EngineError, match=f"was started with other weights than `{other}`: .* and 0 more") as error:
            answer_chunk(engine, cache, requests(), SAMPLING)
        assert cache._db.execute("SELECT count(*) FROM calls").fetchone() == (0,)
    assert f"start it with {other}" in (error.value.hint or "")
    assert num_rows_asked(server) == 0
    assert double(server)._version == "loading"  # and so nobody takes it for proven


def num_rows_asked(server: ScriptedEndpoint) -> int:
    """Without the proof's own question."""
    generated = [call.body["sampling_params"] for call in server.calls if call.path == "/inference/v1/generate"]
    return sum(params["max_tokens"] == SAMPLING.max_new_tokens for params in generated)


def test_a_server_with_another_image_processor_is_refused(student: Path, server: ScriptedEndpoint):
    double(server).trouble = lambda c: (
        Wire(b'{"results": [{"pixels": [0.5]}]}') if c.body.get("method") == "rilctl_pixels" else None
    )
    with (
        closing(engine_of(server, student)) as engine,
        pytest.raises(EngineError, match="makes 1 pixel values of a picture"),
    ):
        engine.generate(requests(), SAMPLING)
    assert num_rows_asked(server) == 0


def test_weights_that_another_run_sends_meanwhile_are_noticed_and_nothing_of_it_is_kept(
    student: Path, server: ScriptedEndpoint, tmp_path: Path
):
    updated: list[int] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and call.body["sampling_params"]["max_tokens"] == 6 and not updated:
            updated.append(call.number)
            train_on(server, student)
        return None

    with closing(engine_of(server, student)) as engine, CallCache(tmp_path) as cache:
        double(server).trouble = trouble
        with pytest.raises(EngineError, match="were replaced while it answered: now it has `step-1-"):
            answer_chunk(engine, cache, requests(), SAMPLING)
        assert cache._db.execute("SELECT count(*) FROM calls").fetchone() == (0,)
    assert updated


def test_a_server_that_was_started_again_meanwhile_is_proven_again(
    student: Path, server: ScriptedEndpoint, expected: list
):
    killed: list[int] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/inference/v1/generate" and num_rows_asked(server) == 2 and not killed:
            killed.append(call.number)
            double(server).restart()
            return failure(503, "going down")
        return None

    with closing(engine_of(server, student)) as engine:
        double(server).trouble = trouble
        assert tokens(engine.generate(requests(), SAMPLING)) == expected
    assert num_restored(server) == 2


def test_a_server_that_can_not_say_what_it_holds_is_not_asked(student: Path, server: ScriptedEndpoint):
    said = "Worker failed with error ''Worker' object has no attribute 'rilctl_boot''"
    double(server).trouble = lambda c: failure(500, said) if c.body.get("method") == "rilctl_boot" else None
    with (
        closing(engine_of(server, student)) as engine,
        pytest.raises(EngineError, match="can't say which weights it holds") as error,
    ):
        engine.generate(requests(), SAMPLING)
    assert WITNESS in (error.value.hint or "") and "`endpoint`" in (error.value.hint or "")
    assert not any(call.path == "/inference/v1/generate" for call in server.calls)


def test_a_files_checksums_are_those_of_its_tensors(student: Path):
    model = loaded(student).model
    found = file_checksums(student, torch.device("cpu"))
    assert found["lm_head.weight"] == checksum(model.lm_head.weight)
    assert len(found) == len(model.state_dict())
    save_file({"stray.weight": torch.zeros(3)}, student / "stray.safetensors")  # the index doesn't name it
    try:
        assert file_checksums(student, torch.device("cpu")) == found
    finally:
        (student / "stray.safetensors").unlink()
