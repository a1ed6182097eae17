"""By which version of the rules a run's answers were judged: as it was written down, or as its commit has it."""

from experiments.results import Run
from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.judging.rule import RuleJudge

KEY = "rules"
"""In a run's `versions`."""
_OF_COMMIT = {
    "f34c053716": "rule-3",
    "27fc578b6d": "rule-4",
    "775f1ef89f": "rule-5",
    "7f5ed2b42e": "rule-6",
    "d16e2f3c92": "rule-9",
    "ed23dc6292": "rule-10",
    "be68c4edc0": "rule-11",
    "ed756d11e2": "rule-11",
}
"""Of runs from before it was written down: what `engines/judging/rule.py` says there. Commits that this repository
doesn't have aren't among them."""


def rules_now() -> str:
    """The version that judges from now on."""
    return RuleJudge(RuleJudgeConfig()).name.partition("(")[0]


def rules_of(run: Run) -> str | None:
    """The version that judged; None where nobody knows."""
    return run.versions.get(KEY) or _OF_COMMIT.get(run.commit)
