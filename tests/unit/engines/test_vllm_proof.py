"""The proof against a sampler in bfloat16 that is right, and against samplers that are not."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.vllm.backend import Ask, Generated
from rilctl.engines.generation.vllm.compared import Compared, compare
from rilctl.engines.generation.vllm.probes import NUM_PROBES, NUM_TOKENS, TEMPERATURE, make_probes
from rilctl.engines.generation.vllm.proof import CALIBRATION_LOOKS, SECOND_LOOKS, Proof
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.spread import MAX_UNITS, MIN_UNITS, Bound, calibrated
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_text
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.form import response_hidden
from rilctl.quickstart.shapes import ShapeName
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.small_vlms import build_small_vlm

DIFFER = "log-probabilities differ from the policy's by .* again with 24 fresh probes"


class Sampler:
    """A backend that decodes with a copy of the policy's weights in the policy's precision."""

    max_length_tokens = 256

    def __init__(self, policy: Vlm) -> None:
        self.vlm = copy.copy(policy)
        self.load(policy)
        self.asked: list[Ask] = []
        self.spoil: Callable[[list[Generated]], list[Generated]] = lambda answers: answers
        self.temperature: float | None = None

    def load(self, policy: Vlm) -> None:
        self.vlm.model = copy.deepcopy(policy.model).to(policy.dtype)

    def version(self) -> str:
        return "step"

    def workers(self, method: str) -> list[dict[str, Any]]:
        return [{}]

    def stream(self, asks: Sequence[Ask], params: Mapping[str, Any], num_places: int) -> Iterator[dict[int, Any]]:
        yield dict(enumerate(self.sample(asks, params)))

    def sample(self, asks: Sequence[Ask], params: Mapping[str, Any]) -> list[Generated]:
        self.asked += asks
        asked = copy.copy(self.vlm)
        asked.banned_ids, asked.stop_ids = tuple(params["logit_bias"]), (self.vlm.stop_ids[0],)
        prompts = [
            encode_text(asked, asked.tokenizer.decode(ask.token_ids), [each.pixels for each in ask.pictures])
            for ask in asks
        ]
        temperature = self.temperature or params["temperature"]
        sampling = SamplingConfig(max_new_tokens=params["max_tokens"], temperature=temperature)
        rows = sample(asked, prompts, [[ask.seed] for ask in asks], sampling)
        answers = [
            Generated(prompt.token_ids_P.tolist(), row.token_ids, row.logprobs, row.stopped, frozenset({"step"}))
            for prompt, (row,) in zip(prompts, rows, strict=True)
        ]
        return self.spoil(answers)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose head is not its embedding, so that its logits may be large and its tokens uncertain."""
    directory = build_small_vlm(tmp_path_factory.mktemp("model") / "student")
    for weights in directory.glob("*.safetensors"):
        weights.unlink()
    config = json.loads((directory / "config.json").read_text())
    for part in (config, config["text_config"]):
        part["tie_word_embeddings"] = False
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def load(directory: Path, dtype: str) -> Vlm:
    config = ModelConfig(model=str(directory), random_weights=True, dtype=dtype)
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)


@pytest.fixture
def policy(directory: Path) -> Vlm:
    policy = load(directory, "bfloat16")
    scale_head(policy, 45.0)
    return policy


def logits_of(policy: Vlm) -> torch.Tensor:
    prompt = encode_text(policy, "what is 1 plus 2?", [])
    with torch.no_grad(), policy.forward_pass():
        hidden = response_hidden(policy, [prompt], torch.tensor([0]), torch.arange(60)[None], torch.ones(1, 60).bool())
        return policy.lm_head(hidden).float()


def scale_head(policy: Vlm, largest: float) -> None:
    with torch.no_grad():
        policy.lm_head.weight *= largest / float(logits_of(policy).amax(-1).mean())


