"""Rows chosen by how likely the student finds their answers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rilctl import api
from rilctl.artifacts.read import read_rows
from rilctl.config.fields import ModelConfig
from rilctl.config.load import load_recipe
from rilctl.data.conversation import Conversation
from rilctl.data.load import load_samples
from rilctl.data.sample import Sample, SampleSet
from rilctl.engines.training.world import World
from rilctl.errors import ConfigError, RowError, UsageError
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_prompt, encode_response
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data
from rilctl.stages.shared.likelihoods import score_answers
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

CHOSEN = ("data.select.num_samples=4", "data.select.likelihood.order=lowest")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=12)
    return directory


@pytest.fixture(scope="module")
def vlm(workspace: Path) -> Vlm:
    return load_vlm(ModelConfig(model="student"), base_dir=workspace, device=torch.device("cpu"))


def context(workspace: Path, *overrides: str) -> StageContext:
    recipe = load_recipe([workspace / "recipe.toml"], overrides)
    return StageContext(recipe, "recipe", workspace, workspace / "runs/recipe/train", SilentReporter(), "rilctl")


def everything(workspace: Path) -> SampleSet:
    data = context(workspace).recipe.data
    assert data is not None
    return load_samples(data, base_dir=workspace)


def slow_score(vlm: Vlm, question: str, answer: str) -> float:
    """Of a question without a picture: one forward pass over the whole text, without prefixes, batches or padding."""
    asked = encode_prompt(vlm, Conversation.of(question)).token_ids_P.tolist()
    said = list(encode_response(vlm, answer, stopped=True))
    with torch.no_grad():
        logits = vlm.model(input_ids=torch.tensor([asked + said])).logits[0].double()
    places = range(len(asked) - 1, len(asked) + len(said) - 1)
    found = [torch.log_softmax(logits[place], 0)[token].item() for place, token in zip(places, said, strict=True)]
    return sum(found) / len(found)


def test_a_score_is_the_mean_over_the_answers_tokens_and_its_end(vlm: Vlm) -> None:
    asked = [("what is 1 plus 1?", "2"), ("which?", "a rather long answer"), ("what is it, then, in short?", "12")]
    samples = [Sample(f"q{i}", Conversation.of(question), answer, answer) for i, (question, answer) in enumerate(asked)]
    wanted = [slow_score(vlm, question, answer) for question, answer in asked]
    assert score_answers(vlm, samples, 10_000) == pytest.approx(wanted, rel=1e-5)
    assert score_answers(vlm, samples, 1) == pytest.approx(wanted, rel=1e-5)


def test_a_row_that_cannot_be_asked_says_why(vlm: Vlm) -> None:
    good = Sample("good", Conversation.of("what?"), "2", "2")
    bad = Sample("bad", Conversation.of("what <|im_end|>?"), "2", "2")
    first, second, third = score_answers(vlm, [good, bad, good], 10_000)
    assert first == third and isinstance(second, RowError) and second.reason == "special-token"


@pytest.mark.parametrize("order", ["lowest", "highest"])
def test_the_verbs_take_the_same_rows_and_the_student_reads_them_once(
    workspace: Path, vlm: Vlm, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    samples = everything(workspace).samples
    ids = [sample.id for sample in samples]
    scores = dict(zip(ids, score_answers(vlm, samples, 10_000), strict=True))
    wanted = set(sorted(ids, key=scores.__getitem__, reverse=order == "highest")[:4])
    sets = (CHOSEN[0], f"data.select.likelihood.order={order}", "workspace.root=chosen")
    asked = run_stage(workspace, "cache-teacher", *sets, out=workspace / f"cache-{order}")
    rows = read_rows(Path(asked.outputs["teacher-cache"].path), ResponseRecord)
    assert {row.sample_id for row in rows} == wanted

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was read before")

    monkeypatch.setattr("rilctl.stages.shared.likelihoods.load_vlm", refuse)
    again = load_data(context(workspace, *sets))
    assert {sample.id for sample in again.samples} == wanted
    assert again.left_out["num-samples"] == len(samples) - 4
    ranked = replace(context(workspace, *sets), world=World(rank=1, size=2))
    assert {sample.id for sample in load_data(ranked).samples} == wanted


def test_a_plan_says_how_many_answers_are_to_be_scored_and_scores_none(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a plan loads no model")

    monkeypatch.setattr("rilctl.stages.shared.likelihoods.load_vlm", refuse)
    planned = plan_object(load_stage("cache-teacher").plan(context(workspace, *CHOSEN)))["plan"]
    scored = len(everything(workspace).samples)
    assert planned["selection"] == {"rows_chosen_by": "likelihood", "answers_to_score": scored}
    assert planned["data"]["questions"] == 4
    plain = plan_object(load_stage("cache-teacher").plan(context(workspace, CHOSEN[0])))["plan"]
    assert "selection" not in plain


def test_several_processes_do_not_score_the_same(workspace: Path) -> None:
    ranked = replace(context(workspace, *CHOSEN, "workspace.root=empty"), world=World(rank=0, size=2))
    with pytest.raises(UsageError, match="8 answers aren't scored, and each of 2 processes"):
        load_data(ranked)


def test_who_has_no_answer_is_left_out_and_who_cannot_be_read_is_rejected(workspace: Path) -> None:
    data = context(workspace, *CHOSEN).recipe.data
    assert data is not None
    ids = [sample.id for sample in everything(workspace).samples]
    known = dict.fromkeys(ids, -1.0) | {ids[0]: None, ids[1]: RowError("image-missing", "gone"), ids[5]: -9.0}
    with pytest.raises(ValueError, match=r"select\.likelihood needs likelihoods"):
        load_samples(data, base_dir=workspace)
    found = load_samples(data, base_dir=workspace, likelihoods=lambda some: [known[sample.id] for sample in some])
    assert ids[5] in {sample.id for sample in found.samples} and len(found.samples) == 4
    assert found.left_out["likelihood-unknown"] == 1
    assert [row.sample_id for row in found.rejected] == [ids[1]]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (CHOSEN[1:], "likelihood needs num_samples"),
        ((*CHOSEN, "data.truth_share=0.5"), "select.likelihood chooses by the ground truths"),
    ],
)
def test_what_goes_together(workspace: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        api.load_recipe(workspace / "recipe.toml", overrides=overrides)
