"""Who is where while policy and discriminator take turns."""

from rilctl.planning.activations import Batch, Precision
from rilctl.planning.memory import Held, torch_state
from rilctl.planning.ril import PlannedRole, RilSetup, ril_phases
from rilctl.planning.steps import MicroBatches

from .test_memory import ANATOMY

WHOLE, ADAPTER = torch_state(1_000), torch_state(50, 1_000, 2)


def hosts(policy: Held, disc: Held) -> set[int]:
    """Host memory in the phases of a step, in bytes."""
    precision = Precision(weights=4, products=2)
    cut = MicroBatches(largest=Batch(prompts=1, prompt_tokens=5, rows=2, row_tokens=3, patches=0), num=1)
    setup = RilSetup(
        anatomy=ANATOMY,
        device="cuda",
        policy=PlannedRole(policy, precision, cut),
        disc=PlannedRole(disc, precision, cut),
        reference=None,
        answering=precision,
        paying_rows=1.0,
        update="packed",
        forward="packed",
        takes_turns=True,
        keeps_prompts=False,
        zero=None,
        merged=0,
        whole_bytes=0,
        reads=(4, 4),
        sends=False,
    )
    phases = ril_phases(setup, None, Held())
    return {phases[name].host for name in ("idle", "discriminator update", "scoring", "policy update", "checkpoint")}


def test_host_memory_has_room_for_the_larger_one_all_the_time() -> None:
    assert hosts(WHOLE, WHOLE) == {1_000 * 12}
    assert hosts(ADAPTER, WHOLE) == hosts(WHOLE, ADAPTER) == {1_000 * 12}
