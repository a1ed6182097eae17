"""Which other picture a teacher's answer is put beside."""

from collections.abc import Sequence

from PIL import Image

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample
from rilctl.stages.shared.swaps import Swaps


def sample(name: str, question: str, picture: int | None) -> Sample:
    images = () if picture is None else (ImageRef(Image.new("RGB", (2, 2), (picture, 0, 0)).copy, name),)
    return Sample(name, Conversation.of(question, images), answer="", response="")


def shown(samples: Sequence[Sample], other: Conversation | None) -> list[str]:
    assert other is not None
    return [each.id for each in samples if each.conversation.key == other.key]


def test_it_is_never_one_of_which_a_teacher_said_the_same() -> None:
    samples = [sample(str(number), "which colour?", number) for number in range(12)]
    said = {each.id: {"red" if int(each.id) < 8 else "blue"} for each in samples}
    swaps = Swaps(samples, said.__getitem__, seed=0)
    found = {turn: [swaps.beside(each.id, said[each.id], turn=turn) for each in samples] for turn in range(4)}
    for others in found.values():
        for own, other in zip(samples, others, strict=True):
            if other is not None:
                (name,) = shown(samples, other)
                assert said[name] != said[own.id]
    assert sum(other is None for others in found.values() for other in others) < 8
    assert len({str([other and other.key for other in others]) for others in found.values()}) > 1, "they take turns"


def test_what_everybody_says_of_everything_is_beside_nothing() -> None:
    samples = [sample(str(number), "is there a picture?", number) for number in range(4)]
    swaps = Swaps(samples, {each.id: {"yes", f"yes, {each.id}"} for each in samples}.__getitem__, seed=0)
    assert all(swaps.beside(each.id, ["yes"], turn=0) is None for each in samples)
    assert all(swaps.beside(each.id, [f"yes, {each.id}"], turn=0) is not None for each in samples)


def test_a_question_without_a_picture_or_unknown_has_no_other() -> None:
    samples = [sample("a", "how many?", None), sample("b", "how many?", 1), sample("c", "how many?", 2)]
    swaps = Swaps(samples, lambda name: (), seed=0)
    assert swaps.beside("a", ["2"], turn=0) is None and swaps.beside("z", ["2"], turn=0) is None
    assert shown(samples, swaps.beside("b", ["2"], turn=0)) == ["c"]
