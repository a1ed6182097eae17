"""From a recipe's `[judge]` table to the judge that it describes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rilctl.config.judge import JudgeConfig, LlmJudgeConfig, RuleJudgeConfig
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.openai import open_endpoint
from rilctl.engines.judging.base import JudgeEngine
from rilctl.engines.judging.erring import ErringJudge
from rilctl.engines.judging.llm import Calls, LlmJudge, rubric_identity
from rilctl.engines.judging.prompt import VERDICT_SCHEMA
from rilctl.engines.judging.rule import RuleJudge
from rilctl.engines.judging.rules_first import RulesFirst
from rilctl.engines.judging.watch import WatchedJudge
from rilctl.engines.judging.watching import Provisional
from rilctl.schemas.base import StrictModel

BY_RULES: Mapping[type[StrictModel], Callable[[Any], JudgeEngine]] = {RuleJudgeConfig: RuleJudge}
"""Judges that ask no model: the class of their table of the recipe, and what makes one of it."""


def judge_by_rules(config: JudgeConfig) -> JudgeEngine:
    """A judge that asks no model; it errs where an experiment wants it to."""
    judge = BY_RULES[type(config)](config)
    flip = config.flip if isinstance(config, RuleJudgeConfig) else None
    return judge if flip is None else ErringJudge(judge, flip)


def open_judge_model(
    config: LlmJudgeConfig,
    base_dir: Path,
    *,
    warn: Callable[[str], object],
    check_stop: Callable[[], object] = lambda: None,
    between_tokens: Callable[[int], object] = lambda num: None,
) -> GenerationEngine:
    """What answers for an LLM judge; nothing is asked yet.

    Args:
        config: the `[judge]` table.
        base_dir: folder that relative paths start from.
        warn: told what a person should know.
        check_stop: called while a server is waited for; may raise to stop.
        between_tokens: see `open_generation`.

    Raises:
        CredentialError: the key that the recipe names isn't there.
        UsageError, ModelError: as `open_generation` does.
    """
    if config.endpoint is None:
        return open_generation(
            config.loaded_here,
            config.engine,
            base_dir,
            warn=warn,
            check_stop=check_stop,
            between_tokens=between_tokens,
        )
    endpoint = config.endpoint
    if config.verdict_form == "json":
        extra_body = endpoint.extra_body | {"response_format": VERDICT_SCHEMA}
        endpoint = endpoint.model_copy(update={"extra_body": extra_body})
    return open_endpoint(config.model, endpoint, base_dir, role="the judge", warn=warn, check_stop=check_stop)


def llm_judge(
    config: LlmJudgeConfig,
    model: GenerationEngine,
    through: Callable[[GenerationEngine], GenerationEngine],
    forget: Callable[[Calls], object],
    provisional: Provisional,
    check_stop: Callable[[], object] = lambda: None,
) -> WatchedJudge:
    """An LLM judge under watch.

    Args:
        config: the `[judge]` table.
        model: answers everything.
        through: puts a cache in front of it, which canaries pass by.
        forget: see `LlmJudge`.
        provisional: what no check covers yet; see `WatchedJudge`.
        check_stop: see `WatchedJudge`.
    """
    llm = LlmJudge(config, model, through, forget)
    judge = RulesFirst(llm) if config.rules_first else llm
    return WatchedJudge(judge, llm, LlmJudge(config, model), config, provisional, check_stop)


def judge_identity(config: JudgeConfig) -> str:
    """What decides a verdict beside the recipe's own keys and the model: the version of rules, or of a rubric."""
    return rubric_identity(config) if isinstance(config, LlmJudgeConfig) else judge_by_rules(config).name


def describe_judge(config: JudgeConfig) -> str:
    """Who judges, for a person; nothing is loaded."""
    if not isinstance(config, LlmJudgeConfig):
        return judge_by_rules(config).name
    where = f" at {config.endpoint.url}" if config.endpoint else ""
    return f"{config.model}{where}" + (", after exact matches by rules" if config.rules_first else "")
