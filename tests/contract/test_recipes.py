"""Every shipped layout, planned with the published dimensions of its models and a few questions of a real size."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from rilctl.config.fields import ModelConfig
from rilctl.config.load import load_recipe
from rilctl.config.recipe import VERBS
from rilctl.config.shipped import recipes_dir
from rilctl.config.suite import find_suite, select
from rilctl.models.loaded.anatomy import read_anatomy
from rilctl.models.loaded.source import find_source
from rilctl.testing.published import PublishedName, write_published

from .helpers import call

LAYOUTS = ("paper-qwen7b", "qwen3b-lora-1gpu", "internvl3-8b-multinode", "closed-teacher")
BILLIONS = {"qwen3b": 3.755, "qwen7b": 8.292, "qwen72b": 73.41, "internvl8b": 7.944}
"""Parameters, as the models' pages say."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models' directories under their built-in names, and questions in LLaVA's format."""
    workspace = tmp_path_factory.mktemp("published")
    for name in get_args(PublishedName):
        write_published(workspace / name, name)
    data = workspace / "data"
    data.mkdir()
    Image.new("RGB", (1024, 768), (210, 90, 40)).save(data / "photo.jpg")
    rows = []
    for index in range(400):
        question = {"from": "human", "value": f"<image>\nhow many things of kind {index} are in the picture?"}
        turns = [question, {"from": "gpt", "value": "7"}]
        os.link(data / "photo.jpg", data / f"{index}.jpg")  # of its own: conversations that share one stay together
        rows.append({"id": f"{index}", "image": f"{index}.jpg", "conversations": turns})
    for name in ("questions.json", "instructions.json"):
        (data / name).write_text(json.dumps(rows))
    return workspace


def planned(workspace: Path, layout: str, *overrides: str) -> dict[str, dict[str, Any]]:
    """Each verb's plan; built-in names stand for the directories of the same name."""
    recipe = load_recipe([recipes_dir() / f"{layout}.toml"])
    assert recipe.student is not None
    models = {"student.model": recipe.student.model} | {
        f"teachers.{name}.model": teacher.model for name, teacher in recipe.teachers.items() if not teacher.endpoint
    }
    known = [f"{key}={workspace / name}" for key, name in models.items() if name in get_args(PublishedName)]
    dtypes = ["student.dtype=bfloat16"] + [
        f"teachers.{name}.dtype=bfloat16" for name, teacher in recipe.teachers.items() if not teacher.endpoint
    ]
    words = [word for override in (*known, *dtypes, *overrides) for word in ("--set", override)]
    outcome = call(workspace, "run", recipes_dir() / f"{layout}.toml", "--dry-run", "--json", *words)
    assert outcome.code == 0, outcome.stderr
    return {plan["verb"]: plan["plan"] for plan in outcome.report["plans"]}


@pytest.mark.parametrize("name", get_args(PublishedName))
def test_parameters_are_the_published_ones(published: Path, name: str) -> None:
    directory = published / name
    counted = read_anatomy(find_source(ModelConfig(model=str(directory)), base_dir=Path())).parameters
    assert counted / 1e9 == pytest.approx(BILLIONS[name], rel=1e-3)  # the pages round to four digits


