"""Whether a discriminator that is shown pictures looks at them.

A teacher's response beside its own picture and the same response beside another question's are alike in length and
style, so what tells the two apart is whether the response fits the picture.
"""

from collections.abc import Sequence

import torch

from rilctl.algorithms.swap_metrics import swap_metrics
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.swapped import swapped
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.stages.pretrain_disc.pairs import Pair
from rilctl.stages.shared.disc_update import score
from rilctl.stages.shared.labelled import LabelledRows


def looking(disc: Discriminator, config: PretrainDiscConfig, pairs: Sequence[Pair], ranks: Ranks) -> dict[str, float]:
    """`swap_metrics` of the pairs' teachers' responses. Collective.

    Args:
        disc: sees pictures.
        config: how many pairs are scored at once, and the seed of the swap.
        pairs: of all ranks; the discriminator never saw them, and their pictures can be read.
        ranks: each scores its share.
    """
    with ranks.together():
        own = ranks.share(beside_both(pairs, config.seed))
    disc.prompts.expect(disc.shown(row) for both in own for row in both)
    logits, at_once = [torch.empty(0)], config.pairs_per_step
    for part in ranks.padded([own[start : start + at_once] for start in range(0, len(own), at_once)], []):
        rows = [row for both in part for row in both]
        batch = LabelledRows(rows, [False] * len(rows), range(len(rows)))  # prompts differ, so each is a group
        logits.append(score(disc, batch, budget_tokens=config.engine.tokens_per_micro_batch, ranks=ranks))
    logits_S2 = torch.tensor(ranks.gather_lists(torch.cat(logits).tolist())).reshape(-1, 2)
    return swap_metrics(logits_S2[:, 1], logits_S2[:, 0])


def beside_both(pairs: Sequence[Pair], seed: int) -> list[tuple[DiscriminatorRow, DiscriminatorRow]]:
    """Each teacher's response beside its own picture, and beside another question's; see `swapped` for which.

    Left out are responses without another picture, and those that a teacher also gave beside the other one, where they
    are no less right.

    Args:
        pairs: those that lend each other pictures.
        seed: of the choice.
    """
    asked = {pair.sample.id: pair.sample.conversation for pair in pairs}
    others = dict(zip(asked, swapped([*asked.values()], seed), strict=True))
    lending = [pair for pair in pairs if others[pair.sample.id] is not None]  # the others' pictures may be unreadable
    said = {(pair.sample.conversation.key, pair.teacher_text) for pair in lending}
    found = []
    for pair in lending:
        other, text = others[pair.sample.id], pair.teacher_text
        if other is not None and (other.key, text) not in said:
            found.append((DiscriminatorRow(pair.sample.conversation, text), DiscriminatorRow(other, text)))
    return found
