"""Verdicts that are there already, and whose they are."""

from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from rilctl.artifacts.read import read_manifest
from rilctl.config.fields import semantic_config
from rilctl.config.judge import JudgeConfig, RuleJudgeConfig
from rilctl.engines.judging.open import describe_judge, judge_identity
from rilctl.stages.shared.context import StageContext

JUDGED_BY: Final = "judged_by"
"""Key of a `verdicts` artifact's config: what decided them beside the recipe's keys, see `judge_identity`."""
_JUDGE: Final = TypeAdapter[JudgeConfig](JudgeConfig)


def name_other_judge(context: StageContext, path: Path) -> None:
    """Warn where a `verdicts` artifact is of another judge than the recipe's, or of another version of it."""
    config = read_manifest(path).config
    gave, own = _JUDGE.validate_python(config.get("judge") or {}), context.recipe.judge or RuleJudgeConfig()
    version = config.get(JUDGED_BY)
    is_other_version = version is not None and version != judge_identity(own)
    if is_other_version or (describe_judge(gave), semantic_config(gave)) != (describe_judge(own), semantic_config(own)):
        which = describe_judge(gave)
        if which == describe_judge(own):
            which = f"{version}, another version of it" if is_other_version else f"{which} with other settings"
        context.reporter.warn(f"`{path}` holds verdicts of {which}; the recipe's judge is {describe_judge(own)}")