def proof_of(policy: Vlm, sampler: Sampler, **options: Any) -> Proof:
    reader = Reader(policy, KeptPrompts(policy), policy.stop_ids, policy.banned_ids, 4)
    return Proof(sampler, policy, reader, str(policy.dtype).removeprefix("torch."), **options)  # type: ignore[arg-type]


def check(proof: Proof) -> dict[str, float]:
    measured = proof.check("step", {})
    assert measured is not None
    return measured


def nudge(policy: Vlm, size: float, *, part: str = "", seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if part in name:
                parameter += size * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator)


def test_rounding_ends_no_run(policy: Vlm):
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    first = check(proof)
    for step in range(30):
        nudge(policy, 0.02, seed=step)
        sampler.load(policy)
        measured = check(proof)
        assert 0 < measured["sync/logprob_error"] < measured["sync/max_logprob_error"]
        assert measured["sync/num_looks"] == 1
    assert first["sync/num_looks"] == 1
    assert len(sampler.asked) == 1 + (CALIBRATION_LOOKS + 30) * NUM_PROBES
    assert len({(ask.token_ids, ask.seed) for ask in sampler.asked[1:]}) == len(sampler.asked) - 1  # all are fresh


def test_what_is_allowed_follows_the_logits(policy: Vlm):
    """A policy may learn larger logits after the engine was calibrated; a bound in nats would then end the run."""
    scale_head(policy, 5.0)
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    before = check(proof)
    scale_head(policy, 60.0)
    sampler.load(policy)
    after = check(proof)
    assert after["sync/logprob_error"] > before["sync/max_logprob_error"]


def old_weights(sampler: Sampler, policy: Vlm) -> None:
    nudge(policy, 0.05)


def old_head(sampler: Sampler, policy: Vlm) -> None:
    nudge(policy, 0.1, part="lm_head")


def an_old_layer(sampler: Sampler, policy: Vlm) -> None:
    nudge(policy, 0.1, part="layers.1.")


def another_temperature(sampler: Sampler, policy: Vlm) -> None:
    sampler.temperature = 1.9


def nonsense(sampler: Sampler, policy: Vlm) -> None:
    sampler.spoil = lambda answers: [replace(each, logprobs=(float("nan"),) * NUM_TOKENS) for each in answers]


FAULTS = [old_weights, old_head, an_old_layer, another_temperature, nonsense]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_another_policy_is_found(fault: Callable[[Sampler, Vlm], None], policy: Vlm):
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    check(proof)
    fault(sampler, policy)
    with pytest.raises(EngineError, match=DIFFER):
        check(proof)


def test_a_banned_token_is_found(policy: Vlm):
    """Before the trainer is given a picture's placeholder without a picture."""
    scale_head(policy, 5.0)
    sampler = Sampler(policy)
    answer = sampler.sample
    sampler.sample = lambda asks, params: answer(asks, {**params, "logit_bias": {}})  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"vLLM samples token \d+, which is banned"):
        check(proof_of(policy, sampler))


def test_log_probabilities_from_before_the_temperature_are_found_at_the_first_proof(policy: Vlm):
    """The engine isn't calibrated by a server that was started without `--logprobs-mode processed_logprobs`."""
    sampler = Sampler(policy)
    answer = sampler.sample

    def raw(asks: Sequence[Ask], params: Mapping[str, Any]) -> list[Generated]:
        answers = answer(asks, params)
        prompts = [
            encode_text(policy, policy.tokenizer.decode(a.token_ids), [p.pixels for p in a.pictures]) for a in asks
        ]
        found = compare(
            sampler.vlm, prompts, [(each.token_ids, each.logprobs) for each in answers], temperature=1.0, banned_ids=()
        )
        return [
            replace(each, logprobs=tuple((torch.tensor(each.logprobs) + one.differences_R).tolist()))
            for each, one in zip(answers, found, strict=True)
        ]

    sampler.sample = raw  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="log-probabilities are from before temperature and bans"):
        check(proof_of(policy, sampler))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_another_policy_is_found_at_the_first_proof(dtype, directory: Path):
    """The engine isn't calibrated by what it should find."""
    policy = load(directory, dtype)
    scale_head(policy, 30.0)
    sampler = Sampler(policy)
    nudge(policy, 0.1)
    with pytest.raises(EngineError, match=DIFFER):
        check(proof_of(policy, sampler))


