"""The engine tables: what generates, what trains. A table without `type` means the embedded default."""

from typing import Annotated, Literal

from pydantic import Tag, field_validator, model_validator

from rilctl.config.fields import EXECUTION, Address, NonNegativeInt, PositiveFloat, PositiveInt, Share, default_type
from rilctl.schemas.base import StrictModel


class HfEngineConfig(StrictModel):
    """Hugging Face generation in this process."""

    type: Literal["hf"] = "hf"
    rows_per_batch: Annotated[PositiveInt, EXECUTION] = 32
    """Responses decoded at once; whole questions are kept together."""
    device: Annotated[Literal["auto", "cpu", "cuda"], EXECUTION] = "auto"
    """`auto` takes a GPU where there is one."""
    num_workers: Annotated[NonNegativeInt | None, EXECUTION] = None
    """Processes that decode and process pictures ahead of the step; 0: none, this process does it when it must.
    Absent: 4 where a GPU generates, none on a CPU, which the model needs itself. In `train` it is the engine's."""


class VllmEngineConfig(StrictModel):
    """vLLM in this process. In `train` it has a copy of the weights, which every step's update replaces."""

    type: Literal["vllm"] = "vllm"
    rows_per_batch: Annotated[PositiveInt, EXECUTION] = 256
    """Responses asked for at once; vLLM schedules them itself."""
    max_length_tokens: Annotated[PositiveInt | None, EXECUTION] = None
    """Of prompt and response together; absent: what the model can. Bounds the memory of the key/value cache."""
    max_images: Annotated[PositiveInt, EXECUTION] = 4
    """Pictures in one prompt; a row with more is rejected."""
    num_gpus: Annotated[PositiveInt, EXECUTION] = 1
    """GPUs that share the weights (tensor parallel). In `train` one; several are `vllm-server`'s."""
    gpu_memory_share: Annotated[Share, EXECUTION] = 0.9
    """Of the GPU's memory, weights included. In `train` the rest is what training has while vLLM is awake."""
    kv_cache_bytes: Annotated[PositiveInt | None, EXECUTION] = None
    """Of the key/value cache, instead of a share of the GPU's memory; absent on a CPU: 1 GiB."""
    eager: Annotated[bool, EXECUTION] = False
    """Run without compiled graphs: starts sooner, samples slower. On a CPU it always does."""
    sleep: Annotated[bool, EXECUTION] = True
    """In `train` on a GPU: give weights and cache back between rollouts. vLLM can't do that on a CPU."""
    max_logprob_error: Annotated[PositiveFloat | None, EXECUTION] = None
    """In `train`, the largest mean difference of log-probabilities, in nats, at which an update counts as arrived.
    Absent: 1e-4 in float32; otherwise measured before the first step, see [vLLM](vllm.md#what-is-allowed)."""


class VllmServerEngineConfig(StrictModel):
    """A `vllm serve` that runs elsewhere: other GPUs, other hosts, tensor and data parallel."""

    type: Literal["vllm-server"] = "vllm-server"
    url: Annotated[Address, EXECUTION]
    """Address of the server, without `/v1`: `http://10.0.0.2:8000`."""
    rows_per_batch: Annotated[PositiveInt, EXECUTION] = 256
    """Responses asked for at once, by all processes of a run together; by each of them one at least."""
    transfer: Annotated[Literal["disk", "nccl", "ipc"], EXECUTION] = "disk"
    """How `train` sends weights: files in `transfer_dir`; vLLM's own transfer between GPUs of one network (`nccl`), or
    on the same GPU (`ipc`)."""
    transfer_dir: Annotated[str | None, EXECUTION] = None
    """A folder that trainer and server see under the same path. Absent: a temporary one, for a server on this host."""
    nccl_address: Annotated[str | None, EXECUTION] = None
    """Address of this host that the server's host reaches; `transfer = "nccl"` needs it."""
    nccl_port: Annotated[PositiveInt, EXECUTION] = 29600
    """Port at that address."""
    timeout_s: Annotated[PositiveFloat, EXECUTION] = 600.0
    """Longest wait for one reply."""
    start_timeout_s: Annotated[PositiveFloat, EXECUTION] = 1800.0
    """Longest wait for a server that is starting, or gone; what it still owes is asked for when it is back."""
    max_logprob_error: Annotated[PositiveFloat | None, EXECUTION] = None
    """In `train`, the largest mean difference of log-probabilities, in nats, at which an update counts as arrived.
    Absent: 1e-4 in float32; otherwise measured before the first step, see [vLLM](vllm.md#what-is-allowed)."""

    @field_validator("url")
    @classmethod
    def _root(cls, url: str) -> str:
        if url.endswith("/v1"):
            raise ValueError("expected the server's address, without `/v1`")
        return url

    @model_validator(mode="after")
    def _nccl_needs_an_address(self) -> "VllmServerEngineConfig":
        if self.transfer == "nccl" and self.nccl_address is None:
            raise ValueError("transfer = `nccl` needs nccl_address, where the server's host reaches this one")
        return self


