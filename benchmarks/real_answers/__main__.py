"""How often the rules and the labels of thirteen public repositories differ about real models' answers.

    python -m real_answers FOLDER [--labels FILE] [--part 0] [--differing FILE] [--json]

Run from the folder benchmarks. FOLDER holds clones of these repositories, each under its own name, at these commits:

    lupantech/MathVista                      53d525874bdde205128e6b160b7357a88277d479
    mathllm/MATH-V                           a1f5cc3add200c0cd080fad463e500f44ef1fb41
    MMMU-Benchmark/MMMU                      bb0b95a945998d91dfef37e969e07d49d1139438
    openai/grade-school-math                 3101c7d5072418e28b9008a6636bde82a006892c
    QwenLM/Qwen2.5-Math                      a45202bd16f1ec06f433442dc1152d0074773465
    suzgunmirac/BIG-Bench-Hard               9ee07bd481feebf959a6b59d61ea57bdcf30964d
    lupantech/PromptPG                       7cf61b1bec07222fc24b4f5a1410911f77c2d2c9
    kojima-takeshi188/zero_shot_cot          5ef330fcdeec0cd26aee27943504f91f8ec1c33c
    TIGER-AI-Lab/MMLU-Pro                    f418b116db00b065c2aea046518d8fcf74d39872
    tianyi-lab/HallusionBench                744007c232c292942c7f80eb61edb2465482da31
    TIGER-AI-Lab/TheoremQA                   acfc9686aa9b49f3c8f189364a9a9ee9c53da039
    OpenLMLab/GAOKAO-Bench                   6dbb24f8d8439041e5431c4c184a582182a6ce9c
    zeyofu/BLINK_Benchmark                   2d6a779be4aa1ad0d38d7aa539bcb43b6dd81592

About 220,000 answers, six minutes. The questions of the first five were drawn into parts 0 and 1. Part 0 was read to
mend the rules; part 1 was labelled by a language model that saw neither rules nor verdicts, and what it showed learned
afterwards. Parts 2 to 7 were each scored once before anything was learned from them, 2 and 3 by version 10 of the
rules, the others by version 11: 2 is BIG-Bench Hard and PromptPG; 3 zero_shot_cot, HallusionBench and a sixteenth of
MMLU-Pro's answers; 4 another sixteenth of these, TheoremQA and GAOKAO-Bench; 5 a third sixteenth; 6 and 7 BLINK, twenty
vision-language models, whose questions are said in other words here, as their texts aren't in that repository. Version
12 learned from 5 and 6. The repositories' labels err as well: MathVista maps a refusal to the nearest choice or to one
by chance, MMMU-Pro and MMLU-Pro guess where their parsers find nothing. So the answers about which rules and label
differed were read, and labels.json says what is right, by id: true, false or null (unclear, which counts nowhere), and
why. None of the texts is in this repository.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from real_answers.sources import Answer, read_all
from rilctl.engines.judging.rule import judge_answer
from rilctl.markdown import table

LABELS = Path(__file__).with_name("labels.json")
HEADER = ("source", "part", "right", "called wrong", "wrong", "called right")


@dataclass
class Counts:
    """Of the answers of one source and part.

    Args:
        right: answers that the label calls right.
        called_wrong: of these, by the rules.
        wrong: answers that the label calls wrong.
        called_right: of these, by the rules.
    """

    right: int = 0
    called_wrong: int = 0
    wrong: int = 0
    called_right: int = 0

    def add(self, label: bool, verdict: bool) -> None:
        """Count one answer."""
        self.right += label
        self.wrong += not label
        self.called_wrong += label and not verdict
        self.called_right += verdict and not label


def main() -> int:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the clones")
    parser.add_argument("--labels", type=Path, default=LABELS, metavar="FILE", help="corrected labels")
    parser.add_argument("--part", type=int, choices=range(8), help="score one part")
    parser.add_argument("--differing", type=Path, metavar="FILE", help="write the answers where rules and label differ")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    answers = (each for each in read_all(arguments.folder) if arguments.part in (None, each.part))
    given, corrected, differing = score(answers, read_labels(arguments.labels))
    if arguments.differing:
        lines = (json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in differing)
        arguments.differing.write_text("".join(lines), encoding="utf-8")
    if arguments.json:
        print(json.dumps({"given": _rows(given), "corrected": _rows(corrected)}, indent=1))
        return 0
    for name, counts in (("labels as they are given", given), ("corrected labels", corrected)):
        print(f"{name}:\n\n{table(HEADER, [_cells(*row) for row in sorted(counts.items())], numbers_from=1)}")
    return 0


Scored = dict[tuple[str, int], Counts]


def score(answers: Iterable[Answer], labels: Mapping[str, bool | None]) -> tuple[Scored, Scored, list[Answer]]:
    """Counts by the labels as they are given, by the corrected ones, and where the rules differ from the former.

    Args:
        answers: what was said.
        labels: corrected ones, by the answer's id; None: nobody can tell, and the answer counts for neither.
    """
    given: Scored = {}
    corrected: Scored = {}
    differing = []
    for answer in answers:
        verdict = bool(judge_answer(answer.truth, answer.response, question=answer.question).correct)
        key = (answer.source, answer.part)
        given.setdefault(key, Counts()).add(answer.is_right, verdict)
        label = labels.get(answer.id, answer.is_right)
        if label is not None:
            corrected.setdefault(key, Counts()).add(label, verdict)
        if verdict is not answer.is_right:
            differing.append(answer)
    return given, corrected, differing


def read_labels(file: Path) -> dict[str, bool | None]:
    """Corrected labels by id.

    Raises:
        ValueError: an entry isn't `{"right": true, false or null, "why": "…"}`.
    """
    labels: dict[str, bool | None] = {}
    for key, entry in json.loads(file.read_text(encoding="utf-8")).items():
        if entry.keys() != {"right", "why"} or not (entry["right"] is None or isinstance(entry["right"], bool)):
            raise ValueError(f"`{file}`: `{key}`: expected `right`, which is true, false or null, and `why`")
        labels[key] = entry["right"]
    return labels


def _rows(counts: Scored) -> list[dict[str, object]]:
    return [{"source": source, "part": part, **asdict(each)} for (source, part), each in sorted(counts.items())]


def _cells(key: tuple[str, int], counts: Counts) -> list[str]:
    wrongly, rightly = counts.called_wrong, counts.called_right
    return [
        *(key[0], str(key[1])),
        *(f"{counts.right:,}", f"{wrongly:,} ({wrongly / max(1, counts.right):.1%})"),
        *(f"{counts.wrong:,}", f"{rightly:,} ({rightly / max(1, counts.wrong):.1%})"),
    ]


if __name__ == "__main__":
    sys.exit(main())
