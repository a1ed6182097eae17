"""A sentence that answers in the question's words is the answer, unless something in it or behind it unsays it."""

import pytest

from rilctl.engines.judging.rule import judge_answer

DOGS = "Which of these dogs is most similar to the first one?\n(A) the second dog\n(B) the third dog"
MAT = "What lies on the mat?\n(A) a dog\n(B) a cat\n(C) a cow"
BALLS = "Which ball is the smallest?\n(A) the red ball\n(B) the blue ball"
PANEL = "The plot in panel (a) shows a mouse. What does it eat?\n(A) cheese\n(B) corn\n(C) ham"
ANIMALS = "Which?\nA. a dog\nB. a cat\nC. a cow\nD. a hen"
WOLF = "Which dog looks like a wolf?\n(A) the second dog\n(B) the third dog"
TOLD = "The second dog is most similar to the first one"
LONG = (
    " Next, I weigh the third dog, whose snout and paws and tail and way to stand there agree with those of the first "
    "one in nearly all of the respects that I can make out from here, so that I now lean to"
)

UNSAID = (
    ", which is wrong.",
    ", not.",
    ", but my final pick is B.",
    ", but I choose the third dog.",
    " - no, the third dog is.",
    ", with a caveat: it is the third dog.",
    ", though the third dog is the right answer.",
    ", while the third dog is most similar to the first one.",
    ". In the end, I settle on the third dog.",
    ". In summary, the third dog is the closest match.",
    ". To conclude, the third dog matches best.",
    ". All in all, it is the third dog.",
    ". After all, the third dog is closest.",
    ". Upon closer inspection the third dog shares more with it.",
    ". Looking again, I pick the third dog.",
    ". Well, the third dog, however, fits better.",
    ". The third dog is even more similar.",
    ". The third dog is equally similar to the first one.",
    ". The third dog is also similar to the first one.",
    ". But no.",
    ". The opposite is true.",
    ". On the other hand, (B).",
    ". On the other hand, the third dog is most similar to the first one.",
    ". This is inferred wrongly.",
    ". That was concluded in error, it is false.",
    ". (B) the third dog is the one that I finally choose as my answer here.",
    ". The third dog, not the second one, is most similar to the first one.",
    ". I submit (B).",
    ". Put (B).",
    ". Make it (B).",
    ". I vote for the third dog.",
    ".\n\nVerdict: (B)",
    ". So is the third dog.",
    ". That holds for the third dog.",
    ". The third dog, too.",
    ". In the picture, the third dog is.",
    ". The third dog takes the crown.",
    ". The third dog has it.",
    ", whereas the third dog is it.",
    ". The other dog is more similar.",
    ". The third one is even more similar.",
    f".{LONG}",
)
LEADS = (
    "I choose the third dog as my answer. The second dog is most similar to the first one.",
    "The correct option here must be (B). The second dog is most similar to the first one.",
    "The third dog is my answer. The second dog is most similar to the first one.",
    "The third dog is the one that I choose as my final answer. The second dog is most similar to the first one.",
    "The third dog is most similar to the first one. The second dog is most similar to the first one.",
    "Ann's answer is that the second dog is most similar to the first one.",
    "The witness's choice: the second dog is most similar to the first one.",
    "Ann believes the second dog is most similar to the first one.",
    "The prompt hints that the second dog is most similar to the first one.",
    "Of the two provided he is right, the second dog is most similar to the first one.",
    "(B)\nSo the second dog is most similar to the first one.",
    f"Let me look at each of them before I decide. {TOLD}.{LONG}",
)
OTHERS = (
    (BALLS, "A", "The red ball is the smallest, and it isn't."),
    (BALLS, "A", "The red ball is the smallest, which is false."),
    (BALLS, "A", "The red ball is the smallest - or the blue ball."),
    (BALLS, "A", "The red ball is the smallest. The blue ball is smaller still."),
    (BALLS, "A", "The red ball is the smallest. The blue ball, in contrast, is my answer."),
    (MAT, "A", "A dog lies on the mat, and it is a cat."),
    (MAT, "A", "On the one hand, it is a dog. On the other hand, it is a cat."),
    (MAT, "A", "It is a dog. It is evident that it is a cat."),
    (MAT, "A", "(A) a dog\n\nThis is clear nonsense, it is (B)."),
    (MAT, "A", "(A) a dog\n\nIt was shown to be a cat."),
    (MAT, "A", "(A) a dog\n\nThat can be seen to be wrong."),
    (DOGS, "A", "(A) the second dog. In contrast, the third dog."),
    (WOLF, "A", "Something like the second dog."),
)


@pytest.mark.parametrize("rest", UNSAID)
def test_what_is_said_behind_takes_it_back(rest: str) -> None:
    assert not judge_answer("A", TOLD + rest, question=DOGS).correct


@pytest.mark.parametrize("response", LEADS)
def test_what_stands_before_makes_it_no_answer(response: str) -> None:
    assert not judge_answer("A", response, question=DOGS).correct


@pytest.mark.parametrize(("question", "answer", "response"), OTHERS)
def test_other_questions(question: str, answer: str, response: str) -> None:
    assert not judge_answer(answer, response, question=question).correct


@pytest.mark.parametrize(
    "rest",
    [
        ".",
        ", as its ears are long.",
        ", while the third dog has a white tail.",
        ". Both have long ears. The third dog, on the other hand, is small and white.",
        ". The third dog does not have long ears.",
        ". The third dog has a white tail, making it less similar.",
        ". This is evident from its ears, which look different from those of the third dog.",
        ". The third dog is small. So the second dog is most similar to the first one.",
    ],
)
def test_reasons_may_follow(rest: str) -> None:
    assert judge_answer("A", TOLD + rest, question=DOGS).correct


@pytest.mark.parametrize("response", ["(b)", "The answer is (b).", "<answer>(b)</answer>", r"\boxed{(b)}", "**(b)**"])
def test_a_letter_in_brackets_in_the_question_makes_no_parts_of_it(response: str) -> None:
    assert judge_answer("B", response, question=PANEL).correct


def test_options_said_again_before_the_answer_are_no_list_of_candidates() -> None:
    for end in ("a dog", "Answer:\na dog"):
        assert judge_answer("A", f"- a dog\n- a cat\n- a cow\n- a hen\n\n{end}", question=ANIMALS).correct


def test_whose_answer_it_is_may_be_the_tasks() -> None:
    assert judge_answer("B", "Let's answer: a cat.", question=ANIMALS).correct
    assert judge_answer("B", "The riddle's answer is B.", question=ANIMALS).correct
