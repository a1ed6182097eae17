"""One value in several forms, and what looks like it and is another: (question, ground truth): (right, wrong)."""

import pytest

from rilctl.engines.judging.rule import judge_answer

_Cases = dict[tuple[str, str], tuple[list[str], list[str]]]

CONCLUDED: _Cases = {
    ("Factor $x^2-1$.", "(x-1)(x+1)"): (
        [
            "Thus $x^2-1=(x-1)(x+1)$.",
            "One factor is $x-1$. Thus $x^2-1=(x-1)(x+1)$.",
            "By the difference of squares the result is $(x+1)(x-1)$.",
        ],
        [
            "Thus $x^2-1=(x-1)(x+1)$. So $x^2-1=(x-1)(x-1)$.",
            "Thus $x^2-1=(x-1)(x-1)$. So $x^2-1=(x-1)(x+1)$.",
            "Thus $x^2-1=(x-1)(x+1)$. The answer is $x-1$.",
            "Thus $x^2-1=(x-1)(x-1)$.",
        ],
    ),
    ("Differentiate $x^3$.", "3x^2"): (
        ["The rule gives $n x^{n-1}$. What remains is $3x^2$.", "We arrive at $3x^2$."],
        ["What remains is $2x^3$.", "What remains is not $3x^2$.", "We almost arrive at $3x^2$."],
    ),
    (r"Find $\lim_{x\to 0} \frac{\sin 5x}{8x}$.", "5/8"): (
        ["The quotient tends to $5/8$.", "It approaches $5/8$."],
        ["The quotient tends to $8/5$.", "The quotient doesn't tend to $5/8$."],
    ),
    ("What is the value of the quotient?", "5/8"): ([], ["It tends to 5/8.", "It approaches 5/8."]),
    ("How much heat is needed?", "18 kJ"): (
        [
            r"The mass is $0.25\ \text{kg}$. The product is $1.8\times10^4\ \text{J}$.",
            "So the sample contains 18 kJ.",
        ],
        [r"The mass is $0.25\ \text{kg}$. The product is $1.8\times10^5\ \text{J}$.", "A sample answer is 18 kJ."],
    ),
    (r"Integrate $\frac{2x}{x^2+9}$.", r"\ln(x^2+9)+C"): (
        [r"It is $\int\frac{du}{u}=\ln|x^2+9|+C$."],
        [r"It is $\int\frac{du}{u}=\ln|x^2-9|+C$."],
    ),
}
EQUAL: _Cases = {
    ("Find it.", "|x|"): (["$|x|$", "|-x|"], ["x", "-x", "$x$"]),
    ("Find it.", "x"): (["x"], ["|x|"]),
    ("Find it.", "2|x-1|"): (["2|1-x|"], ["2(x-1)", "2|x+1|"]),
    ("Find it.", r"\ln|x|+C"): ([r"\ln x + C"], [r"\ln|x+1|+C"]),
    ("What is the value?", "-5"): (["-5"], ["|-5|"]),
    ("Find the arc length.", r"$4\pi$ cm"): ([r"$4\pi$", r"$4\pi\text{ cm}$"], [r"$4\pi$ m", r"$\pi$ cm"]),
    ("What is the ratio of cats to dogs?", "9:25"): (
        [r"$\frac{9}{25}$", "9/25", "The ratio is 9/25."],
        ["25/9", "18/50", "The ratio of dogs to cats is 9/25.", "9/25 of the cats", "There are 9/25 as many dogs."],
    ),
}


def _each(right: bool) -> list[tuple[str, str, str]]:
    every = {**CONCLUDED, **EQUAL}
    return [(*of, text) for of, texts in every.items() for text in texts[0 if right else 1]]


@pytest.mark.parametrize(("question", "answer", "text"), _each(True))
def test_same(question: str, answer: str, text: str) -> None:
    assert judge_answer(answer, text, question=question).correct is True


@pytest.mark.parametrize(("question", "answer", "text"), _each(False))
def test_another(question: str, answer: str, text: str) -> None:
    assert judge_answer(answer, text, question=question).correct is False
