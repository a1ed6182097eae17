"""The memory of a model that only answers: teachers, a student that is measured."""

from rilctl.config.engines import GenerationEngineConfig
from rilctl.planning.activations import Batch
from rilctl.planning.memory import Held, Phase, decoding_phase
from rilctl.planning.steps import Prompts
from rilctl.stages.plans.models import PlannedModel


def sampling_phase(
    model: PlannedModel, engine: GenerationEngineConfig, prompts: Prompts, *, num_responses: int, budget: int
) -> Phase | None:
    """Answering in this process; None: the model's configuration isn't here."""
    if model.anatomy is None:
        return None
    groups = max(1, engine.rows_per_batch // num_responses)
    patches = groups * prompts.most_image_tokens * model.anatomy.patches_per_token
    rows = Batch(groups, prompts.longest, groups * num_responses, budget, patches)
    held = Held(weights=model.anatomy.parameters * model.dtype_bytes)
    return decoding_phase(model.anatomy, held, rows, model.frozen)