def test_every_recipe_is_a_layout_or_the_quickstart() -> None:
    assert {path.stem for path in recipes_dir().glob("*.toml")} == {*LAYOUTS, "quickstart"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_planned_before_anything_was_run(published: Path, layout: str) -> None:
    plans = planned(published, layout)
    assert list(plans) == list(VERBS)
    train = plans["train"]
    assert train["data"]["image_tokens"] > 900 * train["data"]["pictures"]
    assert train["work"]["rollout_tokens"] > 1e6
    assert train["memory"]["policy_update"]["total_bytes"] > 5e9
    assert train["time"] == {"wall_time_s": None}
    assert not (published / "runs").exists()


@pytest.mark.parametrize("layout", ["qwen3b-lora-1gpu", "closed-teacher"])
def test_24_gb_are_enough_for_a_3b_student_with_adapters(published: Path, layout: str) -> None:
    plans = planned(published, layout)
    for verb in ("sft", "pretrain-disc", "train"):
        peak = plans[verb]["peak_memory"]
        assert peak["fits"] is True and peak["peak_bytes"] < 0.9 * 24e9, verb
    full = planned(published, layout, "train.engine.gradient_checkpointing=false")
    assert full["train"]["memory"]["policy_update"]["total_bytes"] > plans["train"]["peak_memory"]["peak_bytes"]


def test_where_weights_are_divided_they_come_together_to_sample(published: Path) -> None:
    divided = ("train.engine.type=deepspeed", "train.engine.zero_stage=3", "plan.num_gpus=4")
    memory = planned(published, "qwen3b-lora-1gpu", *divided)["train"]["memory"]
    whole = 2e9 * BILLIONS["qwen3b"]
    assert memory["policy_update"]["weights_bytes"] < 0.7 * whole  # a quarter, and the layers that are at work
    assert whole < memory["rollouts"]["weights_bytes"] < 1.4 * whole


def test_the_papers_values(published: Path) -> None:
    plans = planned(published, "paper-qwen7b")
    train = load_recipe([recipes_dir() / "paper-qwen7b.toml"]).train
    assert train is not None
    sampling, algorithm = train.sampling, train.algorithm
    assert (train.num_student_rows, train.num_teacher_rows, train.questions_per_step) == (4, 4, 4 * 6 * 6)
    assert train.num_steps == 1000 and train.sampler_correction.enabled is False
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.repetition_penalty) == (1.0, 0.95, 50, 1.05)
    assert (algorithm.clip_low, algorithm.clip_high) == (0.2, 0.2)
    assert (algorithm.kl_beta, algorithm.kl_rows) == (0.01, "all")
    assert (algorithm.policy_updates, algorithm.disc_updates) == (1, 1)
    assert train.discriminator.reward == "binary"
    assert (train.optim.lr, train.discriminator.optim.lr, train.optim.lr_end) == (1e-6, 1e-6, None)
    assert plans["train"]["work"]["judge_calls"] > plans["train"]["work"]["rollouts"]
    for verb in ("sft", "pretrain-disc", "train"):
        assert plans[verb]["peak_memory"]["fits"] is True, verb


def test_the_papers_layout_from_load_to_save(published: Path) -> None:
    """Against sums by hand: between steps about 51 GB, the policy's update 61, with weights whole 67."""
    memory = planned(published, "paper-qwen7b")["train"]["memory"]
    expected = {"idle": 51, "policy_update": 61, "sending_weights": 67, "writing": 67}
    found = {phase: memory[phase]["total_bytes"] / 1e9 for phase in expected}
    assert found == pytest.approx(expected, rel=0.02)
    assert memory["loading"]["total_bytes"] < 10e9  # three models of 16.6 GB, of which each GPU gets a sixth
    assert memory["loading"]["host_bytes"] == pytest.approx(2e9 * BILLIONS["qwen7b"], rel=1e-3)


def test_a_plan_says_what_offloading_takes_of_the_host(published: Path) -> None:
    small = ("train.engine.offload=all", "plan.num_gpus=8", "plan.device_memory_gb=32")
    train = planned(published, "paper-qwen7b", *small)["train"]
    assert train["peak_memory"]["fits"] is True
    assert max(phase["total_bytes"] for phase in train["memory"].values()) == train["peak_memory"]["peak_bytes"]
    # of policy and discriminator 2 + 4 + 12 bytes a parameter, of the reference 2, and a file of the student
    least = (18 * (8.292 + 7.070) + 2 * 8.292) * 1e9 + 4e9
    assert train["peak_memory"]["host_memory_of_all_bytes"] == pytest.approx(least, rel=0.01)
    assert "host_fits" not in train["peak_memory"], "nobody said what the host has"


