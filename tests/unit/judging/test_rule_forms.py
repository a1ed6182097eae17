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
    ("What is the value?", "5"): (["5"], ["x + 5", "It is x + 5.", "y = x + 5", "5 - i", "i + 5", "2x - 5", "5 * x"]),
    ("Compute $(2+3i)(1-i)$.", "5 + i"): (["i + 5", "$5+i$"], ["5 - i", "5", "i - 5"]),
    ("Compute $(2-3i)(1+i)$.", "5 - i"): (["-i + 5", "$5-i$"], ["5 + i", "i + 5", "5"]),
    ("Find all solutions of $x^2 = 49$.", "x = \\pm 7"): (
        ["x = 7 or x = -7", "±7", "7, -7"],
        ["y = \\pm 7", "y = 7, x = -7"],
    ),
    ("Solve $x^2-5x+6=0$.", "x = 2, x = 3"): (["x_1 = 2, x_2 = 3", "x = 3 or x = 2"], ["y = 2, x = 3", "y = 2, y = 3"]),
    ("Simplify.", "x - y"): (["-y + x"], ["y - x", "x + y"]),
    ("Find the arc length.", r"$4\pi$ cm"): ([r"$4\pi$", r"$4\pi\text{ cm}$"], [r"$4\pi$ m", r"$\pi$ cm"]),
    ("What is the ratio of cats to dogs?", "9:25"): (
        [r"$\frac{9}{25}$", "9/25", "The ratio is 9/25."],
        ["25/9", "18/50", "The ratio of dogs to cats is 9/25.", "9/25 of the cats", "There are 9/25 as many dogs."],
    ),
}
_CHANGE = "The radius is cut to a third. By what factor does the energy change?"
_WAVE = r"State the period and amplitude of $y=-3\sin\left(\frac{x}{2}\right)$."
_GROWTH = "How many countries are shown with a declining trend?"
NOTATIONS: _Cases = {
    ("Evaluate the cross product.", "(8,-7,-6)"): (
        [
            r"$8\mathbf{i}-7\mathbf{j}-6\mathbf{k}$",
            "8i - 7j - 6k",
            r"The product is $8\hat{i}-7\hat{j}-6\hat{k}$.",
            r"$-7\mathbf{j}+8\mathbf{i}-6\mathbf{k}$",
            r"$-1(-8, 7, 6)$",
        ],
        [
            r"$8\mathbf{i}-7\mathbf{j}+6\mathbf{k}$",
            r"$8\mathbf{j}-7\mathbf{i}-6\mathbf{k}$",
            "8i - 7j",
            "8i - 7j - 6i",
            "8i - 7j - 6k or (8, -7, 6)",
            "2(8, -7, -6)",
            "-(8i - 7j - 6k)",
            "2(8i - 7j - 6k)",
            "(8i - 7j - 6k)/5",
            r"$\frac{8i-7j-6k}{5}$",
            "The unit vector is (8, -7, -6)/5.",
            r"$\sqrt{2}(8,-7,-6)$",
            r"$\lambda(8,-7,-6)$",
            "k(8, -7, -6)",
            "|8i - 7j - 6k|",
            "8i - 7j - 6k = 5",
            "8i - 7j - 6k times 2",
            r"It is $\frac12(8,-7,-6)$.",
            r"It is $\frac{1}{2}\cdot(8,-7,-6)$.",
        ],
    ),
    ("Which vector is it?", "(2, 0, 1)"): (["2i + k"], ["2i + j", "i + 2k"]),
    ("Find a unit vector.", r"$\left\langle\frac67,-\frac27,\frac37\right\rangle$"): (
        [r"The unit vector is $\frac17\langle 6,-2,3\rangle$.", "1/7 (6, -2, 3)"],
        [r"$\langle 6,-2,3\rangle$", r"$\frac17\langle 6,2,3\rangle$", r"$7\langle 6,-2,3\rangle$"],
    ),
    ("What is the oxidation state of manganese?", "+7"): (
        ["7+", "The oxidation state is 7+.", "+7", "$7+$"],
        ["7-", "-7", "6+", "It isn't 7+.", "7+ or 6+"],
    ),
    ("What is the charge of the sulfate ion?", "-2"): (
        ["2-", "The charge is 2-.", "It carries a charge of 2-.", "minus two"],
        ["2+", "The charge is 2+.", "2", "3-", "The charge is 4 - 2."],
    ),
    ("What is the charge of the calcium ion?", "+2"): (["2+", "The charge is 2+."], ["2-", "The charge is 2-."]),
    ("How old are the children?", "7"): (["7"], ["7+"]),
    (r"What is the remainder of $7^{50}$ on division by 10?", "9"): (
        [
            r"$7^{50}\equiv 9 \pmod{10}$",
            r"So $7^{50} \equiv 49 \equiv 9 \pmod{10}$.",
            r"Since $7^4\equiv 1 \pmod{10}$, we get $7^{50}\equiv 7^2 = 49\equiv 9 \pmod{10}$.",
        ],
        [
            r"$7^{50}\equiv 9 \pmod{100}$",
            r"$7^{50}\not\equiv 9 \pmod{10}$",
            r"$7^{50}\equiv 3 \pmod{10}$",
            r"$7^{50}\equiv 7 \text{ or } 9 \pmod{10}$",
        ],
    ),
    (r"How much charge does it hold?", r"$9.4\times10^{-5}$ C"): (
        [r"$94\ \mu\text{C}$", "94 μC", r"$Q=CV=94\,\mu\mathrm{C}$", "0.094 mC"],
        [r"$94\ \text{mC}$", r"$9.4\ \mu\text{C}$", r"$94\ \mu\text{F}$", "94 °C"],
    ),
    ("What is its capacitance?", "4.7e-6 F"): ([r"$4.7\,\mu\text{F}$", "4.7 µF"], [r"$4.7\,\mu\text{C}$", "4.7 mF"]),
    (_GROWTH, "none"): (
        ["0", "None", "zero", "So no country shows a declining trend.", "0 countries"],
        ["1", "No country but one.", "Nobody knows.", "none or one", "Not none.", "No country is shown in red."],
    ),
    ("How many birds are red?", "0"): (
        ["There are no red birds."],
        ["There are no blue birds.", "There are no red cats."],
    ),
    (_GROWTH, "0"): (["No country shows a declining trend."], ["No country but Peru shows a declining trend."]),
    ("What fraction is shaded?", r"$\frac{5}{12}$"): (
        ["five twelfths", "Five-twelfths of it is shaded."],
        ["twelve fifths", "five sevenths", "the fifth twelfth", "one twelfth", "the twelfth", "fifty twelfths"],
    ),
    ("What fraction is shaded?", "1/12"): (["one twelfth", "a twelfth"], ["the twelfth", "twelfth", "twelve"]),
    (_CHANGE, "It triples"): (
        [
            "3 times as large",
            "It triples.",
            "The energy increases by a factor of 3.",
            "It is tripled.",
            "three times its original value",
            "by a factor of 3",
            "threefold",
            "It rises threefold.",
            "3",
        ],
        [
            "It doubles.",
            "The energy decreases by a factor of 3.",
            "It increases by 3.",
            "1/3",
            "3 times as small",
            "3 times smaller",
            "It triples or doubles.",
            "It doesn't triple.",
            "It does not increase by a factor of 3.",
            "It increases by a factor of 3. So it decreases by a factor of 3.",
            "It might triple.",
            "a third",
            "It is three times less.",
            "It increases by a factor of 1/3.",
            "It increases by a factor of 3^2.",
            r"It increases by a factor of $3\pi$.",
            "It increases by a factor of 3 squared.",
            "It increases by a factor of 3 or 9.",
            "It more than triples.",
            "It is more than 3 times as large.",
            "Some say it triples.",
            "It almost triples.",
            "300%",
        ],
    ),
    ("Her moment of inertia falls to a third. By what factor does the energy change?", "It triples"): (
        ["With a third of it, the energy increases by a factor of 3."],
        ["With a third of it, the energy decreases by a factor of 3."],
    ),
    ("By what factor does the force change?", "It is halved"): (
        ["It decreases by a factor of 2.", "1/2", "half as large", "0.5", "It is halved."],
        ["It doubles.", "2", "It increases by a factor of 2.", "It is not halved.", "half as small"],
    ),
    ("By what factor does the intensity change?", "It becomes one quarter"): (
        ["It decreases by a factor of 4.", "1/4", "It is reduced to one quarter.", "It is divided by 4."],
        [
            "It increases by a factor of 4.",
            "4",
            "It is multiplied by 4.",
            "It is reduced by one quarter.",
            "It isn't divided by 4.",
        ],
    ),
    ("Which event did she win, and did that change?", "doubles"): (["doubles"], ["2", "twice as large"]),
    (_WAVE, r"period $4\pi$, amplitude 3"): (
        [
            r"Amplitude: $|-3|=3$. Period: $\frac{2\pi}{1/2}=4\pi$.",
            r"The amplitude is 3 and the period is $4\pi$.",
            r"amplitude 3, period $4\pi$",
            r"Period = $4\pi$" + "\nAmplitude = 3",
        ],
        [
            r"period 3, amplitude $4\pi$",
            r"amplitude 3, period $2\pi$",
            r"amplitude 3",
            r"amplitude -3, period $4\pi$",
            r"amplitude 3, period $4\pi$, amplitude 4",
            r"The amplitude is not 3 and the period is $4\pi$.",
            r"The amplitude is 3 or the period is $4\pi$.",
            r"amplitude 3, period $4\pi$. Or amplitude 4, period $4\pi$.",
            r"amplitude 3, phase $4\pi$",
        ],
    ),
    ("Balance it. Give the coefficients in order.", "1, 3, 2, 3"): (
        ["There are three of them. The coefficients, in order, are 1, 3, 2, 3."],
        ["The coefficients, in order, are 1, 2, 3, 3.", "The coefficients, in order, are 1, 3, 2."],
    ),
    ("Solve $3x^2-11x-20=0$.", r"$x=5$ or $x=-\frac{4}{3}$"): (
        [r"So $x = \frac{11 \pm 19}{6}$. The two roots are $\left\{-\tfrac43,\, 5\right\}$."],
        [r"So $x = \frac{11 \pm 19}{6}$. The two roots are $\left\{\tfrac43,\, 5\right\}$."],
    ),
}
_JAM = "A jar of quince jelly is $5.05, of plum jam $3.40. How much more is quince jelly than plum jam?"
_TANK = "The tank loses 3 litres a minute and holds 96 litres. When will it be empty?"
TOLD: _Cases = {
    ("What average force acts on it?", "30 N"): (
        ["The average force has magnitude 0.030 kN, or 30 N.", "It is 30 N = 0.030 kN."],
        [
            "The average force has magnitude 0.30 kN, or 30 N.",
            "The average force is 30 N, or 30 kN.",
            "The average force is 30 N or 40 N.",
            "It is 0.040 kN, or 40 N.",
        ],
    ),
    (_JAM, "$1.65"): (
        ["Quince jelly is $1.65 more than plum jam.", "Quince jelly costs $1.65 more than plum jam."],
        [
            "Plum jam is $1.65 more than quince jelly.",
            "Quince jelly is $1.65 more than fig jam.",
            "Quince jelly is $1.65 less than plum jam.",
            "Quince jelly is more than $1.65 more than plum jam.",
            "Fig jam is $1.65 more than plum jam.",
        ],
    ),
    ("How much taller is Anna than Boris?", "5 cm"): (
        ["Anna is 5 cm taller than Boris.", "She is 5 cm taller than him.", "Anna is taller than Boris by 5 cm."],
        [
            "Boris is 5 cm taller than Anna.",
            "Anna is 5 cm taller than Carl.",
            "Carl is 5 cm taller than Boris.",
            "Anna is 5 cm taller than Boris and Carl.",
        ],
    ),
    ("How many more apples than pears are there?", "7"): (
        ["There are 7 more apples than pears.", "7 more apples than pears", "There are 7 more."],
        ["There are 7 more pears than apples.", "7 more pears than apples"],
    ),
    ("What was the unemployment rate in 2015?", "8.2%"): (
        ["It fell to 8.2% that year, from 8.9%."],
        ["It fell to 8.9% that year, from 8.2%.", "It fell from 8.2% that year, to 8.9%."],
    ),
    (_TANK, "32 minutes"): (
        ["So it'll be empty after 32 minutes.", "After 32 minutes."],
        ["It'll be empty long after 32 minutes.", "after 23 minutes", "Not after 32 minutes."],
    ),
    ("How many minutes did it run?", "32"): (["32 minutes"], ["It stopped some time after 32 minutes."]),
    ("How many turns does the small wheel make?", "3"): (
        ["The answer is 3 and not 2."],
        ["The answer is 2 and not 3.", "The answer is 3 and 2."],
    ),
    ("What is the gate?", "B17"): (
        ["Your gate is B17.", "The gate is B17."],
        ["Your gate is B71.", "Your gate is 17.", "Your gate isn't B17.", "Your seat is B17.", "Your guess is B17."],
    ),
    ("Which player has the highest score on the board?", "Yusuf Brandt"): (
        [
            "Yusuf Brandt is on top with 412 points, ahead of Lena Moroz with 398.",
            "Yusuf Brandt leads with 412 points.",
        ],
        [
            "Lena Moroz is on top with 412 points, ahead of Yusuf Brandt with 398.",
            "Yusuf Brandt is at the bottom with 412 points.",
            "Yusuf Brandt isn't on top with 412 points.",
            "Yusuf Brandt is on top with 412 fouls.",
            "Yusuf Brandt may be on top with 412 points.",
            "Yusuf Brandt was on top with 412 points, but Lena Moroz is now.",
        ],
    ),
    ("Which player has the lowest score on the board?", "Yusuf Brandt"): (
        [],
        ["Yusuf Brandt is on top with 412 points."],
    ),
    ("Which player has the second highest score?", "Yusuf Brandt"): ([], ["Yusuf Brandt is on top with 412 points."]),
    ("Which colour represents the rail freight line?", "dark green"): (
        ["The rail freight series is drawn in dark green on the chart."],
        [
            "The road freight series is drawn in dark green on the chart.",
            "The rail freight series isn't drawn in dark green.",
        ],
    ),
    ("List the two languages on the warning label.", "English and Finnish"): (
        ["The warning is printed in English and in Finnish.", "in Finnish and in English"],
        [
            "The warning is printed in English.",
            "The warning is printed in English and in Danish.",
            "The warning is not printed in English and in Finnish.",
            "The warning is printed in English or in Finnish.",
            "The old label is printed in English and in Finnish.",
        ],
    ),
    ("Find the system's solution: $4x-3y=17$, $x+2y=-4$.", "$(x,y)=(2,-3)$"): (
        ["Substituting: $-16-11y=17$, so $y=-3$. Then $x=2$.", "$y=-3$.\nSo $x=2$."],
        [
            "So $y=2$. Then $x=-3$.",
            "So $y=-3$. Then $x=2$. So $x=3$.",
            "So $y=-3$. Then $x=2$ or $x=3$.",
            "If $y=-3$. Then $x=2$.",
            "So $y=-3$. Then $x=2$. I take that back.",
            "So $y=-3$.",
            "So $y=-3$. Maybe $x=2$.",
            "So $y=-3$. Then $x=2$. But that is wrong.",
        ],
    ),
}


def _each(right: bool) -> list[tuple[str, str, str]]:
    every = {**CONCLUDED, **EQUAL, **NOTATIONS, **TOLD}
    return [(*of, text) for of, texts in every.items() for text in texts[0 if right else 1]]


@pytest.mark.parametrize(("question", "answer", "text"), _each(True))
def test_same(question: str, answer: str, text: str) -> None:
    assert judge_answer(answer, text, question=question).correct is True


@pytest.mark.parametrize(("question", "answer", "text"), _each(False))
def test_another(question: str, answer: str, text: str) -> None:
    assert judge_answer(answer, text, question=question).correct is False
