"""A student's card as Markdown with the metadata that the hub reads. Pure: facts in, text out."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rilctl.markdown import table
from rilctl.reporting.redaction import redacted
from rilctl.views.card.facts import CardFacts, Source

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_SCORE = re.compile(r"(?P<benchmark>[^/=]+)/score")


def render_card(facts: CardFacts, name: str) -> str:
    """The card.

    Args:
        facts: of the student.
        name: of the model, for people.
    """
    from huggingface_hub import ModelCardData

    results = list(_results(facts))
    metadata: dict[str, Any] = {"eval_results": results, "model_name": name} if results else {}
    bases = [source.hub_id for source in facts.of_role("student") if source.hub_id]
    datasets = sorted({source.hub_id for source in facts.of_role("data") if source.hub_id})
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        base_model=bases[-1] if bases else None,
        datasets=datasets or None,
        tags=["rilctl", facts.manifest.verb],
        **metadata,
    )
    sections = [
        f"---\n{data.to_yaml()}\n---\n",
        f"# {name}\n",
        f"A vision-language model, made by `rilctl {facts.manifest.verb}`. `transformers` loads it as it is.\n",
        "## Made from\n",
        table(["used as", "what", "digest"], [[s.role, s.name, s.digest[:12]] for s in facts.sources]),
        "## Results\n",
        _scores(facts),
        "## Judge\n",
        _judge(facts),
        "## Recipe\n",
        _recipe(facts),
        "## Limits\n",
        _limits(facts),
        "## Licences and terms\n",
        _licences(facts),
        "## Identity\n",
        _identity(facts),
    ]
    return "\n".join(sections)


def _results(facts: CardFacts) -> Iterator["EvalResult"]:
    from huggingface_hub import EvalResult

    for manifest in facts.evaluations:
        for key, value in manifest.metrics.items():
            if found := _SCORE.fullmatch(key):
                yield EvalResult(
                    task_type="image-text-to-text",
                    dataset_type=found["benchmark"],
                    dataset_name=found["benchmark"],
                    metric_type="accuracy",
                    metric_name="score, 0 to 100",
                    metric_value=round(value, 3),
                )


def _scores(facts: CardFacts) -> str:
    rows = []
    for manifest in facts.evaluations:
        metrics = manifest.metrics
        for key, value in metrics.items():
            if found := _SCORE.fullmatch(key):
                bench = found["benchmark"]
                low, high = metrics.get(f"{bench}/score_low"), metrics.get(f"{bench}/score_high")
                interval = "" if low is None or high is None else f"{low:.1f} to {high:.1f}"
                rows.append([bench, f"{value:.1f}", interval, f"{metrics.get(f'{bench}/num_questions', 0):.0f}"])
    own = [[key, f"{value:.4g}", "", ""] for key, value in facts.manifest.metrics.items() if "accuracy" in key]
    if not rows and not own:
        return "Nothing was measured.\n"
    return table(["benchmark", "score", "interval", "questions"], rows + own)


def _judge(facts: CardFacts) -> str:
    config = facts.manifest.config.get("judge")
    kind = config.get("type") if isinstance(config, dict) else None
    judges = ", ".join(source.name for source in facts.of_role("judge"))
    lines = [f"Answers were judged by {judges or ('rules' if kind in (None, 'rule') else f'`{kind}`')}.\n"]
    canaries = {k: v for m in (facts.manifest, *facts.evaluations) for k, v in m.metrics.items() if "canar" in k}
    if canaries:
        lines.append(table(["canaries", "value"], [[name, f"{value:.4g}"] for name, value in canaries.items()]))
    return "\n".join(lines)


def _recipe(facts: CardFacts) -> str:
    config = facts.manifest.config
    verbs = {key: config[key] for key in ("data", facts.manifest.verb, "judge") if config.get(key) is not None}
    shown = json.dumps(redacted(verbs), indent=2, ensure_ascii=False)
    return f"What is private was left out.\n\n```json\n{shown}\n```\n"


def _limits(facts: CardFacts) -> str:
    lines = [
        "- It was trained to answer questions like those of its data, and measured on the benchmarks above alone.",
        "- It learned from a judge and from teachers, and has taken on what they get wrong.",
    ]
    if not facts.evaluations:
        lines.append("- No evaluation of these weights was found.")
    if facts.manifest.num_rejected:
        lines.append(f"- {facts.manifest.num_rejected} rows of its data were rejected.")
    return "\n".join(lines) + "\n"


def _licences(facts: CardFacts) -> str:
    lines = ["Nobody has checked these for you. What binds this model may come from any of them:\n"]
    lines += [f"- {_where(source)}: its licence" for source in _unique(facts.sources) if not source.is_closed]
    lines += [
        f"- **{source.name}** ({source.role}) answered from behind an endpoint: **check its provider's terms**; some "
        "forbid training other models on its answers, or sharing what was trained"
        for source in _unique(facts.sources)
        if source.is_closed
    ]
    return "\n".join(lines) + "\n"


def _where(source: Source) -> str:
    return (
        f"[{source.name}](https://huggingface.co/{_place(source)})"
        if source.hub_id
        else f"{source.name} ({source.role})"
    )


def _place(source: Source) -> str:
    return f"datasets/{source.hub_id}" if source.kind == "data" else str(source.hub_id)


def _unique(sources: Sequence[Source]) -> list[Source]:
    return list({source.name: source for source in reversed(sources)}.values())[::-1]


def _identity(facts: CardFacts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts.manifest.versions.items())
    hardware = "; ".join(f"{name} {fact}" for name, fact in facts.manifest.hardware.items())
    where = f", on: {hardware}" if hardware else ""
    return (
        f"Content digest `{facts.manifest.content_digest}`, made {facts.manifest.created_at} with {versions}{where}.\n"
        "`rilctl artifacts pull` checks every file against `manifest.json`.\n"
    )
