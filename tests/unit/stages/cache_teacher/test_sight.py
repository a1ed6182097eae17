"""Teachers that see pictures, teachers that don't, and servers that lose them without a word."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import HfGeneration
from rilctl.errors import RilctlError
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.cache_teacher.sight import NUMBERS, draw
from rilctl.stages.shared.context import StageResult
from rilctl.testing.endpoint import Call, Script, ScriptedEndpoint, completion, failure
from rilctl.testing.model_endpoint import ModelBehindHttp, picture_of
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

DIGITS = """\
[data]
type = "digits"
split = "train"
select = { num_samples = 12 }

[cache-teacher]
num_responses = 1
"""


class Told(SilentReporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """See `Reporter`."""
        self.lines.append(text)

    def warn(self, text: str) -> None:
        """See `Reporter`."""
        self.lines.append(text)


def cache(folder: Path, script: Script, *sets: str, told: Told | None = None) -> tuple[StageResult | None, list[Call]]:
    """Cache answers of the teacher at such an endpoint; what it was asked, also if that ends in an error."""
    (folder / "recipe.toml").write_text(DIGITS)
    with ScriptedEndpoint(script) as endpoint:
        named = ("teachers.far.model=far", f"teachers.far.endpoint.url={endpoint.url}")
        try:
            result = run_stage(folder, "cache-teacher", *named, *sets, reporter=told or Told())
        except RilctlError as error:
            assert error.exit_code == 1 and "the teacher `far` sees no pictures" in str(error)
            assert error.hint is not None and "check_sight = false" in error.hint
            result = None
        return result, endpoint.calls


def reads(call: Call) -> str:
    """A teacher that reads the drawn numbers, and says one thing of all other pictures."""
    drawn = {draw(number).tobytes(): number for number in NUMBERS}
    return drawn.get(picture_of(call.image_urls[0]).tobytes(), "a picture") if call.image_urls else "nothing"


def test_who_reads_a_drawn_number_sees_and_is_asked_no_more(tmp_path: Path) -> None:
    told = Told()
    result, calls = cache(tmp_path, lambda call: f" The number is {reads(call)}.", told=told)
    assert result is not None and len(calls) == 2 + 12
    assert {call.body["temperature"] for call in calls} == {1.0}  # some servers know no other
    assert "teacher far sees pictures: it reads 2 of 2 drawn numbers" in told.lines
    assert cache(tmp_path, reads)[1] == []  # nothing is left to be paid for


@pytest.mark.parametrize("drops", [False, True])
def test_a_model_that_knows_only_the_datas_pictures_and_its_server(tmp_path: Path, drops: bool) -> None:
    told = Told()
    result, calls = cache(tmp_path, ModelBehindHttp("pocket-teacher-qwen", drops_pictures=drops), told=told)
    assert (result is None) == drops
    assert len(calls) == 2 + 3 * 4 + (0 if drops else 12)
    assert drops or any("answers 4 change with the picture, 0 without" in line for line in told.lines)
    assert not (tmp_path / "runs/recipe/cache-teacher/manifest.json").exists() or not drops


def noisy(call: Call) -> str:
    """Never twice the same."""
    return f"answer {call.number}"


@pytest.mark.parametrize("script", [noisy, lambda call: "answer 7", lambda call: call.text])
def test_who_says_the_same_whatever_it_is_shown_ends_the_run(tmp_path: Path, script: Script) -> None:
    result, calls = cache(tmp_path, script)
    assert result is None and len(calls) == 14
    result, calls = cache(tmp_path, script, "cache-teacher.check_sight=false")
    assert result is not None and len(calls) == 12


def test_who_answers_nothing_that_would_tell_is_asked_all_the_same(tmp_path: Path) -> None:
    told = Told()
    result, _ = cache(
        tmp_path,
        lambda call: failure(400, "no greedy decoding") if not call.body["temperature"] else completion("answer 7"),
        told=told,
    )
    assert result is not None and read_manifest(Path(result.outputs["teacher-cache"].path)).num_rows == 12
    assert any("whether the teacher `far` sees pictures isn't known" in line for line in told.lines)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_workspace(tmp_path_factory.mktemp("workspace"), num_questions=6).parent


def test_a_model_in_this_process_need_not_know_anything(workspace: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Of random weights: its tokens' probabilities tell. And they tell where pictures get lost on the way."""
    told = Told()
    run_stage(workspace, "cache-teacher", out=tmp_path / "out", reporter=told)
    assert sum("sees pictures: of 2 answers 2 change" in line for line in told.lines) == 2
    again = Told()
    run_stage(workspace, "cache-teacher", out=tmp_path / "again", reporter=again)
    assert not any("sees pictures" in line for line in again.lines)  # the call cache has all answers

    usual: Callable[..., Any] = HfGeneration.generate

    def blind(self: HfGeneration, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> Any:
        words = [GenerationRequest(each.sample_id, Conversation.of(each.question), each.seeds) for each in requests]
        return usual(self, words, sampling)

    monkeypatch.setattr(HfGeneration, "generate", blind)
    sets = ("workspace.root=elsewhere",)
    with pytest.raises(RilctlError, match="the teacher `qwen` sees no pictures: of 2 answers 0 change"):
        run_stage(workspace, "cache-teacher", *sets, out=tmp_path / "blind")


def test_words_alone_need_no_eyes(workspace: Path, tmp_path: Path) -> None:
    told = Told()
    run_stage(workspace, "cache-teacher", "data.columns.images=", out=tmp_path / "out", reporter=told)
    assert not any("pictures" in line for line in told.lines)
