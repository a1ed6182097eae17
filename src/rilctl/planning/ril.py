"""Memory of the RIL loop's phases on one device."""

from dataclasses import dataclass, replace

from rilctl.models.anatomy import Anatomy
from rilctl.planning.activations import Layout, Precision, kept_bytes
from rilctl.planning.memory import (
    Device,
    Held,
    Phase,
    forward_phase,
    logits_bytes,
    merging_phase,
    update_phase,
)
from rilctl.planning.steps import MicroBatches
from rilctl.planning.zero import Zero, saving_phase


@dataclass(frozen=True)
class Learner:
    """Policy or discriminator.

    Args:
        held: its weights, gradients and moments.
        trained: parameters that train, over all devices.
        precision: how it trains.
        cut: how a step's rows go through it.
    """

    held: Held
    trained: int
    precision: Precision
    cut: MicroBatches


@dataclass(frozen=True)
class RilSetup:
    """Who is where.

    Args:
        anatomy: of the student, which the discriminator's is too.
        device: where work is done.
        policy: the student that trains.
        disc: the discriminator; None: the algorithm has none.
        reference: weights of its own; none where they are the policy's frozen ones. None: no KL.
        answering: precision of reference and rollouts.
        paying_rows: share of the policy's rows that pay a KL.
        update: how a group's rows meet their prompt where gradients are computed.
        forward: the same without gradients.
        takes_turns: of policy and discriminator one waits in host memory.
        keeps_prompts: what the update's backward needs of the prompts is there from the rollouts on.
        zero: how DeepSpeed divides; None: torch in one process.
        merged: weights that the policy's adapter adds to when the student is written; 0: it has none.
        whole_bytes: weights that come together to be written; 0: they are whole.
    """

    anatomy: Anatomy
    device: Device
    policy: Learner
    disc: Learner | None
    reference: Held | None
    answering: Precision
    paying_rows: float
    update: Layout
    forward: Layout
    takes_turns: bool
    keeps_prompts: bool
    zero: Zero | None
    merged: int
    whole_bytes: int


def beside_sampling(setup: RilSetup) -> Held:
    """What is on the device while the policy's turn lasts, when nobody learns."""
    beside = _idle(setup.policy.held) + _idle(setup.reference or Held())
    return beside if setup.takes_turns or setup.disc is None else beside + _idle(setup.disc.held)


def ril_phases(setup: RilSetup, rollouts: Phase | None, stays: Held) -> dict[str, Phase]:
    """Bytes on one device in each phase of a step, in the order of a step, and while it writes.

    Args:
        setup: who is where.
        rollouts: the device while it samples; None: that happens somewhere else.
        stays: what the sampler keeps on the device while others learn.
    """
    anatomy, policy, disc = setup.anatomy, setup.policy, setup.disc
    with_policy = beside_sampling(setup) + stays
    phases = {"rollouts": rollouts} if rollouts is not None else {}
    if disc is not None:
        with_disc = with_policy
        if setup.takes_turns:
            with_disc = _idle(disc.held) + _idle(setup.reference or Held()) + stays
        frozen = replace(disc.precision, trains="nothing")
        phases["discriminator update"] = _update(setup, disc, with_disc, has_head=False)
        phases["scoring"] = forward_phase(anatomy, with_disc, disc.cut.largest, frozen, setup.forward, logits=0)
    if setup.reference is not None:
        rows = policy.cut.largest
        rows = replace(rows, rows=round(rows.rows * setup.paying_rows))
        logits = logits_bytes(anatomy, rows.rows * rows.row_tokens, setup.answering, setup.device)
        phases["reference"] = forward_phase(anatomy, with_policy, rows, setup.answering, setup.forward, logits=logits)
    kept = _kept_prompts(setup)
    phases = {name: replace(phase, activations=phase.activations + kept) for name, phase in phases.items()}
    phases["policy update"] = _update(setup, policy, with_policy, has_head=True)
    most = max(learner.trained for learner in (policy, disc) if learner is not None)
    phases["checkpoint"] = saving_phase(with_policy, most, setup.zero, setup.device)
    if setup.merged or setup.whole_bytes:
        together = replace(with_policy, gathered=max(with_policy.gathered, setup.whole_bytes))
        phases["writing"] = merging_phase(together, setup.merged, policy.precision.weights)
    return phases


def waiting_bytes(setup: RilSetup) -> int:
    """Host memory: what is offloaded, and the learner whose turn it isn't."""
    offloaded = sum(held.host for held in (setup.policy.held, setup.reference, setup.disc and setup.disc.held) if held)
    if setup.disc is None or not setup.takes_turns:
        return offloaded
    return offloaded + max(held.weights + held.optimizer for held in (setup.policy.held, setup.disc.held))


def _kept_prompts(setup: RilSetup) -> int:
    """Bytes that wait for the policy's update; see `KeptPrefix`."""
    if not setup.keeps_prompts:
        return 0
    prompts = replace(setup.policy.cut.largest, rows=0, row_tokens=0)
    return kept_bytes(setup.anatomy, prompts, setup.policy.precision, setup.update)


def _update(setup: RilSetup, learner: Learner, present: Held, *, has_head: bool) -> Phase:
    rows = learner.cut.largest
    logits = 0
    if has_head:
        logits = logits_bytes(setup.anatomy, rows.rows * rows.row_tokens, learner.precision, setup.device)
    return update_phase(
        setup.anatomy,
        present,
        learner.held,
        rows,
        learner.precision,
        setup.update,
        num_micro_batches=learner.cut.num,
        logits=logits,
    )


def _idle(held: Held) -> Held:
    return replace(held, gradients=0)
