"""Several processes and one judge at an endpoint: who asks, what is paid for, what they are told."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.check import num_canaries
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion, failure
from rilctl.testing.judges import Decision, careful, read_prompt, reply_to
from rilctl.testing.ranks import run_ranks

RANK = """
import json, os, sys
from pathlib import Path

from rilctl.config.recipe import Recipe
from rilctl.config.train import TrainConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import open_ranks
from rilctl.engines.training.world import find_world
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext
from rilctl.stages.train.verdicts import JudgeAsker
from rilctl.stages.train.judges import opened_asker

root, told = Path(sys.argv[1]), json.loads(sys.argv[2])
JudgeAsker.pause_s = 0.2
judge = {"type": "llm", "model": "judge", "endpoint": {"max_retries": 0, **told["endpoint"]}, **told.get("judge", {})}
recipe = Recipe.model_validate_json(json.dumps({"judge": judge, "train": told.get("train", {})}))
context = StageContext(recipe, "recipe", root, root / "out", SilentReporter(), "rilctl train")
samples = [Sample(str(i), Conversation.of(f"what is {i} plus 1?"), str(i + 1), "") for i in range(told["questions"])]
with open_ranks(find_world(os.environ), grouped=True) as ranks:
    said = []
    with opened_asker(context, recipe.judge, ranks) as asker:
        if told.get("dies") == ranks.rank:
            collect = asker.collect
            asker.collect = lambda asked, said: os._exit(9) if said.found else collect(asked, said)
        for step in range(told["steps"]):
            # of each question, three responses: one right, one that is the same for all steps, one of this step
            own = [(i, text) for i in ranks.share(range(len(samples))) for text in (f"{i + 1}", "0", f"0{step}")]
            said.append({"own": own, "all": asker.verdicts(samples, own, recipe.train, lambda: None)})
        if told.get("settles", True):
            asker.settle(recipe.train, lambda: None)
        metrics, own = asker.metrics({}), asker._judge.counts() if asker._judge else {}
    print(json.dumps({"said": said, "metrics": metrics, "own": own}))
