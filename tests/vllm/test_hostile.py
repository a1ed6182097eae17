"""What vLLM's own loader is never given, or refuses; `nox -s malice` has many more, where vLLM is installed."""

import json
import shutil
from pathlib import Path

import pytest

from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation
from rilctl.errors import ModelError
from rilctl.models.loaded.source import find_model

from .conftest import LOCAL, MODEL, Server

CODE = "from pathlib import Path\nPath('ran').touch()\n"


def answer(model: Path) -> None:
    asked = GenerationRequest("q", Conversation.of("4 + 4?"), (0,))
    open_generation(ModelConfig(model=str(model)), LOCAL, Path()).generate([asked], SamplingConfig(max_new_tokens=2))


@pytest.mark.parametrize(
    ("file", "settings", "reason"),
    [
        ("config.json", {"architectures": ["Own"]}, "vLLM can't load .*: it needs code of its own"),
        ("preprocessor_config.json", {"size": {"shortest_edge": -5, "longest_edge": -5}}, "`size` has -5 pixels"),
    ],
)
def test_a_model_with_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, settings: dict[str, object], reason: str
) -> None:
    model = Path(shutil.copytree(find_model(MODEL, revision=None, base_dir=Path()).path, tmp_path / "model"))
    (model / "own.py").write_text(CODE)
    auto_map = {"AutoConfig": "own.Own", "AutoModelForImageTextToText": "own.Own", "AutoImageProcessor": "own.Own"}
    changed = json.loads((model / file).read_text()) | settings | {"auto_map": auto_map}
    (model / file).write_text(json.dumps(changed))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=reason):
        answer(model)
    assert not list(tmp_path.rglob("ran"))


def test_a_server_that_is_started_as_documented_runs_none_of_it(tmp_path: Path) -> None:
    model = Path(shutil.copytree(find_model(MODEL, revision=None, base_dir=Path()).path, tmp_path / "model"))
    (model / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    auto_map = {"AutoConfig": "own.Own", "AutoModelForImageTextToText": "own.Own"}
    changed = json.loads((model / "config.json").read_text()) | {"architectures": ["Own"], "auto_map": auto_map}
    (model / "config.json").write_text(json.dumps(changed))
    server = Server(model, tmp_path / "log")
    server.start()
    try:
        assert server.process is not None and server.process.wait(240) == 1
        assert "contains custom code" in server.log.read_text()
    finally:
        server.kill()
    assert not (tmp_path / "ran").exists()
