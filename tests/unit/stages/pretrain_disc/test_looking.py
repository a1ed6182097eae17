"""Whether a discriminator looks: which responses are put beside another picture, and what is measured of them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from rilctl.config.fields import ModelConfig
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow
from rilctl.models.loaded.vlm import load_vlm
from rilctl.stages.pretrain_disc.looking import beside_both, looking
from rilctl.stages.pretrain_disc.pairs import Pair
from rilctl.testing.small_vlms import build_small_vlm
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

SEES = "pretrain-disc.input=image+question+response"
MEASURED = {"held_out/swap_auc", "held_out/swap_margin", "held_out/num_swapped"}


def pair(name: str, question: str, picture: int | None, said: str) -> Pair:
    image = Image.new("RGB", (56, 56), (0 if picture is None else 20 * picture, 9, 90))
    images = () if picture is None else (ImageRef(image.copy, name),)
    return Pair(Sample(name, Conversation.of(question, images), answer="", response=""), f"student {name}", said)


def shown(row: DiscriminatorRow, pairs: Sequence[Pair]) -> set[str]:
    """Whose question and picture these are."""
    return {each.sample.id for each in pairs if each.sample.conversation.key == row.conversation.key}


def test_a_response_is_never_beside_a_picture_of_which_a_teacher_said_the_same() -> None:
    pairs = [pair(str(number), "which colour?", number, "red" if number < 8 else "blue") for number in range(12)]
    said = {each.sample.id: each.teacher_text for each in pairs}
    found = beside_both(pairs, seed=0)
    assert 0 < len(found) < len(pairs)
    for own, other in found:
        (name,), (lender,) = shown(own, pairs), shown(other, pairs)
        assert own.text == other.text == said[name] != said[lender]


def test_what_everybody_says_is_beside_nothing() -> None:
    pairs = [pair(str(number), "is there a picture?", number, "yes") for number in range(4)]
    pairs += [pair(str(number), "is there a picture?", number, f"yes, {number}") for number in range(4)]
    assert sorted(own.text for own, _ in beside_both(pairs, seed=0)) == [f"yes, {number}" for number in range(4)]


def test_a_question_without_a_picture_takes_none_and_lends_none() -> None:
    pairs = [pair("a", "how many?", None, "1"), pair("b", "how many?", 1, "2"), pair("c", "how many?", 2, "3")]
    found = {(own.text, *shown(other, pairs)) for own, other in beside_both(pairs, seed=0)}
    assert found == {("2", "c"), ("3", "b")}
    assert beside_both(pairs[:2], seed=0) == []


@pytest.mark.parametrize("rows_per_step, tokens", [(64, 4096), (4, 1)])
def test_it_is_the_share_of_responses_that_are_likelier_students_beside_the_other_picture(
    tmp_path: Path, rows_per_step: int, tokens: int
) -> None:
    model = ModelConfig(model=str(build_small_vlm(tmp_path / "model")))
    vlm = load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True)
    disc = Discriminator(vlm, DiscriminatorCard(input="image+question+response", loss="bce", base_digest=""))
    pairs = [pair(str(number), f"{number} of what?", number, f"teacher {number}") for number in range(9)]
    config = PretrainDiscConfig.model_validate(
        {"rows_per_step": rows_per_step, "engine": {"tokens_per_micro_batch": tokens}}
    )
    found = looking(disc, config, pairs, Ranks())
    with torch.no_grad():
        margins = [(disc([other]) - disc([own])).item() for own, other in beside_both(pairs, config.seed)]
    assert found["num_swapped"] == len(margins) == 9
    assert found["swap_auc"] == sum(margin > 0 for margin in margins) / 9
    assert found["swap_margin"] == pytest.approx(sum(margins) / 9, rel=1e-4, abs=1e-6)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    for verb in ("cache-teacher", "sft"):
        run_stage(directory, verb)
    return directory


def test_held_out_teachers_are_measured_where_pictures_are_seen_and_only_there(workspace, tmp_path) -> None:
    sees = run_stage(workspace, "pretrain-disc", SEES, out=tmp_path / "sees").summary
    assert sees.keys() >= MEASURED and 0 <= sees["held_out/swap_auc"] <= 1
    assert 0 < sees["held_out/num_swapped"] <= sees["held_out/num_teachers"]
    assert not run_stage(workspace, "pretrain-disc", out=tmp_path / "reads").summary.keys() & MEASURED


def test_where_all_have_one_picture_nothing_is_measured(tmp_path) -> None:
    write_workspace(tmp_path)
    for path in tmp_path.glob("[0-9]*.png"):
        path.write_bytes((tmp_path / "0.png").read_bytes())
    for verb in ("cache-teacher", "sft"):
        run_stage(tmp_path, verb)
    summary = run_stage(tmp_path, "pretrain-disc", SEES).summary
    assert summary["held_out/num_swapped"] == 0 and summary.keys() & MEASURED == {"held_out/num_swapped"}