def test_a_suspicion_is_looked_at_again(policy: Vlm):
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    expected = check(proof)

    def once(answers: list[Generated]) -> list[Generated]:
        sampler.spoil = lambda answers: answers
        return [replace(each, logprobs=tuple(value - 1 for value in each.logprobs)) for each in answers]

    sampler.spoil, asked_before = once, len(sampler.asked)
    measured = check(proof)
    assert measured["sync/num_looks"] == 2 and len(sampler.asked) == asked_before + (1 + SECOND_LOOKS) * NUM_PROBES
    assert measured["sync/logprob_error"] < 1.5 * expected["sync/logprob_error"]


def test_vllm_that_goes_away_is_asked_again_from_the_start(policy: Vlm):
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    answer = sampler.sample
    sampler.sample = lambda asks, params: [None] * len(asks) if len(sampler.asked) > 20 else answer(asks, params)  # type: ignore
    assert proof.check("step", {}) is None
    sampler.sample = answer  # type: ignore[method-assign]
    assert check(proof)["sync/num_looks"] == 1


def test_float32_stays_strict(directory: Path):
    policy = load(directory, "float32")
    scale_head(policy, 45.0)
    sampler = Sampler(policy)
    proof = proof_of(policy, sampler)
    measured = check(proof)
    assert measured["sync/logprob_error"] < 1e-5 and measured["sync/max_logprob_error"] == 1e-4
    sampler.spoil = lambda answers: [
        replace(each, logprobs=tuple(value - 2e-4 for value in each.logprobs)) for each in answers
    ]
    with pytest.raises(EngineError, match=r"by 0\.0002 nats on average, .*; 0\.0001 is allowed"):
        check(proof)


def test_the_recipes_bound_is_the_bound(policy: Vlm):
    sampler = Sampler(policy)
    measured = check(proof_of(policy, sampler, max_logprob_error=0.5))
    assert measured["sync/max_logprob_error"] == 0.5
    with pytest.raises(EngineError, match=DIFFER):
        check(proof_of(policy, sampler, max_logprob_error=1e-3))


def test_log_probabilities_are_computed_as_vllm_does(policy: Vlm):
    """Logits in the model's precision, then float32, bans, temperature, softmax: `vllm/v1/sample/sampler.py`."""
    probes = make_probes(proof_of(policy, Sampler(policy)).reader, 0, 200)
    banned = (3, 5)
    answers = [([index + 10] * 4, [0.0] * 4) for index in range(NUM_PROBES)]
    found = compare(policy, [probe.prompt for probe in probes], answers, temperature=TEMPERATURE, banned_ids=banned)
    ids = torch.tensor([ids for ids, _ in answers])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad(), policy.forward_pass():
        hidden = response_hidden(
            policy, [probe.prompt for probe in probes], torch.arange(NUM_PROBES), ids[:, :-1], mask[:, :-1]
        )
    for row, each in enumerate(found):
        for place in range(4):
            rounded = (hidden[row, place].bfloat16() @ policy.lm_head.weight.detach().bfloat16().T).double()
            rounded[list(banned)] = -torch.inf
            expected = (rounded / TEMPERATURE).log_softmax(-1)
            token = int(ids[row, place])
            assert float(each.differences_R[place]) == pytest.approx(float(expected[token]), abs=1e-4)  # float32
            largest = float(rounded[rounded > -torch.inf].abs().max())
            slopes = [(index == token) - float(p) for index, p in enumerate(expected.exp())]
            unit = largest * 2**-7 * sum(slope**2 for slope in slopes) ** 0.5 / TEMPERATURE
            assert float(each.units_R[place]) == pytest.approx(unit, rel=1e-4, abs=1e-6)
            raw = (hidden[row, place].bfloat16() @ policy.lm_head.weight.detach().bfloat16().T).double().log_softmax(-1)
            assert float(each.raw_differences_R[place]) == pytest.approx(float(raw[token]), abs=1e-4)


