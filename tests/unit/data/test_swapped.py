from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import ImageRef
from rilctl.data.swapped import swapped


def picture(number: int) -> ImageRef:
    return ImageRef(Image.new("RGB", (2, 2), (number % 256, number // 256, 0)).copy, f"picture {number}")


def asked(question: str, *numbers: int) -> Conversation:
    return Conversation.of(question, [picture(number) for number in numbers])


def digests(conversations: Sequence[Conversation | None]) -> list[list[str] | None]:
    return [each and each.image_digests for each in conversations]


def test_a_question_is_shown_the_picture_of_another_that_asks_the_same() -> None:
    colours = [asked("which colour?", number) for number in range(20)]
    shapes = [asked("which shape?", number) for number in range(100, 120)]

    found = swapped([*colours, *shapes], seed=0)

    pictures = [each.image_digests for each in colours]
    for before, after in zip(colours, found, strict=False):
        assert after is not None
        assert after.question == before.question
        assert after.image_digests in pictures
        assert after.image_digests != before.image_digests
    assert Counter(map(str, digests(found))) == Counter(str(each.image_digests) for each in [*colours, *shapes])


def test_it_depends_on_the_seed_and_on_no_order() -> None:
    rows = [asked("which colour?", number) for number in range(30)]
    first, other = swapped(rows, seed=0), swapped(rows, seed=1)
    assert digests(first) != digests(other)
    assert digests(swapped(rows[::-1], seed=0)[::-1]) == digests(first)


def test_where_all_who_ask_it_show_one_picture_any_question_lends_its_own() -> None:
    rows = [asked("what is on the sign?", 1), asked("what is on the sign?", 1), asked("how many dogs?", 2)]
    found = digests(swapped(rows, seed=0))
    assert found == [[picture(2).digest], [picture(2).digest], [picture(1).digest]]


def test_without_another_picture_there_is_none(tmp_path: Path) -> None:
    gone = ImageRef(tmp_path / "gone.png", "gone.png")
    rows = [
        asked("which colour?", 1),
        asked("and this one?", 1),
        asked("no picture?"),
        Conversation.of("which colour?", [gone]),
        asked("which differs?", 1, 2),
        asked("which differs?", 2, 3),
    ]
    assert swapped(rows, seed=0) == [None] * 6


def test_pictures_stay_where_they_stood() -> None:
    def talk(*numbers: int) -> Conversation:
        first, last = map(picture, numbers)
        earlier = (Turn("user", ("look at ", first, " please")), Turn("assistant", ("i do",)))
        return Conversation(Turn("user", (last, "and here?")), earlier, system="be brief")

    found = swapped([talk(1, 2), talk(3, 4)], seed=0)

    assert digests(found) == [talk(3, 4).image_digests, talk(1, 2).image_digests]
    assert found[0] is not None
    assert found[0].key == talk(3, 4).key


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 6), max_size=2)), max_size=12), st.integers())
def test_no_picture_is_among_a_questions_own(rows: list[tuple[str, list[int]]], seed: int) -> None:
    before = [asked(question, *numbers) for question, numbers in rows]
    for one, other in zip(before, swapped(before, seed), strict=True):
        if other is not None:
            assert len(other.images) == len(one.images) > 0
            assert not {*other.image_digests} & {*one.image_digests}
            assert list(other.texts) == list(one.texts)
