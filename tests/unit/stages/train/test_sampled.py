"""What was sampled before a kill is not asked again."""

from pathlib import Path

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError
from rilctl.stages.train.sampled import SampledSteps
from rilctl.testing.scripted import ScriptedGeneration

SAMPLING = SamplingConfig(max_new_tokens=8)


class Rollouts(ScriptedGeneration):
    """A scripted rollout engine that remembers its updates."""

    def __init__(self) -> None:
        super().__init__({"known": "an answer"})
        self.updates: list[int] = []

    def update(self, version: int) -> dict[str, float]:
        self.updates.append(version)
        return {"sync/logprob_error": 0.0}


def requests(*seeds: int) -> list[GenerationRequest]:
    return [
        GenerationRequest("a", Conversation.of("known"), seeds),
        GenerationRequest("b", Conversation.of("unknown"), seeds),
    ]


def test_a_resumed_run_gets_the_same_answers_without_asking(tmp_path: Path):
    first = Rollouts()
    sampled = SampledSteps(first, tmp_path)
    sampled.forget_to(0)
    (good, bad), metrics = sampled.ask(1, requests(1, 2), SAMPLING)
    sampled.ask(2, requests(3, 4), SAMPLING)
    assert first.updates == [0, 1] and metrics == {"sync/logprob_error": 0.0}
    with (tmp_path / "sampled-00000.jsonl").open("a") as file:
        file.write('{"step": 3, "asked')  # a kill cuts the last line short

    second = Rollouts()
    resumed = SampledSteps(second, tmp_path)
    resumed.forget_to(1)  # the checkpoint's step
    (replayed, error), metrics = resumed.ask(2, requests(3, 4), SAMPLING)
    assert second.asked == [] and second.updates == [] and metrics == {}
    assert isinstance(replayed[0], Response) and replayed == good
    assert isinstance(error, RowError) and (error.reason, error.message) == (bad.reason, bad.message)
    resumed.ask(3, requests(5), SAMPLING)
    assert second.updates == [2] and len(second.asked) == 2


def test_another_question_seed_or_sampling_is_asked(tmp_path: Path):
    sampled = SampledSteps(Rollouts(), tmp_path)
    sampled.ask(1, requests(1), SAMPLING)
    for asked, sampling in ((requests(2), SAMPLING), (requests(1), SamplingConfig(max_new_tokens=7))):
        engine = Rollouts()
        other = SampledSteps(engine, tmp_path)
        other.forget_to(0)
        other.ask(1, asked, sampling)
        assert engine.updates == [0]


def test_a_checkpoint_lets_go_of_what_it_holds(tmp_path: Path):
    sampled = SampledSteps(Rollouts(), tmp_path)
    for step in (1, 2):
        sampled.ask(step, requests(step), SAMPLING)
    sampled.forget_to(2)
    assert (tmp_path / "sampled-00000.jsonl").read_bytes() == b""
