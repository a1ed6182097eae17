"""What `eval` says for `--dry-run`."""

from rilctl.config.suite import find_suite
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.stages.eval.subject import chosen, eval_config, planned_student
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section


def plan(context: StageContext) -> Plan:
    """What `run` would do: the student and every benchmark; nothing is written, and no extra is needed."""
    config = eval_config(context)
    suite = chosen(find_suite(config.suite, context.base_dir), config)
    facts = [Fact("student", planned_student(context, config)), Fact("suite", suite.name, note=suite.about)]
    if config.limit is not None:
        facts.append(Fact("limit", config.limit, note="questions of each task, the first ones"))
    if suite.extra is not None:
        facts.append(Fact("needs", f"pip install 'rilctl[{suite.extra}]'"))
    benchmarks = [
        Fact(benchmark.name, benchmark.num_questions, note=benchmark.describe()) for benchmark in suite.benchmarks
    ]
    sections = (Section("work", tuple(facts)), Section("questions", tuple(benchmarks)), output_section(context))
    return Plan("eval", sections)
