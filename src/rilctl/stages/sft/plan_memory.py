"""The part of the plan of `sft` that is about memory: from sampling and loading to writing."""

from rilctl.config.sft import SftConfig
from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.memory import Held, Phase, forward_phase, logits_bytes, update_phase
from rilctl.planning.steps import Prompts, cut_step
from rilctl.stages.shared.plans.devices import PlannedDevice
from rilctl.stages.shared.plans.models import PlannedModel
from rilctl.stages.shared.plans.training import PlannedEngine


def sft_phases(
    config: SftConfig,
    engine: PlannedEngine,
    student: PlannedModel,
    anatomy: Anatomy,
    prompts: Prompts,
    device: PlannedDevice,
    longest: int,
) -> dict[str, Phase]:
    """Each row has its own copy of its prompt; a pair shares one, and may have a reference.

    Args:
        config: the `[sft]` table.
        engine: what trains.
        student: which model.
        anatomy: its sizes.
        prompts: their lengths.
        device: where.
        longest: tokens of the longest response.
    """
    held, reference = engine.trained(student, anatomy, config.lora), Held()
    wanted = config.preference
    uses_reference = wanted is not None and wanted.record.uses_reference
    if uses_reference and config.lora is None:
        reference = engine.frozen(anatomy.parameters, student.dtype_bytes)
    precision = engine.precision(student, config.lora)
    cut = cut_step(
        groups=engine.groups_of_a_rank(config.rows_per_step),
        rows=1 if wanted is None else 2,
        row_tokens=longest,
        prompt_tokens=prompts.longest,
        image_tokens=prompts.most_image_tokens,
        patches_per_token=anatomy.patches_per_token,
        budget_tokens=config.engine.tokens_per_micro_batch,
    )
    tokens = cut.largest.rows * cut.largest.row_tokens
    there = held.idle + reference
    phases = dict[str, Phase]()
    if uses_reference:
        phases["reference"] = forward_phase(
            anatomy,
            there,
            cut.largest,
            student.frozen,
            engine.layout(student, device.kind, with_gradient=False),
            logits=logits_bytes(anatomy, tokens, student.frozen, device.kind),
        )
    phases["update"] = update_phase(
        anatomy,
        there,
        held,
        cut.largest,
        precision,
        "sequence" if wanted is None else engine.layout(student, device.kind, with_gradient=True),
        num_micro_batches=cut.num,
        logits=logits_bytes(anatomy, tokens, precision, device.kind),
    )
    merged = anatomy.adapted_weights(config.lora) if config.lora else 0
    reads = (student.dtype_bytes,) if reference.weights else ()
    return engine.around(
        student,
        anatomy,
        held + reference,
        precision,
        device.kind,
        phases,
        written=anatomy.parameters,
        merged=merged,
        also_reads=reads,
    )
