"""The student's distance to a teacher: shared prompts change nothing, and both have the same words."""

import pytest
import torch

from rilctl.errors import ModelError
from rilctl.models.distilled import distillation
from rilctl.models.loaded.processor import Encoder
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.vocabulary import refuse_other_words, sampled_ids
from rilctl.testing.ragged import EachModuleOnce, ragged_groups

from .conftest import LoadVlm


def in_double(vlm: Vlm) -> Vlm:
    vlm.model.double()
    vlm.dtype = torch.float64
    return vlm


def by_definition(student: Vlm, teacher: Vlm) -> torch.Tensor:
    """The mean of KL(student || teacher) over response tokens, from both models' own logits, one row after another."""
    prompts, prompt_of_row_N, ids_NR, mask_NR = ragged_groups(student)
    theirs, *_ = ragged_groups(teacher)
    allowed = [at for at in range(len(student.lm_head.weight)) if at not in student.banned_ids]
    divergences = []
    for row, place in enumerate(prompt_of_row_N.tolist()):
        token_ids = ids_NR[row][mask_NR[row]]
        logprobs = []
        for vlm, prompt in ((student, prompts[place]), (teacher, theirs[place])):
            ids = torch.cat([prompt.token_ids_P, token_ids])[None]
            types = torch.nn.functional.pad(prompt.type_ids_P, (0, len(token_ids)))[None]
            own = {"mm_token_type_ids": types} if "qwen" in vlm.family.name else {}
            logits = vlm.model(input_ids=ids, **own, **prompt.features).logits[0, len(prompt.token_ids_P) - 1 : -1]
            logprobs.append(logits[:, allowed].log_softmax(-1))
        log_p, log_q = logprobs[0], logprobs[1].detach()
        divergences.append((log_p.exp() * (log_p - log_q)).sum(-1))
    return torch.cat(divergences).mean()


@pytest.mark.parametrize("teacher_name", ["pocket-student", "pocket-teacher-internvl"])
@pytest.mark.parametrize("once", [False, True])
def test_shared_prompts_give_the_gradient_of_the_definition(load: LoadVlm, teacher_name: str, once: bool):
    student, teacher = in_double(load("pocket-student")), in_double(load(teacher_name))
    with torch.no_grad():
        for parameter in teacher.model.parameters():
            parameter *= 1.3
            parameter.requires_grad_(False)
    expected = by_definition(student, teacher)
    expected.backward()
    wanted = {name: parameter.grad.clone() for name, parameter in student.model.named_parameters()}
    student.model.zero_grad()
    if once:
        student.sharding = teacher.sharding = EachModuleOnce()
    prompts, *rows = ragged_groups(student)
    theirs, *_ = ragged_groups(teacher)
    num_tokens = int(rows[-1].sum())
    found = distillation(student, teacher, prompts, theirs, *rows, scale=1 / num_tokens)
    found.loss.backward()
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-10)
    assert len(found.kl_T) == num_tokens
    scale = torch.cat([gradient.flatten() for gradient in wanted.values()]).norm()
    for name, parameter in student.model.named_parameters():
        assert (parameter.grad - wanted[name]).norm() <= 1e-6 * scale, name
    assert not any(parameter.grad is not None for parameter in teacher.model.parameters())


def test_markup_that_is_never_sampled_may_differ(load: LoadVlm):
    student, teacher = load("pocket-student"), load("pocket-teacher-internvl")
    assert student.tokenizer.get_vocab() != teacher.tokenizer.get_vocab()
    refuse_other_words(student, teacher, sampled_ids(student), name="told")
    assert student.stop_ids[0] not in sampled_ids(student) and student.tokenizer.get_vocab()["4"] in sampled_ids(
        student
    )


def test_the_first_word_that_differs_is_named(load: LoadVlm):
    student = load("pocket-student")
    words = student.tokenizer.get_vocab()

    class Renamed:
        """The teacher's tokenizer with two words of its own."""

        def get_vocab(self) -> dict[str, int]:
            other = {word: at for word, at in words.items() if word not in ("4", "7")}
            return other | {"vier": words["4"]}

    renamed = Encoder(Renamed(), student.source)
    with pytest.raises(ModelError, match=rf"id {words['4']} is '4', the teacher says 'vier' by it") as caught:
        refuse_other_words(student, renamed, sampled_ids(student), name="told")
    assert "`told`" in caught.value.message and "cached answers" in (caught.value.hint or "")
    with pytest.raises(ModelError, match=f"id {words['7']} is '7', the teacher has no such id"):
        refuse_other_words(student, renamed, [words["7"]], name="told")
