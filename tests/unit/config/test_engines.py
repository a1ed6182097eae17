from pathlib import Path

import pytest
from pydantic import ValidationError

from rilctl.config.engines import DeepspeedEngineConfig, TorchEngineConfig, VllmServerEngineConfig
from rilctl.config.fields import semantic_config
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe
from rilctl.config.train import TrainConfig
from rilctl.errors import ConfigError


def load(directory: Path, engine: str) -> Recipe:
    file = directory / "recipe.toml"
    file.write_text(f"[train]\nengine = {{ {engine} }}\n")
    return load_recipe((file,), (), {})


def test_a_table_without_type_is_torch(tmp_path: Path) -> None:
    recipe = load(tmp_path, "num_threads = 1")
    assert recipe.train is not None and recipe.train.engine == TorchEngineConfig(num_threads=1)


def test_deepspeed_is_named_by_its_type(tmp_path: Path) -> None:
    recipe = load(tmp_path, 'type = "deepspeed", zero_stage = 3, offload = "all"')
    assert recipe.train is not None and recipe.train.engine == DeepspeedEngineConfig(zero_stage=3, offload="all")


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ('type = "deepsped"', "`train.engine.type`: expected one of `torch`, `deepspeed`; did you mean `deepspeed`?"),
        ('type = "deepspeed", zero_stage = 4', "`train.engine.zero_stage`: expected one of `0`, `1`, `2`, `3`"),
        ('type = "deepspeed", zero_stge = 2', "`train.engine.zero_stge`: unknown key; did you mean `zero_stage`?"),
        ('type = "deepspeed", zero_stage = 0, offload = "optimizer"', "`train.engine`: offload = `optimizer` needs"),
        ('type = "deepspeed", offload = "all"', "`train.engine`: offload = `all` needs zero_stage = 3"),
        ("num_thread = 1", "`train.engine.num_thread`: unknown key; did you mean `num_threads`?"),
        ("num_threads = true", "`train.engine.num_threads`: expected a whole number, found true"),
    ],
)
def test_problems_name_the_key_as_the_file_has_it(tmp_path: Path, engine: str, problem: str) -> None:
    with pytest.raises(ConfigError, match="recipe.toml") as caught:
        load(tmp_path, engine)
    assert problem in caught.value.message


def test_which_engine_trains_is_no_part_of_what_is_trained() -> None:
    deepspeed = TrainConfig(engine=DeepspeedEngineConfig(zero_stage=3))
    assert semantic_config(deepspeed) == semantic_config(TrainConfig())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("gpu-box:8000", "starts with http"),
        ("http://me:secret@gpu-box:8000", "never written here"),
        ("http://gpu-box:8000/?key=secret", "never written here"),
        ("http://gpu-box:8000/v1", "without `/v1`"),
    ],
)
def test_the_address_of_a_vllm_server_is_an_address_alone(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        VllmServerEngineConfig(url=url)
    assert "secret" not in str(caught.value)
    assert VllmServerEngineConfig(url="http://gpu-box:8000/").url == "http://gpu-box:8000"
