"""What is used of vLLM's private API is found, and missed where it isn't there."""

import pytest

from rilctl.testing.taken_away import Other, check_all_there, check_missed

LAYERS = "vllm.model_executor.layers"
TAKEN = {
    "LLMEngine.engine_core and reset_encoder_cache": ("vllm.v1.engine.llm_engine:LLMEngine", Other),
    "distributed.cleanup_dist_env_and_memory": ("vllm.distributed:cleanup_dist_env_and_memory", lambda group: None),
    "worker_base.WorkerBase.model_runner and get_model": ("vllm.v1.worker.worker_base:WorkerBase", Other),
    "gpu_worker.Worker.reload_weights": ("vllm.v1.worker.gpu_worker:Worker", Other),
    "SupportsMultiModal.embed_multimodal": ("vllm.model_executor.models.interfaces:SupportsMultiModal", Other),
    "ParallelLMHead.quant_method": (f"{LAYERS}.vocab_parallel_embedding:ParallelLMHead", Other),
    "VocabParallelEmbedding.org_vocab_size": (f"{LAYERS}.vocab_parallel_embedding:VocabParallelEmbedding", Other),
    "ColumnParallelLinear.output_partition_sizes": (f"{LAYERS}.linear:ColumnParallelLinear", Other),
    "distributed.weight_transfer and its engines' `TrainerInitInfo`": (
        "vllm.distributed.weight_transfer.ipc_engine:IPCTrainerInitInfo",
        lambda: None,
    ),
}


def test_the_installed_version_has_all():
    check_all_there("vllm", TAKEN)


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_gone_is_named(what):
    check_missed("vllm", what, *TAKEN[what])