"""

NUM_CANARIES = num_canaries(LlmJudgeConfig(type="llm", model="judge"))


@dataclass
class Judge:
    """Counts what it is asked, and what at once."""

    trouble: Callable[[int], Wire | None] = lambda number: None
    decide: Decision = careful
    cases: list[JudgeRequest] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Call) -> Wire:
        case = read_prompt(call.text)
        with self.lock:
            self.cases.append(case)
            wire = self.trouble(len(self.cases))
        reply = completion(reply_to(call.text, self.decide))
        return wire or Wire(reply.content, headers=reply.headers, delay_s=0.02)

    def counts(self) -> Counter[JudgeRequest]:
        """How often each wrong response was asked before the last check: right ones may be canaries."""
        return Counter(case for case in self.cases[:-NUM_CANARIES] if re.fullmatch("0[0-9]?", case.response))


def ask(folder: Path, script: Judge, num_ranks: int, *, questions: int = 10, steps: int = 2, **told: Any) -> Any:
    """What each rank was told; also the largest number of calls at once."""
    file = folder / "rank.py"
    file.write_text(RANK)
    with ScriptedEndpoint(script) as endpoint:
        table = {"url": endpoint.url, "max_concurrency": told.pop("max_concurrency", 5)}
        told = {"questions": questions, "steps": steps, "endpoint": table, **told}
        done = run_ranks(file, str(folder), json.dumps(told), num_ranks=num_ranks)
        most = endpoint.most_at_once
    return done, most


def replies(done: Any) -> list[Any]:
    assert [each.returncode for each in done] == [0] * len(done), [each.stderr for each in done]
    return [json.loads(each.stdout.splitlines()[-1]) for each in done]


def check(said: list[Any], missing: int = 0) -> None:
    """All ranks were told the same, of every response what is right, of all but some."""
    for parts in zip(*(each["said"] for each in said), strict=True):
        assert all(part["all"] == parts[0]["all"] for part in parts)
        rows = [tuple(row) for part in parts for row in part["own"]]
        wrong = [v for (place, text), v in zip(rows, parts[0]["all"], strict=True) if v != (int(text) == place + 1)]
        assert len(wrong) == missing and set(wrong) <= {None}


@pytest.mark.parametrize(("num_ranks", "most"), [(1, 5), (2, 5), (3, 5), (3, 2)])
def test_every_rank_asks_its_part_and_nothing_is_asked_twice(tmp_path: Path, num_ranks: int, most: int) -> None:
    judge = Judge()
    done, most_at_once = ask(tmp_path, judge, num_ranks, max_concurrency=most)
    said = replies(done)
    responses = judge.counts()
    assert set(responses.values()) == {1} and len(responses) == 10 * 3
    assert len(judge.cases) == 2 * NUM_CANARIES + 10 * 4
    assert 1 < most_at_once <= most
    assert not {*judge.cases[:NUM_CANARIES]} & {*responses}  # canaries, before anything is paid for
    assert sum(each["own"].get("output_tokens", 0) > 0 for each in said) == min(num_ranks, most)
    metrics = [each["metrics"] for each in said]
    assert metrics[0]["canary/num"] == NUM_CANARIES and not any("canary/num" in each for each in metrics[1:])
    assert {each["output_tokens"] for each in metrics} == {metrics[0]["output_tokens"]}
    check(said)
    again = Judge()
    done, _ = ask(tmp_path, again, num_ranks, max_concurrency=most)
    assert [each["said"] for each in replies(done)] == [each["said"] for each in said]
    assert not again.counts()  # the call cache has them all


def test_metrics_are_the_same_whatever_the_number_of_ranks(tmp_path: Path) -> None:
    found = []
    for num_ranks in (1, 3):
        folder = tmp_path / str(num_ranks)
        folder.mkdir()
        done, _ = ask(folder, Judge(), num_ranks, judge={"rules_first": True})
        found.append(replies(done)[0]["metrics"])
    assert found[0] == found[1] and 0 < found[0]["rules_first_share"] < 1


@pytest.mark.parametrize("dies", [1, None])
def test_what_no_check_covers_when_a_run_ends_is_asked_again(tmp_path: Path, dies: int | None) -> None:
    """A rank is killed, or all end before they settle; nobody knows how the judge was."""
    first, second = Judge(), Judge()
    done, _ = ask(tmp_path, first, 2, steps=1, dies=dies, settles=False)
    assert done[1].returncode == (9 if dies else 0)
    done, _ = ask(tmp_path, second, 2, steps=1)
    check(replies(done))
    assert set(second.counts().values()) == {1} and len(second.counts()) == 10 * 2
    done, _ = ask(tmp_path, third := Judge(), 1, steps=1)
    assert not third.counts()


def test_a_judge_that_can_t_be_trusted_ends_all_before_it_is_paid(tmp_path: Path) -> None:
    judge = Judge(decide=lambda case: True)
    done, _ = ask(tmp_path, judge, 3)
    assert all(each.returncode for each in done)
    assert sum("max_false_positives" in each.stderr for each in done) == 1  # the others say that another rank failed
    assert not judge.counts()


def test_verdicts_that_one_rank_lacks_are_waited_for_by_all(tmp_path: Path) -> None:
    """Of two ranks one meets nothing but errors for a while; then they are dealt out anew."""
    judge = Judge(trouble=lambda number: failure(500) if NUM_CANARIES < number <= NUM_CANARIES + 20 else None)
    waits = {"missing_verdicts": "wait", "max_missing_verdicts": 0.0, "verdict_wait_s": 60.0}
    done, _ = ask(tmp_path, judge, 2, steps=1, train=waits)
    check(replies(done))
    assert Counter(judge.counts().values()) != Counter({1: 20})


def test_a_few_missing_verdicts_are_counted_over_all_ranks(tmp_path: Path) -> None:
    """Three of 30 may be missing: nobody waits, though they are more than a tenth of one rank's part."""
    judge = Judge(trouble=lambda number: failure(400) if NUM_CANARIES < number <= NUM_CANARIES + 3 else None)
    done, _ = ask(tmp_path, judge, 3, steps=1, train={"missing_verdicts": "wait", "max_missing_verdicts": 0.1})
    check(replies(done), missing=3)
    assert set(judge.counts().values()) == {1}
