"""Sizes that are counted without weights are those of the loaded model."""

from pathlib import Path

import pytest

from rilctl.config.fields import LoraConfig
from rilctl.errors import ModelError
from rilctl.models.families.table import FAMILIES
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.anatomy import read_anatomy
from rilctl.models.loaded.source import ModelSource
from rilctl.testing.families import SHARING

from ..conftest import LoadVlm


def source_of(path: Path, family: str) -> ModelSource:
    return ModelSource(str(path), path, None, FAMILIES[family])


LORA = LoraConfig(rank=4)


@pytest.mark.parametrize("name", [*SHARING, "llava_next"])
def test_parameters_are_those_of_the_model(load: LoadVlm, model_dirs: dict[str, Path], name: str) -> None:
    vlm = load(name)
    anatomy = read_anatomy(vlm.source)
    assert anatomy.parameters == sum(parameter.numel() for parameter in vlm.model.parameters())
    assert anatomy.head == vlm.lm_head.weight.numel() and anatomy.tied
    assert (anatomy.vision > 0) == (anatomy.tower is not None) == (name != "text")
    adapter = with_adapter(vlm, LORA, adapter="policy", seed=0)
    assert anatomy.adapter_parameters(LORA) == sum(p.numel() for _, p in adapter.trained_parameters())


def test_a_picture_has_as_many_patches_for_each_token(model_dirs: dict[str, Path]) -> None:
    assert read_anatomy(source_of(model_dirs["pocket-student"], "qwen2_5_vl")).patches_per_token == 4
    assert read_anatomy(source_of(model_dirs["pocket-teacher-internvl"], "internvl")).patches_per_token == 4
    assert read_anatomy(source_of(model_dirs["llava"], "llava")).patches_per_token == 1
    assert read_anatomy(source_of(model_dirs["smolvlm"], "smolvlm")).patches_per_token == 4
    assert read_anatomy(source_of(model_dirs["gemma3"], "gemma3")).patches_per_token == 4


def test_a_damaged_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl", "text_config": {"hidden_size": -1}}')
    with pytest.raises(ModelError, match="describes no model"):
        read_anatomy(source_of(tmp_path, "qwen2_5_vl"))
