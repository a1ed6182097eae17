"""What changes scores besides the student, as a person reads it under a table."""

import json
from collections.abc import Mapping, Sequence

from rilctl.config.fields import ModelConfig
from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.asked import label
from rilctl.models.loaded.source import find_source
from rilctl.stages.shared.context import StageContext

_SIZE_KEYS = ("size", "min_pixels", "max_pixels", "crop_size", "max_patches")
_PROMPT_CHARS = 60


def image_size(context: StageContext, student: ModelConfig) -> str:
    """How the student's processor sizes pictures, as its file says; empty for a text model."""
    source = find_source(student, base_dir=context.base_dir)
    texts = source.read_texts()
    for name in ("preprocessor_config.json", "processor_config.json"):
        if name in texts:
            content = json.loads(texts[name])
            content = content.get("image_processor", content)
            return json.dumps({key: content[key] for key in _SIZE_KEYS if content.get(key) is not None})
    return ""


def describe_settings(benchmarks: Sequence[Benchmark], settings: Mapping[str, str]) -> list[str]:
    """One line for what all share, then one for each benchmark."""
    shared = [f"{key.replace('_', ' ')} {text}" for key, text in settings.items() if "." not in key and text]
    lines = [", ".join(shared)] if shared else []
    return lines + [_describe(benchmark, settings) for benchmark in benchmarks]


def _describe(benchmark: Benchmark, settings: Mapping[str, str]) -> str:
    names = [_label(benchmark, task, settings) for task in benchmark.tasks]
    first = names[0]
    sampling = json.loads(settings[f"{first}.sampling"])
    num_questions = sum(int(settings[f"{name}.num_questions"]) for name in names)
    prompt = settings[f"{first}.first_prompt"]
    parts = [
        f"{len(names)} tasks" if len(names) > 1 else benchmark.tasks[0],
        f"{num_questions:,} questions",
        f"at most {sampling['max_new_tokens']:,} tokens",
        "greedy" if sampling["temperature"] == 0 else f"temperature {sampling['temperature']}",
        *([f"data {settings[f'{first}.data']}"] if f"{first}.data" in settings else []),
        f"questions {settings[f'{first}.questions'][:12]}",
        f"prompt ends {json.dumps(prompt[-_PROMPT_CHARS:], ensure_ascii=False)}",
    ]
    return f"{benchmark.name}: {', '.join(parts)}"


def _label(benchmark: Benchmark, task: str, settings: Mapping[str, str]) -> str:
    """What the settings call a task; see `label`."""
    own = label(benchmark.name, task, {task})
    return own if f"{own}.sampling" in settings else task