class _TrainingEngine(StrictModel):
    tokens_per_micro_batch: Annotated[PositiveInt, EXECUTION] = 4096
    """Tokens of one forward and backward, padding included; gradients accumulate to the whole batch, exactly."""
    gradient_checkpointing: Annotated[bool, EXECUTION] = False
    """Compute activations again in backward: less memory, more time."""
    device: Annotated[Literal["auto", "cpu", "cuda"], EXECUTION] = "auto"
    """`auto` takes a GPU where there is one."""
    num_threads: Annotated[PositiveInt | None, EXECUTION] = None
    """Torch's CPU threads; absent: torch decides."""
    num_workers: Annotated[NonNegativeInt | None, EXECUTION] = None
    """Processes that decode and process pictures ahead of the step; 0: none, this process does it when it must.
    Absent: 4 where a GPU trains, none on a CPU, which the model needs itself."""

    @property
    def keeps_masters(self) -> bool:
        """Whether the engine keeps float32 masters, so that the weights are in the precision of the forward pass."""
        return False


class TorchEngineConfig(_TrainingEngine):
    """Torch training in one process."""

    type: Annotated[Literal["torch"], EXECUTION] = "torch"


class DeepspeedEngineConfig(_TrainingEngine):
    """DeepSpeed training, in one process or in several that share the weights' state (ZeRO)."""

    type: Annotated[Literal["deepspeed"], EXECUTION] = "deepspeed"
    zero_stage: Annotated[Literal[0, 1, 2, 3], EXECUTION] = 2
    """What is divided over the processes: 0 nothing, 1 optimizer state, 2 also gradients, 3 also weights. An adapter is
    on every process whole; under 3 the frozen weights below it are divided."""
    offload: Annotated[Literal["none", "optimizer", "all"], EXECUTION] = "none"
    """What waits in host memory: optimizer state (stages 1 to 3), or weights as well (stage 3)."""

    @property
    def keeps_masters(self) -> bool:
        """From stage 1 on."""
        return self.zero_stage > 0

    @model_validator(mode="after")
    def _stage_can_offload(self) -> "DeepspeedEngineConfig":
        if self.offload == "optimizer" and self.zero_stage == 0:
            raise ValueError("offload = `optimizer` needs zero_stage 1, 2 or 3")
        if self.offload == "all" and self.zero_stage != 3:
            raise ValueError("offload = `all` needs zero_stage = 3")
        return self


GenerationEngineConfig = Annotated[
    Annotated[HfEngineConfig, Tag("hf")]
    | Annotated[VllmEngineConfig, Tag("vllm")]
    | Annotated[VllmServerEngineConfig, Tag("vllm-server")],
    default_type("hf"),
]
"""What generates; a table without `type` means hf."""
TrainingEngineConfig = Annotated[
    Annotated[TorchEngineConfig, Tag("torch")] | Annotated[DeepspeedEngineConfig, Tag("deepspeed")],
    default_type("torch"),
]
"""What trains; a table without `type` means torch."""
