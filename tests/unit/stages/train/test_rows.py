"""Rows as tensors."""

from pathlib import Path

import pytest
import torch

from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_prompt
from rilctl.stages.train.rows import Group, Row, micro_batch
from rilctl.testing.small_vlms import build_small_vlm


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    config = ModelConfig(model=str(build_small_vlm(tmp_path_factory.mktemp("model"))))
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"))


def group(vlm: Vlm, place: int, *rows: Row) -> Group:
    sample = Sample(f"q{place}", Conversation.of(f"question {place}"), answer="8", response="8")
    return Group(place, sample, encode_prompt(vlm, sample.conversation), rows)


def test_each_tensor_has_its_row_and_what_a_policy_doesn_t_learn_from_has_none(vlm: Vlm) -> None:
    learned = Row("student", "student", "", (5, 6, 7), "stop", True, (-0.1, -0.2, -0.3), reward=1.0, advantage=0.5)
    skipped = Row("student", "student", "", (8,), "length", True, (-0.4,), reward=None, advantage=0.0)
    taught = Row("teacher", "told", "", (9, 10), "stop", True, None, reward=0.0, advantage=-0.5)
    unseen = Row("teacher", "told", "", (11, 12, 13, 14), "stop", False, None, reward=2.0, advantage=3.0)
    groups = [group(vlm, 0, learned, unseen), group(vlm, 1, skipped, taught)]
    part = micro_batch(vlm, groups, corrects_sampler=True)
    assert list(part.prompts) == [each.prompt for each in groups]
    assert part.prompt_of_row_N.tolist() == [0, 1, 1]
    assert [ids[mask].tolist() for ids, mask in zip(part.token_ids_NR, part.mask_NR, strict=True)] == [
        [5, 6, 7],
        [8],
        [9, 10],
    ]
    terms = part.terms
    assert terms.advantages_N.tolist() == [0.5, 0.0, -0.5]
    assert terms.teacher_N.tolist() == [False, False, True]
    assert terms.rewarded_N.tolist() == [True, False, True]
    assert terms.sampling_NR is not None
    expected_NR = torch.tensor([[-0.1, -0.2, -0.3], [-0.4, 0.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(terms.sampling_NR, expected_NR, rtol=0, atol=0)
    prompts, rows_N, ids_NR, mask_NR = part.students()
    assert (prompts, rows_N.tolist(), mask_NR.sum(1).tolist()) == (part.prompts, [0, 1], [3, 1])
    assert ids_NR[1, 0] == 8
    known = part.knowing(ref_NR=-torch.ones(3, 3))
    assert known.terms.ref_NR is not None and known.terms.advantages_N is terms.advantages_N
    assert part.terms.ref_NR is None and micro_batch(vlm, groups, corrects_sampler=False).terms.sampling_NR is None


def test_no_groups_are_no_rows(vlm: Vlm) -> None:
    part = micro_batch(vlm, [], corrects_sampler=True)
    assert not part.prompts and part.token_ids_NR.shape == part.mask_NR.shape == (0, 1)
