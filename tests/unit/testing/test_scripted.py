from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError
from rilctl.testing.scripted import ScriptedGeneration


def test_generation_follows_a_function_and_the_token_budget() -> None:
    engine = ScriptedGeneration(lambda request, seed: f"{request.question}{seed}")
    answers = engine.generate(
        [GenerationRequest("s", Conversation.of("ab"), (1, 22))], SamplingConfig(max_new_tokens=3)
    )
    assert answers == [
        (
            Response("ab1", (97, 98, 49), "stop", (0.0, 0.0, 0.0)),
            Response("ab2", (97, 98, 50), "length", (0.0, 0.0, 0.0)),
        )
    ]


def test_generation_gives_row_errors_in_place() -> None:
    engine = ScriptedGeneration({"known": "yes"})
    broken = GenerationRequest("s", Conversation.of("known", (ImageRef(b"no image", "broken"),)), (0,))
    answers = engine.generate(
        [
            GenerationRequest("s", Conversation.of("unknown"), (0,)),
            broken,
            GenerationRequest("s", Conversation.of("known"), (0,)),
        ],
        SamplingConfig(),
    )
    assert [answer.reason if isinstance(answer, RowError) else answer[0].text for answer in answers] == [
        "not-scripted",
        "image-invalid",
        "yes",
    ]
