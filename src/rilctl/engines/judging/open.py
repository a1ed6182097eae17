"""From a recipe's `[judge]` table to the judge that it describes."""

from rilctl.config.judge import JudgeConfig
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.rule import RuleJudge


def open_judge(config: JudgeConfig) -> JudgeEngine:
    """The judge."""
    return RuleJudge(config)
