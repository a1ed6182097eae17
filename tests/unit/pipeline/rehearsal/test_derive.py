import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.layers import Layers
from rilctl.config.load import load_recipe, recipe_from
from rilctl.config.recipe import Recipe
from rilctl.config.shipped import recipes_dir
from rilctl.data.load import load_samples
from rilctl.errors import ConfigError
from rilctl.models.loaded.source import read_family
from rilctl.pipeline.rehearsal.derive import Rehearsal, derive
from rilctl.pipeline.rehearsal.engines import Machine

LAYOUTS = ("paper-qwen7b", "internvl3-8b-multinode", "qwen3b-lora-1gpu", "closed-teacher")
WITH_VLLM, WITHOUT = Machine(has_vllm=True, num_ranks=6), Machine(has_vllm=False, num_ranks=6)
KEPT = {
    "sft.engine": ("type", "zero_stage", "offload", "gradient_checkpointing", "tokens_per_micro_batch"),
    "pretrain-disc.engine": ("type", "zero_stage", "offload", "gradient_checkpointing", "tokens_per_micro_batch"),
    "train.engine": ("type", "zero_stage", "offload", "gradient_checkpointing", "tokens_per_micro_batch"),
    "train.generation": ("type", "rows_per_batch", "transfer_dir"),
    "train": ("lora", "algorithm", "take_turns", "missing_verdicts", "sampler_correction"),
    "train.discriminator": ("lora",),
    "sft": ("lora", "responses"),
    "pretrain-disc": ("lora", "input", "loss"),
}
"""What makes the layout."""


def shipped(name: str, *overrides: str) -> Recipe:
    return load_recipe([recipes_dir() / f"{name}.toml"], overrides)


def rehearsal(name: str, folder: Path, *overrides: str, machine: Machine = WITH_VLLM, gpus: int | None = None):
    return derive(shipped(name, *overrides), name, folder, folder, machine, gpus)


def value(recipe: Recipe, key: str) -> Any:
    found: Any = recipe.model_dump(mode="json", by_alias=True)
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_stays_and_the_file_says_so(name: str, tmp_path: Path) -> None:
    plan = rehearsal(name, tmp_path)
    original, small = shipped(name), recipe_from(Layers(tomllib.loads(plan.draft.toml()), {}, ()))
    assert small == plan.draft.recipe()
    for table, keys in KEPT.items():
        for key in keys:
            assert value(small, f"{table}.{key}") == value(original, f"{table}.{key}"), f"{table}.{key}"
    assert plan.verbs == ("cache-teacher", "judge", "sft", "pretrain-disc", "train", "eval")
    assert small.train is not None and small.train.num_steps == 4
    assert read_family(tmp_path / "models/student").name == (
        "internvl" if name.startswith("internvl") else "qwen2_5_vl"
    )
    assert (tmp_path / "models/student/model.safetensors").stat().st_size < 8 << 20


def test_the_papers_layout_has_six_ranks_a_sampler_and_a_judge_at_its_own_ports(tmp_path: Path) -> None:
    plan = rehearsal("paper-qwen7b", tmp_path)
    assert (plan.num_ranks, plan.ranked) == (6, ("sft", "pretrain-disc", "train"))
    sampler, judge = plan.servers
    assert (sampler.kind, sampler.model, sampler.dtype) == ("vllm", "runs/paper-qwen7b/sft", "bfloat16")
    assert sampler.verbs == ("pretrain-disc", "train") and judge.verbs == ("judge", "train", "eval")
    train = plan.draft.recipe().train
    assert train is not None and train.generation.type == "vllm-server" and train.generation.transfer == "disk"
    assert train.questions_per_step % 6, "shares of a step should be uneven"
    assert '`train.generation.transfer = "nccl"` by "disk"' in plan.draft.replaced
    assert any("nccl" in line for line in plan.draft.not_proven)
    assert any("8 GPUs in `cache-teacher.engine`" in line for line in plan.draft.not_proven)


def test_hosts_of_the_recipe_are_this_machine_and_sixteen_ranks_become_six(tmp_path: Path) -> None:
    plan = rehearsal("internvl3-8b-multinode", tmp_path)
    assert plan.num_ranks == 6 and "16 training processes by 6" in plan.draft.replaced
    recipe = plan.draft.recipe()
    urls = {value(recipe, "train.generation.url"), value(recipe, "pretrain-disc.generation.url")}
    assert urls == {f"http://127.0.0.1:{plan.servers[0].port}"}
    assert {"that rollouts is reached from here", "that judge is reached from here"} <= set(plan.draft.not_proven)
    assert rehearsal("internvl3-8b-multinode", tmp_path / "two", gpus=2).num_ranks == 2


