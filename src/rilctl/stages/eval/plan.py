"""What `eval` says for `--dry-run`."""

from dataclasses import replace

from rilctl.config.evaluation import EvalConfig
from rilctl.config.suite import Benchmark, find_suite
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.stages.eval.engines import find_mirror
from rilctl.stages.eval.reference import Reference, read_reference
from rilctl.stages.eval.shards import Shard, find_shard
from rilctl.stages.eval.subject import chosen, eval_config, planned_student
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.closing import output_section


def plan(context: StageContext) -> Plan:
    """What `run` would do: the student and every benchmark; nothing is written, and no extra is needed."""
    config = eval_config(context)
    suite = chosen(find_suite(config.suite, context.base_dir), config)
    find_mirror(context, config)
    shard = find_shard(config)
    facts = [planned_student(context, config), Fact("suite", suite.name, note=suite.about)]
    if (reference := read_reference(context, config, suite)) is not None:
        facts.append(Fact("reference", config.reference, note=_described(reference)))
    if config.limit is not None:
        facts.append(Fact("limit", config.limit, note="questions of each task, the first ones"))
    if config.other_pictures:
        facts.append(Fact("pictures", ", ".join(config.picture), note="each question is asked once with each"))
    if shard is not None:
        facts.append(Fact("shard", config.shard, note="its answers alone, and no scores"))
    if suite.extra is not None:
        facts.append(Fact("needs", f"pip install 'rilctl[{suite.extra}]'"))
    benchmarks = [
        Fact(benchmark.name, _num_asked(benchmark, config, shard), note=benchmark.describe())
        for benchmark in suite.benchmarks
    ]
    if shard is not None:
        context = replace(context, out=shard.folder(context.out))
    sections = (Section("work", tuple(facts)), Section("questions", tuple(benchmarks)), output_section(context))
    return Plan("eval", sections)


def _num_asked(benchmark: Benchmark, config: EvalConfig, shard: Shard | None) -> int | None:
    """At most: what is known of a benchmark is the number of questions of all its tasks together."""
    num = benchmark.most_questions(config.limit)
    if num is None or shard is None:
        return num
    return min(num, len(range(num)[shard.part]) + len(benchmark.tasks) - 1)


def _described(reference: Reference) -> str:
    return f"{len(reference.records):,} questions" if reference.records else "means alone"