@pytest.mark.parametrize(("host_gb", "fits"), [(290, False), (310, True)])
def test_a_plan_says_whether_the_host_has_it(published: Path, host_gb: int, fits: bool) -> None:
    small = (
        "train.engine.offload=all",
        "plan.num_gpus=8",
        "plan.device_memory_gb=32",
        f"plan.host_memory_gb={host_gb}",
    )
    assert planned(published, "paper-qwen7b", *small)["train"]["peak_memory"]["host_fits"] is fits


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_measures_what_its_judge_can_score(layout: str) -> None:
    recipe = load_recipe([recipes_dir() / f"{layout}.toml"])
    assert recipe.eval is not None and recipe.judge is not None
    suite = find_suite(recipe.eval.suite, recipes_dir()).suite
    asked = select(suite, recipe.eval.tasks) if recipe.eval.tasks else suite
    assert len(asked.benchmarks) >= 9
    assert recipe.judge.type == "llm" or all(benchmark.judge == "none" for benchmark in asked.benchmarks)


def test_a_closed_teacher_has_a_price_before_it_is_asked(published: Path) -> None:
    plans = planned(published, "closed-teacher")
    whole, work = plans["cache-teacher"], plans["train"]["work"]
    plan = whole["teacher_closed"]
    assert plan["calls"] == 4 * whole["data"]["questions"]
    assert plan["cost"] == pytest.approx((2.0 * plan["input_tokens"] + 8.0 * plan["response_tokens"]) / 1e6)
    tokens = 0.4 * work["judge_input_tokens"] + 1.6 * work["judge_output_tokens"]
    assert work["judge_cost"] == pytest.approx(tokens / 1e6)


def test_the_slurm_script_walks_the_verbs_beside_two_servers(tmp_path: Path) -> None:
    """Slurm is a double: `srun` writes down what it should start. Servers stay until the script ends."""
    started = tmp_path / "started"
    both = f"*'rilctl train'*) until [ $(grep -c serve {started}) = 2 ]; do sleep 0.1; done ;;"
    doubles = {
        "scontrol": "printf 'gpu%s\\n' 1 2 3 4",
        "srun": f"printf '%s\\n' \"$*\" >> {started}\ncase $* in *serve*) sleep 60 ;; {both} *sft*) exit 3 ;; esac",
    }
    for name, lines in doubles.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "gpu[1-4]"}
    script = recipes_dir() / "internvl3-8b-multinode.sbatch"
    subprocess.run(["bash", script], cwd=recipes_dir(), env=environment, check=True, timeout=60)
    commands = [shlex.split(line) for line in started.read_text().splitlines()]
    verbs = [command[command.index("rilctl") + 1 :] for command in commands if "rilctl" in command]
    assert [verb for verb, *_ in verbs] == list(VERBS)
    for _, recipe, *overrides in verbs:
        assert overrides[::2] == ["--set"] * 3
        loaded = load_recipe([recipes_dir() / recipe], overrides[1::2])
        assert loaded.train is not None and loaded.judge is not None
        assert getattr(loaded.train.generation, "url", "") == "http://gpu3:8000"
    served = [command for command in commands if "serve" in command]
    assert sorted(command[command.index("serve") + 1] for command in served) == [
        "Qwen/Qwen2.5-32B-Instruct",
        "runs/internvl3-8b-multinode/sft",
    ]  # both start in the background, in either order


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_planned_where_nothing_is_but_the_recipe(tmp_path: Path, layout: str) -> None:
    outcome = call(tmp_path, "run", recipes_dir() / f"{layout}.toml", "--dry-run", "--json")
    assert outcome.code == 0, outcome.stderr
    plans = {plan["verb"]: plan["plan"] for plan in outcome.report["plans"]}
    assert list(plans) == list(VERBS)
    for verb in ("cache-teacher", "sft", "pretrain-disc", "train"):
        assert plans[verb]["data"]["sizes"] == "data.size" and plans[verb]["data"]["prompt_tokens"] > 1e6
    assert plans["train"]["work"]["rollout_tokens"] > 1e6 and not any(tmp_path.iterdir())
