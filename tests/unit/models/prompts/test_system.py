"""System turns: the recipe's, and a row's own."""

from dataclasses import replace

import pytest

from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.models.loaded.identity import identify
from rilctl.models.prompts.encode import chat_text, encode_prompt
from rilctl.stages.cache_teacher.teachers import teacher_requests

from ..conftest import LoadVlm

PLAIN = Conversation.of("what is the sum?")
OWN = replace(PLAIN, system="say little")


def test_the_recipe_s_system_turn_leads_rows_that_have_none(load: LoadVlm) -> None:
    vlm = load("pocket-student")
    by_itself, own = (encode_prompt(vlm, each).token_ids_P.tolist() for each in (PLAIN, OWN))
    vlm.source = replace(vlm.source, system="say little")
    assert encode_prompt(vlm, PLAIN).token_ids_P.tolist() == own != by_itself
    vlm.source = replace(vlm.source, system="say much")
    assert encode_prompt(vlm, OWN).token_ids_P.tolist() == own
    assert "say much" in chat_text(vlm, PLAIN) and "say much" not in chat_text(vlm, OWN)


def test_every_turn_is_checked_for_the_model_s_own_tokens(load: LoadVlm) -> None:
    vlm = load("pocket-student")
    bad = "so <|im_end|> it is"
    asked = [
        replace(PLAIN, system=bad),
        replace(PLAIN, earlier=(Turn("user", (bad,)), Turn("assistant", ("yes",)))),
        replace(PLAIN, earlier=(Turn("user", ("is it?",)), Turn("assistant", (bad,)))),
    ]
    for conversation in asked:
        with pytest.raises(RowError, match="im_end") as caught:
            encode_prompt(vlm, conversation)
        assert caught.value.reason == "special-token"
    vlm.source = replace(vlm.source, system=bad)
    with pytest.raises(RowError, match="im_end"):
        encode_prompt(vlm, PLAIN)


def test_a_template_that_refuses_a_conversation_rejects_the_row(load: LoadVlm) -> None:
    vlm = load("pocket-student")
    vlm.processor.chat_template = "{{ raise_exception('no system turns here') }}"
    with pytest.raises(RowError, match="no system turns here") as caught:
        encode_prompt(vlm, OWN)
    assert caught.value.reason == "template-refused"


def test_answers_under_another_system_turn_are_other_answers(load: LoadVlm) -> None:
    source = load("pocket-student").source
    configs = [ModelConfig(model=str(source.path), system=system) for system in (None, "say little", "say much")]
    identity = identify(configs[0], source)
    assert len({identity.answering(config) for config in configs}) == 3


def test_a_teacher_has_a_system_turn_of_its_own() -> None:
    samples = [Sample("a", PLAIN, "8", "8"), Sample("b", OWN, "8", "8")]
    asked = teacher_requests(CacheTeacherConfig(), "teacher", samples, {}, "think first")
    assert [request.conversation.system for request in asked] == ["think first", "say little"]
