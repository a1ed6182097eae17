import json
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.clock import Phase, key_of
from rilctl.config.recipe import Verb
from rilctl.reporting.known_metrics import METRICS
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.reference import TIMINGS
from rilctl.reporting.registry import counts_of, find_metric, headline, shown
from rilctl.testing.stages import run_stage, write_trainable_workspace

SHORT = ("train.num_steps=2", "train.validate_every=2", "train.num_validation_questions=2")
RUNS = {
    "distillation": ("train.algorithm.name=on_policy_distillation", "train.distillation.teacher=qwen"),
    "by heart": ("train.algorithm.name=ril_sft",),
    "ril": (
        "train.algorithm.policy_updates=2",
        "train.algorithm.kl_rows=all",
        "train.rewards.missing_truth=others",
        "train.discriminator_artifact=sees",
    ),
    "corrected": (
        "train.algorithm.name=dr_grpo",
        "train.sampler_correction.enabled=true",
        "train.validation_picture=['swapped', 'none']",
    ),
}
"""What `train` is asked for, so that it writes all that this process can."""
SEES = "pretrain-disc.input=image+question+response"
"""The same of `pretrain-disc`."""
ELSEWHERE = (
    "judge/input_tokens",
    "judge/output_tokens",
    "judge/cost",
    "judge/rules_first_share",
    "judge/canary/",
    "sync/",
)
"""What needs a server: tests/contract/test_llm_judge.py and tests/vllm see that it is known."""

KEPT = ("sft/num_kept", "sft/num_left_out/REASON")
"""What needs right answers among the teachers': tests/unit/stages/sft."""


def known(names: Iterable[str], verb: Verb) -> set[str]:
    """The records' names of what a verb wrote; all of it is registered, and as that verb's."""
    found = {name: find_metric(name) for name in names}
    assert [name for name, metric in found.items() if metric is None or verb not in metric.verbs] == []
    return {metric.name for metric in found.values() if metric is not None}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[Verb, set[str]]:
    """What a small run of each verb wrote, by the name of its record."""
    workspace = write_trainable_workspace(tmp_path_factory.mktemp("workspace"))
    run_stage(workspace, "pretrain-disc", SEES, out=workspace / "sees")
    run_stage(
        workspace, "sft", "sft.num_steps=1", "sft.validation_picture=['swapped', 'none']", out=workspace / "looks"
    )
    outs: list[tuple[Verb, Path]] = [("sft", workspace / "looks"), ("pretrain-disc", workspace / "sees")]
    for name, sets in RUNS.items():
        outs.append(("train", workspace / name))
        run_stage(workspace, "train", *SHORT, *sets, out=workspace / name)
    own = json.dumps(str(workspace / "ril"))  # to a few questions only, so that others are left out
    prefers = ("sft.responses=teacher-cache", "sft.num_steps=1", f"sft.preference={{ responses = {own} }}")
    run_stage(workspace, "sft", *prefers, out=workspace / "prefers")
    outs.append(("sft", workspace / "prefers"))
    names: dict[Verb, set[str]] = {}
    for verb, out in outs:
        rows = [name for row in read_metrics(out / "metrics.jsonl") for name in row if name != "step"]
        names.setdefault(verb, set()).update(known(rows, verb))
        for timings in read_metrics(out / "timings.jsonl"):
            assert timings.keys() - {"step"} <= {key_of(phase) for phase in TIMINGS}
    held_out = read_manifest(workspace / "sees/discriminator").metrics
    names["pretrain-disc"] |= known(held_out, "pretrain-disc")
    names["judge"] = known(run_stage(workspace, "judge").summary, "judge")
    return names


def test_what_runs_write_is_registered_and_what_is_registered_is_written(written: dict[Verb, set[str]]) -> None:
    for verb, names in written.items():
        missing = {metric.name: metric for metric in METRICS if verb in metric.verbs and metric.name not in names}
        assert [name for name, metric in missing.items() if not metric.when] == []
        if verb != "judge":
            left = {name for name in missing if not name.startswith(ELSEWHERE)}
            assert left <= {"judge/missing_mean_tokens", "reward/NAME_student", "reward/NAME_teacher", *KEPT}


def test_names_are_unique_and_a_pattern_gives_way_to_a_name() -> None:
    assert len({(metric.name, verb) for metric in METRICS for verb in metric.verbs}) == sum(
        len(metric.verbs) for metric in METRICS
    )
    found = [find_metric(name) for name in ("reward/answer_student", "reward/brevity_student", "accuracy/qwen72b")]
    assert [metric.name for metric in found if metric] == [
        "reward/answer_student",
        "reward/NAME_student",
        "accuracy/SOURCE",
    ]
    assert find_metric("reward/brevity_nobody") is None and find_metric("reward/a/b_student") is None


def test_a_side_is_that_of_the_name_and_of_what_the_mean_is_over() -> None:
    for metric in METRICS:
        for side in ("student", "teacher"):
            if f"{side}_" in metric.name or metric.name.endswith(f"_{side}") or metric.over.startswith(side):
                assert metric.side == side, metric.name


def test_bars_and_summary_show_what_the_registry_flags_in_its_order() -> None:
    metrics = {"validation/accuracy": 0.5, "reward/brevity_student": 1.0, "disc/auc": 0.9, "reward/answer_student": 0.2}
    metrics |= {"reward/similarity_student": 0.1, "policy/loss": 0.0, "unheard/of": 1.0}
    assert list(shown("train", metrics)) == [
        "reward/answer_student",
        "reward/similarity_student",
        "reward/brevity_student",
        "validation/accuracy",
    ]
    assert shown("pretrain-disc", metrics) == {"disc/auc": 0.9}
    assert list(headline(metrics)) == [name for name in metrics if name not in ("policy/loss", "unheard/of")]


def test_a_sum_is_divided_by_the_tokens_that_its_record_names() -> None:
    assert counts_of(
        "policy", ["student_kl", "teacher_logprob", "entropy", "num_student_tokens", "student_weight"]
    ) == {
        "student_kl": "num_student_tokens",
        "teacher_logprob": "num_teacher_tokens",
        "entropy": "num_policy_tokens",
        "num_student_tokens": None,
        "student_weight": "num_student_tokens",
    }
    with pytest.raises(KeyError, match="policy/unheard"):
        counts_of("policy", ["unheard"])


def test_every_phase_of_a_step_has_a_meaning() -> None:
    assert set(TIMINGS) == set(get_args(Phase)) - {"loading", "writing"}
