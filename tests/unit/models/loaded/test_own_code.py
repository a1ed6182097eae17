"""Code that comes with a model runs where the recipe names its digest, and is that code; nowhere else."""

import io
import json
import re
import shutil
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.errors import ModelError, RilctlError
from rilctl.models.loaded.anatomy import read_anatomy
from rilctl.models.loaded.source import find_source
from rilctl.models.loaded.vlm import load_vlm
from rilctl.testing.builders.text import write
from rilctl.testing.small_vlms import build_small_vlm

MARKER = "ran-its-own-code"
CODE = f"""
from pathlib import Path
from transformers import Qwen3Config
Path({MARKER!r}).touch()
class OwnConfig(Qwen3Config):
    model_type = "own"
"""
MODELING = """
from transformers import Qwen3ForCausalLM
from .configuration_own import OwnConfig
class OwnForCausalLM(Qwen3ForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A language model of an architecture that only its own files know."""
    directory = build_small_vlm(tmp_path / "own")
    write(directory)
    config = ModelConfig(model=str(directory), random_weights=True)
    load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True).model.save_pretrained(directory)
    (directory / "configuration_own.py").write_text(CODE)
    (directory / "modeling_own.py").write_text(MODELING)
    edit(
        directory / "config.json",
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"},
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))  # `yes | rilctl …`
    return directory


def edit(file: Path, **keys: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def asked(directory: Path, code: str | None) -> str:
    """What a teacher of this model answers, and with which identity."""
    config = ModelConfig(model=str(directory), code=code)
    with closing(load_engine(config, HfEngineConfig(), Path())) as engine:
        request = GenerationRequest("q", Conversation.of("what?"), (0,))
        (answer,) = engine.generate([request], SamplingConfig(max_new_tokens=4, temperature=0.0))
        assert isinstance(answer, tuple)
        return f"{engine.model_digest} {answer[0].token_ids}"


def refused(directory: Path, code: str | None = None) -> ModelError:
    with pytest.raises(ModelError) as found:
        asked(directory, code)
    assert not Path(MARKER).exists()
    return found.value


def test_it_runs_once_the_recipe_names_its_digest_and_no_other_code_does(own: Path) -> None:
    error = refused(own)
    assert "needs code of its own" in error.message and "read the Python files" in str(error.hint)
    digest = re.search(r'code = "(sha256:\w{64})"', str(error.hint))[1]  # type: ignore[index]
    answer = asked(own, digest)
    assert Path(MARKER).exists()
    assert read_anatomy(find_source(ModelConfig(model=str(own), code=digest), base_dir=Path())).parameters > 1000
    with (own / "modeling_own.py").open("a") as file:
        file.write("# another\n")
    Path(MARKER).unlink()
    error = refused(own, digest)
    assert "is not what the recipe allows" in error.message and digest not in str(error.hint)
    changed = re.search(r'code = "(sha256:\w{64})"', str(error.hint))[1]  # type: ignore[index]
    assert asked(own, changed).split()[0] != answer.split()[0]  # other code is another model


@pytest.mark.parametrize("name", ["helper.py", "deep/helper.py"])
def test_a_file_more_is_other_code(own: Path, name: str) -> None:
    digest = re.search(r"sha256:\w{64}", str(refused(own).hint))[0]  # type: ignore[index]
    (own / name).parent.mkdir(exist_ok=True)
    (own / name).write_text("")
    assert "is not what the recipe allows" in refused(own, digest).message


def test_what_cannot_be_allowed(own: Path, tmp_path: Path) -> None:
    digest = re.search(r"sha256:\w{64}", str(refused(own).hint))[0]  # type: ignore[index]
    with pytest.raises(ModelError, match="what is trained is written without it"):
        load_vlm(ModelConfig(model=str(own), code=digest), base_dir=Path(), device=torch.device("cpu"), trainable=True)
    (tmp_path / "elsewhere.py").write_text("")
    (own / "helper.py").symlink_to("../elsewhere.py")
    with pytest.raises(RilctlError, match=r"helper\.py` is a link"):
        asked(own, digest)
    (own / "helper.py").unlink()
    edit(own / "config.json", auto_map={"AutoConfig": "someone/else--configuration_own.OwnConfig"})
    assert "code of another repository: `someone/else--" in refused(own, digest).message
    plain = build_small_vlm(tmp_path / "plain")
    assert "has no code of its own" in refused(plain, digest).message


@pytest.mark.parametrize("file", ["tokenizer_config.json", "processor_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "auto_map",
    [
        {"AutoTokenizer": ["code.Own", None], "AutoProcessor": "code.Own", "AutoImageProcessor": "code.Own"},
        {"AutoTokenizer": ["a/b--code.Own", "a/b--code.Own"], "AutoProcessor": "a/b--code.Own"},
        ["code.Own", "code.Own"],
    ],
    ids=["here", "elsewhere", "list"],
)
def test_no_file_of_a_student_has_code_run(tmp_path: Path, own: Path, file: str, auto_map: object) -> None:
    """It is loaded by the library's classes, or refused."""
    student = Path(shutil.copytree(own, tmp_path / "student"))
    edit(student / "config.json", model_type="qwen3", architectures=["Qwen3ForCausalLM"], auto_map=None)
    (student / "code.py").write_text(CODE)
    if not (student / file).exists():
        (student / file).write_text("{}")
    edit(student / file, auto_map=auto_map)
    try:
        load_vlm(ModelConfig(model=str(student)), base_dir=Path(), device=torch.device("cpu"))
    except ModelError as error:
        assert str(student) in error.message
    assert not Path(MARKER).exists()
