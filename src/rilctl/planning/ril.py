"""Memory of the RIL loop's phases on one device."""

from dataclasses import dataclass, replace

from rilctl.models.loaded.anatomy import Anatomy
from rilctl.planning.activations import Layout, Precision, kept_bytes
from rilctl.planning.memory import (
    Device,
    Held,
    Phase,
    forward_phase,
    logits_bytes,
    update_phase,
    writing_phase,
)
from rilctl.planning.steps import MicroBatches
from rilctl.planning.zero import Zero, loading_phase, saving_phase


@dataclass(frozen=True)
class PlannedRole:
    """Policy or discriminator.

    Args:
        held: its weights, gradients and moments.
        precision: how it trains.
        cut: how a step's rows go through it.
    """

    held: Held
    precision: Precision
    cut: MicroBatches


@dataclass(frozen=True)
class PlannedTeacher:
    """Whose distribution is learned.

    Args:
        anatomy: its own.
        held: its weights.
        precision: how it reads.
        cut: how a step's rollouts go through it, micro-batch by micro-batch as through the policy.
    """

    anatomy: Anatomy
    held: Held
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
        reads: bytes of a weight of each model that is read, in order: policy, discriminator, reference.
        sends: the sampler has a copy of the policy, which is sent to it.
        teacher: whose distribution is learned; None: nobody's.
        taught: the policy on responses that it learns by heart; None: there are none.
    """

    anatomy: Anatomy
    device: Device
    policy: PlannedRole
    disc: PlannedRole | None
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
    reads: tuple[int, ...]
    sends: bool
    teacher: PlannedTeacher | None = None
    taught: PlannedRole | None = None


def beside_sampling(setup: RilSetup) -> Held:
    """What is there while the policy's turn lasts, when nobody learns."""
    return _turn_of(setup, setup.policy, setup.disc)


def _turn_of(setup: RilSetup, role: PlannedRole, other: PlannedRole | None) -> Held:
    """What is there while one of policy and discriminator is on the device; the other may wait on the host."""
    there = role.held.idle + (setup.reference or Held())
    there += setup.teacher.held if setup.teacher is not None else Held()
    if other is None:
        return there
    if setup.takes_turns:  # host memory has room for either
        return there + Held(host=max(one.held.weights + one.held.optimizer for one in (role, other)))
    return there + other.held.idle


def ril_phases(setup: RilSetup, rollouts: Phase | None, stays: Held) -> dict[str, Phase]:
    """Bytes on one device in each phase: from the loading of the models, through a step, to the writing of a student.

    Args:
        setup: who is where.
        rollouts: the device while it samples; None: that happens somewhere else.
        stays: what the sampler keeps on the device while others learn.
    """
    anatomy, policy, disc = setup.anatomy, setup.policy, setup.disc
    with_policy = beside_sampling(setup) + stays
    phases = {"rollouts": rollouts} if rollouts is not None else {}
    if disc is not None:
        with_disc = _turn_of(setup, disc, policy) + stays
        frozen = replace(disc.precision, trains="nothing")
        phases["discriminator update"] = _update(setup, disc, with_disc, has_head=False)
        phases["scoring"] = forward_phase(anatomy, with_disc, disc.cut.largest, frozen, setup.forward, logits=0)
    if setup.reference is not None:
        rows = policy.cut.largest
        rows = replace(rows, rows=round(rows.rows * setup.paying_rows))
        logits = logits_bytes(anatomy, rows.rows * rows.row_tokens, setup.answering, setup.device)
        phases["reference"] = forward_phase(anatomy, with_policy, rows, setup.answering, setup.forward, logits=logits)
    if setup.teacher is not None:  # its head is walked beside the policy's, in chunks of half the size
        teacher = setup.teacher
        args = (teacher.anatomy, with_policy, teacher.cut.largest, teacher.precision, setup.forward)
        phases["teacher"] = forward_phase(*args, logits=0)
    kept = _kept_prompts(setup)
    phases = {name: replace(phase, activations=phase.activations + kept) for name, phase in phases.items()}
    learning = [policy, *([setup.taught] if setup.taught is not None else [])]
    updates = [_update(setup, role, with_policy, has_head=True) for role in learning]
    phases["policy update"] = max(updates, key=lambda phase: phase.total)
    phases["checkpoint"] = saving_phase(with_policy, anatomy.embedding, setup.zero)
    element = policy.precision.weights
    sizes = (setup.whole_bytes, setup.merged * element)
    sending = {"sending weights": writing_phase(with_policy, *sizes, 0, setup.device)} if setup.sends else {}
    writing = writing_phase(with_policy, *sizes, anatomy.parameters * element, setup.device)
    waiting = (1,) if setup.takes_turns else ()
    models = [(anatomy, element) for element in setup.reads]
    if setup.teacher is not None:
        models.append((setup.teacher.anatomy, setup.teacher.precision.weights))
    loading = loading_phase(models, setup.zero, setup.device, waiting=waiting)
    return {"loading": loading, "idle": with_policy.at_rest, **sending, **phases, "writing": writing}


def _kept_prompts(setup: RilSetup) -> int:
    """Bytes that wait for the policy's update; see `KeptPrefix`."""
    if not setup.keeps_prompts:
        return 0
    prompts = replace(setup.policy.cut.largest, rows=0, row_tokens=0)
    return kept_bytes(setup.anatomy, prompts, setup.policy.precision, setup.update)


def _update(setup: RilSetup, role: PlannedRole, present: Held, *, has_head: bool) -> Phase:
    rows = role.cut.largest
    logits = 0
    if has_head:
        logits = logits_bytes(setup.anatomy, rows.rows * rows.row_tokens, role.precision, setup.device)
    return update_phase(
        setup.anatomy,
        present,
        role.held,
        rows,
        role.precision,
        setup.update,
        num_micro_batches=role.cut.num,
        logits=logits,
    )
