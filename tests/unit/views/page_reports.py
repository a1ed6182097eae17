"""Reports to draw, made from a seed: as large as asked for, with texts that try to be markup."""

import base64
import io
import random

from PIL import Image

from rilctl.schemas.report import REPORT_VERSION, Finding, Report, ReportedRun
from rilctl.schemas.report_made import (
    RecipeKey,
    ReportRecipe,
)
from rilctl.schemas.report_result import (
    Benchmark,
    PictureUse,
    Score,
    SizedScore,
)
from rilctl.schemas.report_rollouts import (
    ReportGroup,
    ReportPicture,
    ReportPictures,
    ReportRollouts,
    ReportRow,
    RewardShare,
)

from . import page_parts


def made_report(
    num_steps: int = 60, num_groups: int = 12, names: tuple[str, ...] = ("ril",), num_rows: int = 8
) -> Report:
    """A report of so many steps and groups for each run; every part has something in it."""
    draw = random.Random(0)
    pictures = {f"sha256:{index:064x}": _picture(draw) for index in range(min(40, num_groups))}
    digests = list(pictures)
    groups = [
        _group(draw, run, 1 + index * num_steps // num_groups, index, digests[index % len(digests)], num_rows)
        for run in names
        for index in range(num_groups)
    ]
    return Report(
        version=REPORT_VERSION,
        title=" and ".join(names),
        made_at="2026-11-28T00:17:03+00:00",
        made_by="rilctl 0.1.0",
        command=f"rilctl report {' '.join(names)}",
        runs=[_run(name, num_steps) for name in names],
        notes=[f"an artifact can't be read: {page_parts.HOSTILE[0]}"],
        findings=[
            Finding(text=f"{names[0]} rose from 27.5 % to 98 %", mood="good", run=names[0], target="chart:entropy"),
            Finding(text=f"3 answers were lost: {page_parts.HOSTILE[1]}", mood="bad", run=names[0], target="flips"),
        ],
        signs=[page_parts.sign(names[0], num_steps)],
        comparisons=[],
        accuracies=[page_parts.accuracy(name, num_steps) for name in names],
        flips=[page_parts.flips(names[0], digests)],
        benchmarks=[
            Benchmark(
                name=name,
                bars=[
                    *(page_parts.bar(run, "run", draw) for run in names),
                    page_parts.bar("Qwen2.5-VL-7B", "reference", draw),
                ],
            )
            for name in ("ai2d", "mmmu", "mean")
        ],
        sizes=[
            SizedScore(
                name="Qwen2.5-VL-7B",
                kind="reference",
                num_parameters=8_300_000_000,
                score=Score(value=71.2),
                suite="14bench",
            ),
            SizedScore(
                name=names[0],
                kind="run",
                num_parameters=3_750_000_000,
                score=Score(value=68.4, low=66, high=70),
                suite="14bench",
            ),
        ],
        picture_use=[
            PictureUse(
                name=names[0],
                benchmark="",
                own=Score(value=98, low=95, high=99, num_questions=200),
                swapped=Score(value=31, low=25, high=38),
                none=Score(value=22),
                swapped_gap=Score(value=67, low=60, high=73),
                none_gap=None,
            )
        ],
        charts=[
            *(page_parts.chart(shape, names, num_steps, draw) for shape in page_parts.SHOWN),
            page_parts.phases(names[0], num_steps, draw),
        ],
        rollouts=ReportRollouts(
            groups=groups,
            sampling="First, best and last step, and evenly spaced ones between them.",
            num_groups=20 * len(groups),
            num_rows=20 * len(groups) * num_rows,
            tags={"flipped": "the policy learned against the judge"},
            histogram=[
                RewardShare(run=name, side=side, reward=reward, width=0, num_rows=draw.randrange(9000))
                for name in names
                for side in ("student", "teacher")
                for reward in (0.0, 1.0, 2.0)
            ],
        ),
        pictures=ReportPictures(by_digest=pictures, budget_bytes=8_000_000, num_missing=1, note="One is not found."),
        data=[page_parts.data(names[0])],
        recipes=[
            ReportRecipe(
                run=name,
                keys=[
                    RecipeKey(key="train.optim.lr", value="0.0005", default="1e-06", is_changed=True),
                    RecipeKey(key="train.steps", value=str(num_steps), default="300", is_changed=True),
                    RecipeKey(key="train.algorithm.beta", value="0.01", default="0.01", is_changed=False),
                ],
            )
            for name in names
        ],
        lineage=page_parts.lineage(),
    )


def _run(name: str, num_steps: int) -> ReportedRun:
    return ReportedRun(
        name=name,
        path=f"runs/quickstart/{name}",
        verb="train",
        state="finished",
        started_at="2026-11-27T22:10:00+00:00",
        steps_done=num_steps,
        steps_planned=num_steps,
        seconds=num_steps * 2.75,
        cost=1.5,
        num_parameters=820_000,
        hardware={"device": "cpu", "processes": "1"},
        versions={"rilctl": "0.1.0", "torch": "2.13.0"},
    )


def _picture(draw: random.Random) -> ReportPicture:
    image = Image.new("RGB", (56, 56), tuple(draw.randrange(256) for _ in range(3)))
    held = io.BytesIO()
    image.save(held, "WEBP")
    uri = f"data:image/webp;base64,{base64.b64encode(held.getvalue()).decode()}"
    return ReportPicture(data_uri=uri, width_px=56, height_px=56, full_width_px=448, full_height_px=448)


def _group(draw: random.Random, run: str, step: int, index: int, digest: str, num_rows: int) -> ReportGroup:
    rows = [_row(draw, at, "student" if at < num_rows // 2 else "teacher") for at in range(num_rows)]
    question = (
        page_parts.HOSTILE[index]
        if index < len(page_parts.HOSTILE)
        else f"What is the sum of the digits in picture {index % 7}?"
    )
    return ReportGroup(
        run=run,
        step=step,
        sample_id=f"digits-{index % 7}",
        question=question,
        context=[],
        truth=page_parts.HOSTILE[0] if index == 0 else str(draw.randrange(30)),
        image_digests=[digest],
        why="evenly spaced",
        rows=rows,
    )


def _row(draw: random.Random, index: int, side: str) -> ReportRow:
    is_right = draw.random() < 0.5
    similarity = float(draw.random() < 0.5)
    words = " ".join(f"I see {draw.randrange(10)} and then {draw.randrange(10)}," for _ in range(draw.randrange(1, 12)))
    return ReportRow(
        source="student" if side == "student" else "qwen72b",
        side=side,
        response_index=index,
        text=page_parts.HOSTILE[1] if index == 0 else f"{words} so the answer is {draw.randrange(30)}",
        num_tokens=draw.randrange(5, 90),
        finish_reason="stop",
        in_policy=True,
        rewards={"answer": float(is_right), "similarity": similarity},
        reward=None if index == 3 else is_right + similarity,
        advantage=draw.uniform(-1, 1),
        disc_logit=draw.uniform(-9, 9),
        verdict="missing" if index == 3 else "right" if is_right else "wrong",
        judge=page_parts.HOSTILE[2] if index == 1 else "the last number is read",
        tags=["flipped"] if index == 2 else [],
    )