def test_probes_that_do_not_fit_are_left_out(policy: Vlm):
    reader = proof_of(policy, Sampler(policy)).reader
    lengths = [len(probe.prompt.token_ids_P) for probe in make_probes(reader, 0, 10_000)]
    assert len(set(lengths)) == NUM_PROBES and len(lengths) == NUM_PROBES
    room = sorted(lengths)[3]
    few = make_probes(reader, 0, room)
    assert max(len(probe.prompt.token_ids_P) for probe in few) == room and len(few) == NUM_PROBES
    assert len({probe.ask.seed for probe in few}) == NUM_PROBES
    shortest = make_probes(reader, 0, 1)
    assert {len(probe.prompt.token_ids_P) for probe in shortest} == {min(lengths)}


@pytest.mark.parametrize("shape", ["pocket-student", "pocket-teacher-internvl"])
def test_nothing_is_left_to_resize_of_the_probes_pictures(shape: ShapeName, tmp_path: Path):
    """In float32, one grey level in a few pixels moves log-probabilities a hundred times as far as rounding."""
    vlm = load_vlm(
        ModelConfig(model=str(build_small_vlm(tmp_path / "model", shape))), base_dir=Path(), device=torch.device("cpu")
    )
    reader = Reader(vlm, KeptPrompts(vlm), vlm.stop_ids, vlm.banned_ids, 4)
    pictures = [picture for probe in make_probes(reader, 5, 1000) for picture in probe.ask.pictures]
    assert len(pictures) == NUM_PROBES / 2
    for picture in pictures:
        assert picture.own is not None and picture.pixels.size == (56, 56)
        assert drawn_prompt(vlm, "", [picture.pixels]).features["pixel_values"].numel() == 56 * 56 * (
            6 if shape == "pocket-student" else 3  # patches of Qwen-VL hold each picture twice
        )


def answers_of(errors: Sequence[float], units: Sequence[float]) -> list[Compared]:
    zeros = torch.zeros(2)
    return [Compared(torch.tensor([e, -e]), torch.tensor([u, u]), zeros) for e, u in zip(errors, units, strict=True)]


def test_calibration_by_hand():
    errors, units = [0.2, 0.5, 0.4, 0.3], [1.0, 2.0, 1.0, 1.0]
    level = sum(errors) / sum(units)
    rest = [2 * (error - level * unit) for error, unit in zip(errors, units, strict=True)]
    deviation = (sum(value**2 for value in rest) / 3) ** 0.5 / (2 * sum(units) / 4) / 2**0.5
    bound = calibrated(answers_of(errors, units), num_at_once=2)
    assert bound.units == pytest.approx(1.5 * level + 5 * deviation, rel=1e-6)
    assert bound.of(answers_of([0, 0], [2.0, 4.0])) == pytest.approx(3 * bound.units)


@pytest.mark.parametrize(
    ("error", "units", "expected"),
    [(0.0, 1.0, MIN_UNITS), (1e-3, 1.0, MIN_UNITS), (9.0, 1.0, MAX_UNITS), (0.0, 0.0, MIN_UNITS)],
)
def test_calibration_has_a_floor_and_a_ceiling(error, units, expected):
    assert calibrated(answers_of([error] * 8, [units] * 8), 8) == Bound(units=expected)


def test_certain_tokens_may_differ_a_little():
    assert Bound(units=0.5).of(answers_of([0.0], [0.0])) == 1e-4
