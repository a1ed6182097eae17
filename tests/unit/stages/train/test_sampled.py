"""What was sampled before a kill is not asked again."""

from contextlib import nullcontext
from pathlib import Path

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.stages.train.asking import RolloutAsker
from rilctl.stages.train.sampled import SampledSteps, rewards_digest
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


def asker(engine: Rollouts, directory: Path, *, done: int = 0) -> RolloutAsker:
    """Of a run that goes on after so many steps."""
    stored = SampledSteps(directory)
    stored.forget_to(done)
    return RolloutAsker(engine, stored, Ranks(), nullcontext)


def requests(*seeds: int) -> list[GenerationRequest]:
    return [
        GenerationRequest("a", Conversation.of("known"), seeds),
        GenerationRequest("b", Conversation.of("unknown"), seeds),
    ]


def test_a_resumed_run_gets_the_same_answers_without_asking(tmp_path: Path):
    first = Rollouts()
    sampled = asker(first, tmp_path)
    (good, bad), metrics = sampled.rollouts(1, requests(1, 2), SAMPLING)
    sampled.rollouts(2, requests(3, 4), SAMPLING)
    assert first.updates == [0, 1] and metrics == {"sync/logprob_error": 0.0}
    with (tmp_path / "sampled-00000.jsonl").open("a") as file:
        file.write('{"step": 3, "asked')  # a kill cuts the last line short

    second = Rollouts()
    resumed = asker(second, tmp_path, done=1)
    (replayed, error), metrics = resumed.rollouts(2, requests(3, 4), SAMPLING)
    assert second.asked == [] and second.updates == [] and metrics == {}
    assert isinstance(replayed[0], Response) and replayed == good
    assert isinstance(error, RowError) and (error.reason, error.message) == (bad.reason, bad.message)
    resumed.rollouts(3, requests(5), SAMPLING)
    assert second.updates == [2] and len(second.asked) == 2


def test_another_question_seed_or_sampling_is_asked(tmp_path: Path):
    asker(Rollouts(), tmp_path).rollouts(1, requests(1), SAMPLING)
    for asked, sampling in ((requests(2), SAMPLING), (requests(1), SamplingConfig(max_new_tokens=7))):
        engine = Rollouts()
        asker(engine, tmp_path).rollouts(1, asked, sampling)
        assert engine.updates == [0]


def test_weights_that_learned_from_other_rewards_are_asked(tmp_path: Path):
    """A judge turned bad, and its verdicts count no more: neither do the answers of weights that learned from them."""
    bad, good = (rewards_digest("", Ranks(), [None, reward]) for reward in (1.0, 0.0))
    first = asker(Rollouts(), tmp_path)
    first.stored.learned = bad
    first.rollouts(2, requests(1), SAMPLING)
    for learned, num_asked in ((bad, 0), (good, 2)):
        engine = Rollouts()
        resumed = asker(engine, tmp_path, done=1)
        resumed.stored.learned = learned
        resumed.rollouts(2, requests(1), SAMPLING)
        assert len(engine.asked) == num_asked


def test_a_checkpoint_lets_go_of_what_it_holds(tmp_path: Path):
    sampled = asker(Rollouts(), tmp_path)
    for step in (1, 2):
        sampled.rollouts(step, requests(step), SAMPLING)
    asker(Rollouts(), tmp_path, done=2)
    assert (tmp_path / "sampled-00000.jsonl").read_bytes() == b""
