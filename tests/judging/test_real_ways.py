"""Ways in which real models answer real benchmarks, and what looks like them and isn't right."""

import pytest

from rilctl.engines.judging.rule import judge_answer

ANIMALS = "Which?\nA. cat\nB. dog\nC. cow\nD. bat"
ROUGH = "Is Dark Plum the roughest?\nChoices:\n(A) yes\n(B) no"
MOSS = "If all the moss dies then the snail population will\nChoices:\n(A) remain the same\n(B) decrease\n(C) increase"
LIONS = (
    "What would happen to the lion population if the tree population decreased?\nChoices:\n"
    "(A) Nothing would happen.\n(B) It would also decrease.\n(C) It would increase."
)
AREA = "How big is the area?\n(A) $\\pi$\n(B) $3 \\pi$\n(C) $\\frac{\\pi}{2}$\n(D) $2 \\pi$\n(E) another value"
RATIO = "What is the ratio?\n(A) $1: 1$\n(B) $2: 3$\n(C) $3: 5$"
BETAS = (
    "What are the betas?\nA. Stock B: 0.5; Stock C: 2.0\nB. Stock B: 1.5; Stock C: 2.0\nC. Stock B: 2.5; Stock C: 1.0"
)
SOLUTIONS = (
    "Which solution has a higher concentration of blue particles?\n(A) neither; they are the same\n"
    "(B) Solution A\n(C) Solution B"
)
DOGS = "Which of these dogs is most similar to the first one?\n(A) the second dog\n(B) the third dog"
PARTS = "(a) How long is it? (b) How wide is it?\nA. (a) 3 m (b) 4 m\nB. (a) 4 m (b) 3 m\nC. (a) 3 m (b) 3 m"
SUM = "Is the sum greater than 5?\n(A) Yes\n(B) No"
ANGLE = "∠C is\n(A) 60°\n(B) 70°\n(C) 80°"
BOX = "What goes in the box in \\[3 + \\boxed{\\phantom{2}} = 7?\\]"
DEGREES = "∠A is\n(A) 125°\n(B) 120°\n(C) 115°\n(D) 110°"
AREAS = "What is the area?\n(A) 15\n(B) 13\n(C) 2√3\n(D) 8"
ENZYME = "Which is NOT true of the enzyme?\nA. It is made of proteins.\nB. It is a catalyst.\nC. It works at any pH."
STATES = "According to the map provided, is Iowa larger than Texas?"
LOOP = "The rate of the reaction is proportional to the concentration of the substance in the vessel. "
LONG = (
    "The picture has an animal on a mat in a room with two windows. Its ears are small and its tail is long, and it "
    "looks at the door. There is a bowl of water beside it and a ball under the table. The light comes from the left. "
    "A lamp is on, and someone has left a book and two cups on the table."
)
NEXT = "\n\nQuestion: Sam has 4 apples and buys 3. How many?\n\nSolution: 4 + 3 = 7\n\nTherefore, the answer is A."
WAYS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ANIMALS,
        "C",
        (
            "The correct answer is:\nAnswer: C",
            "**Final Answer:**\n\nAnswer: C",
            "Therefore, the solution is:\n\\[\n\\text{Answer: C}\n\\]",
            "- Call option: $5\n- Put option: $4\n\nAnswer: C",
            "The answer is C. The answer choices (A), (B) and (D) are no cows.",
        ),
        ("The correct answer is:\nAnswer: A", "Answer: C\n\nHowever, none of the options fit.", "Option: C or D"),
    ),
    (
        ANIMALS,
        "B",
        ("The answer is B." + NEXT, "(B) dog" + NEXT, "B\nHuman: Thanks!"),
        ("The answer is A." + NEXT, "I can't say." + NEXT.replace("is A", "is B"), "A or B?" + NEXT),
    ),
    (ANIMALS, "A", ("The answer is A." + NEXT,), ("The answer is B." + NEXT, "Hm." + NEXT)),
    (
        "How many apples?",
        "7",
        ("Question: How many apples?\nAnswer: 7",),
        ("5\n\nQuestion: How many pears?\nAnswer: 7",),
    ),
    (
        "哪个?\nA. 猫\nB. 狗\nC. 牛",
        "C",
        ("选项C是正确答案", "因此选项为(C)", "答案选项是C"),
        ("选项B是正确答案", "因此选项为(B)"),
    ),
    (
        "How many sequences?",
        "3,\\!250",
        ("So there are \\boxed{3250}.", "3,250"),
        ("250", "3", "3, 250 or 7"),
    ),
    (
        ROUGH,
        "B",
        (
            "Based on the image, Dark Plum is not the roughest. The roughest color in the image is Red.",
            "Dark Plum is not the roughest, as it has a roughness value of 70.",
        ),
        (
            "Based on the graph, Dark Plum is the roughest.",
            "Based on the graph, Light Plum is not the roughest.",
            "No, Dark Plum is the roughest.",
        ),
    ),
    (
        ROUGH,
        "A",
        ("According to the chart, Dark Plum is the roughest.",),
        ("No, Dark Plum is not the roughest. The roughest color is A.", "In this graph, Dark Plum isn't the roughest."),
    ),
    (
        MOSS,
        "B",
        ("If all the moss dies, the snail population will decrease. This is because snails feed on moss.",),
        ("If all the snails die, the moss will increase.", "If the moss grows, the snail population will decrease."),
    ),
    (
        LIONS,
        "B",
        ("If the tree population decreased, the lion population would also decrease, as they depend on it.",),
        ("If the tree population decreased, the lion population would increase.",),
    ),
    (
        AREA,
        "D",
        ("\\boxed{2\\pi}", "\\boxed{\\text{(D) }2\\pi}", "\\textbf{(D)}\\ \\pi \\cdot 2", "(D) 2 pi"),
        ("\\boxed{\\text{(D) }3\\pi}", "(D) $5\\pi$", "\\boxed{3\\pi}", "\\boxed{5\\pi}"),
    ),
    (AREA, "C", ("\\boxed{\\frac{1}{2}\\pi}",), ("\\boxed{\\frac{1}{3}\\pi}", "\\boxed{(C) \\pi}")),
    (AREA, "E", ("\\boxed{\\text{(E) }5\\pi}",), ("\\boxed{\\text{(E) }3\\pi}",)),
    (RATIO, "A", ("1:1", "The answer is \\boxed{1:1}."), ("\\boxed{\\text{(A)}\\ 1: 3}", "(A) 2:3", "1")),
    (RATIO, "B", ("\\boxed{\\frac{2}{3}}", "(B) $2:3$"), ("\\boxed{\\frac{3}{2}}", "3:2")),
    (BETAS, "B", ("B. Stock B: 1.5; Stock C: 2.0",), ("C. Stock B: 2.5; Stock C: 1.0",)),
    (BETAS, "C", ("C. Stock B: 2.5; Stock C: 1.0",), ("B. Stock B: 1.5; Stock C: 2.0",)),
    (
        "The derivative at 6 is ____ that at 8\nChoices:\n(A) larger than\n(B) equal to\n(C) smaller than",
        "A",
        ("(A) larger than", "larger than"),
        ("(C) smaller than", "It is larger because it is greater than"),
    ),
    (
        SUM,
        "B",
        ("No.", "The sum is not greater than 5."),
        (
            "If it is greater, the answer is (A) Yes. If it is not, then the answer is (B) No.\n\n"
            "Without specific data, we cannot provide a definitive answer.",
            "The answer is (B) No, but it cannot be determined. Please provide more data.",
        ),
    ),
    (
        ANGLE,
        "B",
        ("∠C = 180° - 110° = 70°.",),
        (
            "∠A = 2 * 35° = 70°. So ∠C = 40°. However, none of the options match this result.",
            "Since ∠A = 90°, we know that ∠B = 70°.\n\nSince",
        ),
    ),
    ("cosA is\n(A) 0.6\n(B) 0.8\n(C) 0.75", "A", ("A: cosA = 0.6",), ("A:  cosA = BC = 0.8",)),
    (
        "What is the lowest accuracy in the chart?",
        "1",
        ("The lowest accuracy is one.", "1"),
        ("To find the lowest accuracy in the chart, look at all the values and identify the smallest one.",),
    ),
    (
        "How many holes are there?",
        "8",
        ("There are 8 holes.",),
        ("Three times will make 8 holes, and so on.\n\nFor an analysis, please provide a picture.",),
    ),
    (
        BOX,
        "4",
        ("So \\(4 = \\boxed{\\phantom{2}}\\). The number is \\(\\boxed{4}\\).",),
        ("\\boxed{\\phantom{2}}", "\\boxed{4} = \\boxed{5}", "\\boxed{\\phantom{4}}"),
    ),
    (
        "If all the grass died, what would be most affected?\n(A) snakes\n(B) hawks\n(C) moles\n(D) grasshoppers",
        "D",
        ("The correct answer is (D). If all the grass died, the grasshoppers would be most affected.",),
        (
            "The correct answer is (D) grasshoppers. If it rains, hawks.",
            "The correct answer is (D) grasshoppers, if all the grass died slowly.",
            "The correct answer is (D) grasshoppers. If all the grass died, hawks would be most affected.",
        ),
    ),
    (SOLUTIONS, "B", ("Solution A has a higher concentration of blue particles than Solution B.",), ("Solution B",)),
    (SOLUTIONS, "C", ("Solution B",), ("Solution A has a higher concentration of blue particles than Solution B.",)),
    (
        DEGREES,
        "D",
        ("The answer is 110°, option D.", "答案是110°，选项为D。", "So ∠A is 80°. The correct option is (D) 110°."),
        (
            "The answer is 80°, option D.",
            "答案是80°，选项为D。",
            "答案是80°，对应选项是D。",
            "Answer: D (80°)",
            "The answer is 80 (D).",
        ),
    ),
    (AREAS, "D", ("D (8 cm^2)", "The answer is (D) 4 + 4."), ("The answer is (D) 8 + 2√15.",)),
    (AREAS, "C", ("The answer is 3.46, option C.",), ("The answer is 3.9, option D.", "The answer is (C) 4√3.")),
    (
        ENZYME,
        "C",
        ("It is a protein, so (A) is true. It works at one pH, so (C) is false, so (B) is true. The answer is (C).",),
        ("So (A) is true. The answer is (B).",),
    ),
    (
        "Which of them?\nA. (i) and (ii) only\nB. (ii) only\nC. (i) only",
        "A",
        ("Therefore, (i) and (ii) are right.\n\nThe answer is (A).",),
        ("Therefore, (i) and (ii) are right.\n\nThe answer is (C).",),
    ),
    (
        "Who is it? Answer Choices: (A) a nurse (B) a cook (C) a pilot",
        "B",
        ("The answer is ... B.", "The answer (A, B or C) is B.", "The witness's answer was loud. The answer is (B)."),
        ("The answer is B, C, and potentially A.", "The answer is ... A or B."),
    ),
    (
        "哪个?\nA. 猫\nB. 狗\nC. 牛",
        "C",
        ("【解析】……\n【答案】C<eoa>", "【答案】: C"),
        ("【答案】A, C <eoa>", "【答案】B"),
    ),
    (
        STATES,
        "no",
        (
            "No, according to the map provided, Texas is larger than Iowa.",
            "No, according to the map, Iowa is not larger than Texas.",
            "No, in the map provided, Texas is larger.",
        ),
        ("No, according to the map, Iowa is larger than Texas.", "No, in the map it is larger than Texas."),
    ),
    (
        "Would staff be panicked if they had no oil?",
        "yes",
        ("The answer (Yes or No) is Yes, staff would be panicked if they had no oil.", "The answer is: Yes"),
        ("The answer (Yes or No) is Yes, if they were new.", "The answer (Yes or No) is No."),
    ),
    (
        "Each pie takes 9 apples. How many pies can they make of 54?",
        "6",
        (
            "The answer (arabic numerals) is 6 pies.",
            "The answer is ____.\n\nThey can make 6 pies.",
            "The answer is 6. \n\nThe answer (in words) is six.",
        ),
        ("The answer is 6 apples.", "The answer (arabic numerals) is 5, 6, 9.", "The answer is 6, 7, 8."),
    ),
    (
        "Ann had 0.25 grams of pepper and used 0.16 grams of it. How much pepper is left?",
        "0.09",
        ("The answer is 0.09 grams.", "0.09 grams"),
        ("The answer is 0.09 or 0.1 grams.",),
    ),
    (
        "What is proportional to the rate?\nA. the pressure\nB. the concentration\nC. the colour",
        "B",
        (f"{LOOP}So the answer is B.", f"{LOOP * 3}The answer is (B).\n\nFinal Answer:", "The concentration"),
        (LOOP * 5, f"{LOOP}The concentration is 2. {LOOP[:40]} {LOOP.lower()}For this reason we then have that the"),
    ),
    (
        "What is proportional to the rate?\nA. the pressure\nB. the concentration\nC. the colour",
        "A",
        ("The result of more heat is the concentration. The answer is A.",),
        (f"{LOOP.replace('concentration', 'pressure') * 2}In other words, the colour is c = 4 * (3 +", f"{LOOP * 4}A"),
    ),
    ("A man does not eat meat. Which?\nA. cat\nB. dog", "A", ("cat",), ("It is the dog. The answer is A.",)),
    ("Is the cat in the box?", "no", ("No, on the mat.",), ("No, in the box.",)),
    (
        "Is the population of Chile larger than the population of Peru?",
        "no",
        ("No, the population of Peru is larger.", "No, Peru's population is larger than Chile's."),
        ("No, the population of Chile is larger than the population of Peru.",),
    ),
    (
        "What happens to 8 if fish die?",
        "8",
        ("The answer is 8 if fish die.",),
        ("The answer is 8 if fish die and 9 if not",),
    ),
    ("How much flour do you need for 5 cups of milk?", "5", ("5",), ("You need 5 cups of milk.",)),
    ("How much?\n(A) 80.4\n(B) 80\n(C) 79", "A", ("The answer is 80.4, option A.",), ("The answer is 80, option A.",)),
    (
        PARTS,
        "A",
        ("The answer is A.", "(A)", "A. (a) 3 m (b) 4 m"),
        ("(a) We measure its length first.", "The answer is (a) 4 m (b) 3 m."),
    ),
    (
        ANIMALS,
        "C",
        (
            f"{LONG} It is a cow",
            f"{LONG} So $x_{{1}} = 2$, and it is a cow",
            f"{LONG}\n\n1. a cow",
            f"1. {LONG}\n2. cow",
        ),
        (
            f"{LONG} So the cow has twice the height that you see there, which means there",
            f"{LONG} It is a cow. Let $h$ be its height. Then $h = \\frac{{3}}{{4",
            f"{LONG} The cow has \\[ h_1 + h_2",
            f"{LONG}\nThe cow is h = 3 w + 2 = 3 w + 2 = 3 w",
            "Animals that may lie on a mat:\n1. mouse\n2. hen\n3. cow\n4. hare\n5. sheep\n6. goat",
        ),
    ),
    (
        "What is formed?\nA. 5 kJ\nB. 6 kJ\nC. 7 kJ\nD. 8 kJ\nE. 9 kJ\nF. 1 kJ\nG. 2 kJ\nH. 3 kJ",
        "H",
        ("H because it has 3 kJ", "H", "3 kJ"),
        ("$\\mathrm{H}_2(\\mathrm{g}) \\rightarrow \\mathrm{H}_2(\\mathrm{l})$", "H _2 is formed"),
    ),
    (
        ANIMALS,
        "B",
        ("【答案】B", "如果是狗，答案是B。"),
        (
            *(
                "如果【答案】B",
                "若答案是B，则矛盾。",
                "The witness's answer was B.",
                "Ann's choice is B",
                "The students' guess: B",
            ),
        ),
    ),
    ("What was the witness's answer?\nA. yes\nB. no", "B", ("The witness's answer was B.",), ("Ann's answer was B.",)),
    (
        DOGS,
        "A",
        (
            "The second dog is most similar to the first one. Both have long ears. The third dog, on the other hand, "
            "is small and white.",
            "Based on the images provided, the second dog (A) is most similar to the first one.",
            "Let us compare them.\n(A) The second dog has long ears and a curly tail, as the first one has.\n(B) The "
            "third dog has short ears and looks away from us.\n\nTherefore, the dog that is most similar to the first "
            "one is:\n(A) the second dog",
            "(A) the second dog\n\nThis choice is made because its ears are long.",
            "The second dog is most similar to the first one. This is evident from its ears, which look different from "
            "those of the third dog.",
            "So, the second dog is most similar to the first one, while the third dog has a white tail and stands on a",
        ),
        (
            "The third dog is most similar to the first one. The second dog, on the other hand, is small.",
            "The second dog has a white tail, making it less similar to the first one.",
            "The second dog is most similar to the first one. Therefore, the answer is the third dog.",
            "The second dog is most similar to the first one. However, the third dog is just as similar.",
            "The second dog might be most similar to the first one.",
            "The second dog is least similar to the first one.",
            "If it is old, the second dog is most similar to the first one.",
            "The second dog is most similar to the first one. The third dog is most similar to the first one.",
            "Is the second dog most similar to the first one?",
            "(B) the third dog\nThe second dog is most similar to the first one.",
            "They look alike. The second dog, on the other hand, is small.",
            "(A) The second dog has long ears and a curly tail, as the first one has.\n(B) The third dog has short "
            "ears and looks away from us.\nAll of them are dogs.",
            "The second dog, provided that it is old, is most similar to the first one.",
        ),
    ),
    (
        "Which point is on the cup?\nA. Point A\nB. Point B\nC. Point C",
        "B",
        ("The reading is at point B. Therefore, the point on the cup is point B.", "It is Point B. The cup is red."),
        (
            "The point on the cup is point C. Point B is on the table.",
            "The cup is red. This is shown by the shadow of point B.",
        ),
    ),
    (
        "How many more hours did Sam sleep than Ann?",
        "3",
        ("Sam slept 9-6 = <<9-6=3.0>>3 more hours than Ann.\nA: 3",),
        ("Sam slept 9-6 = <<9-6=3.0>>4 more hours than Ann.\nA: 4", "<<3>>"),
    ),
)
"""A question, its answer, ways to give it, and what isn't right."""


@pytest.mark.parametrize(("question", "answer", "right", "wrong"), WAYS)
def test_ways_of_real_models(question: str, answer: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    assert [text for text in right if not judge_answer(answer, text, question=question).correct] == []
    assert [text for text in wrong if judge_answer(answer, text, question=question).correct] == []


@pytest.mark.parametrize("letter", "ABCD")
def test_a_long_response_may_end_with_any_letter_alone(letter: str) -> None:
    for end in (letter, "-" * 40 + f"\n\n{letter}", f"{letter}\n" + "-" * 40, f"Final solution: {letter}"):
        assert judge_answer(letter, f"{LONG}\n\n{end}", question=ANIMALS).correct, end


def test_who_goes_through_the_options_in_one_form_comes_to_an_end() -> None:
    steps = "".join(f"Option {letter}: this does not match the picture. " for letter in "BCD")
    assert judge_answer("A", f"{LONG} {steps}Therefore, it is a cat.", question=ANIMALS).correct
    assert judge_answer("7", f"{LONG} The total is $ 7 $", question="How many are there?").correct