def test_a_port_that_is_taken_is_another_one_for_all_who_ask(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        plan = rehearsal("paper-qwen7b", tmp_path, f"train.generation.url={url}", f"pretrain-disc.generation.url={url}")
        recipe = plan.draft.recipe()
        assert value(recipe, "train.generation.url") == value(recipe, "pretrain-disc.generation.url") != url
        assert value(recipe, "train.generation.url").endswith(str(plan.servers[0].port))
        assert any(line.startswith(f"{url} by ") for line in plan.draft.replaced)


def test_no_key_is_sent_and_each_closed_model_has_a_server(tmp_path: Path) -> None:
    plan = rehearsal("closed-teacher", tmp_path)
    assert "key_env" not in plan.draft.toml()
    assert [(server.name, server.kind) for server in plan.servers] == [
        ("teacher-closed", "teacher"),
        ("judge", "judge"),
    ]
    assert (plan.num_ranks, plan.ranked) == (1, ())
    assert sum("the key of" in line for line in plan.draft.not_proven) == 2


def test_without_vllm_its_engines_are_hugging_faces_and_its_server_a_double(tmp_path: Path) -> None:
    plan = rehearsal("paper-qwen7b", tmp_path, machine=WITHOUT)
    recipe = plan.draft.recipe()
    assert (value(recipe, "cache-teacher.engine.type"), value(recipe, "eval.engine.type")) == ("hf", "hf")
    assert plan.servers[0].kind == "vllm-double"
    assert sum("no vLLM for CPUs" in line for line in plan.draft.replaced) == 3


def test_a_recipe_without_a_student_can_not_be_rehearsed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no \\[student\\] table"):
        derive(load_recipe([], ["train.num_steps=3"]), "x", tmp_path, tmp_path, WITHOUT, None)


def own_data(tmp_path: Path, num_rows: int) -> Rehearsal:
    turns = [{"from": "human", "value": "what?"}, {"from": "gpt", "value": "this"}] * 3
    rows = [{"id": f"mine-{index}", "conversations": turns} for index in range(num_rows)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/questions.json").write_text(json.dumps(rows))
    folder = tmp_path / "folder"
    return derive(shipped("paper-qwen7b"), "paper-qwen7b", folder, tmp_path, WITHOUT, None)


def test_the_first_rows_of_the_users_own_data_are_taken(tmp_path: Path) -> None:
    plan = own_data(tmp_path, 400)
    lines = (tmp_path / "folder/data/rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"mine-{index}" for index in range(32)]
    data = plan.draft.recipe().data
    assert data is not None and data.type == "llava" and data.image_root == str(tmp_path / "data")
    assert "that the data can be read" not in plan.draft.not_proven


@pytest.mark.parametrize(
    "data",
    [
        {"type": "llava", "path": "x.json", "id": "number"},
        {"type": "chat", "path": "x.jsonl"},
        {"type": "jsonl", "path": "x.jsonl", "columns": {"images": "picture", "question": "ask", "response": "say"}},
        {"type": "hub", "path": "me/mine"},
        {"type": "parquet", "path": "x.parquet"},
    ],
    ids=lambda data: data["type"],
)
def test_made_rows_are_read_in_the_recipes_own_form(data: dict[str, Any], tmp_path: Path) -> None:
    recipe = shipped("qwen3b-lora-1gpu").model_dump(mode="json", by_alias=True, exclude_none=True) | {"data": data}
    plan = derive(recipe_from(Layers(recipe, {}, ())), "x", tmp_path, tmp_path, WITHOUT, None)
    made = plan.draft.recipe().data
    assert made is not None and "that the data can be read" in plan.draft.not_proven
    loaded = load_samples(made, base_dir=tmp_path)
    assert loaded.samples and not loaded.rejected and all(sample.images for sample in loaded.samples)


def test_a_reward_that_needs_longer_responses_is_left_out(tmp_path: Path) -> None:
    own = ("train.rewards.length={ budget_tokens = 200 }", "train.rewards.format={ pattern = 'a' }")
    plan = rehearsal("qwen3b-lora-1gpu", tmp_path, *own)
    train = plan.draft.recipe().train
    assert train is not None and list(train.rewards.own) == ["format"]
    assert any("the reward `length`" in line for line in plan.draft.not_proven)
