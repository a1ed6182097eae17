"""Sampling with exact token ids: one prefill per prompt, one seed per row, nothing that must not be said.

Shapes: B prompts, N rows, R response tokens, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rilctl.clock import timed
from rilctl.config.fields import SamplingConfig
from rilctl.models.loaded.lora import rounded_adapter
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import pad_token_id
from rilctl.models.sampling.decoding import start_decoding
from rilctl.models.sampling.telling import Telling, innermost, layers
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.models.shared_prefix.pieces import compute_in_pieces
from rilctl.models.shared_prefix.prefix import Prefix


@dataclass(frozen=True)
class Sampled:
    """One sampled response.

    Args:
        token_ids: in order, the stop token included where there is one.
        logprobs: of each token under temperature and bans, before top-p, top-k and repetition penalty.
        stopped: the model ended it, not the token budget.
        truncated_mass: probability that top-p and top-k cut away, mean over tokens; 0 where both are off.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stopped: bool
    truncated_mass: float


def sample(
    vlm: Vlm,
    prompts: Sequence[EncodedPrompt],
    seeds: Sequence[Sequence[int]],
    sampling: SamplingConfig,
    *,
    kept: KeptPrefix | None = None,
    between_tokens: Callable[[int], object] = lambda num: None,
) -> list[list[Sampled]]:
    """Answer each prompt once for each of its seeds.

    A row's randomness is a stream of its own, drawn from its seed, so a row doesn't depend on its neighbours. Rows
    that ended leave the batch.

    Args:
        vlm: the model.
        prompts: B prompts.
        seeds: for each prompt, one seed per response.
        sampling: temperature 0 is greedy decoding.
        kept: may keep the prompts for an update.
        between_tokens: told often how many tokens the rows have so far: before each token and, on a CPU or in the
            prompts, between two parts of the model as well. May raise to stop.

    Returns:
        For each prompt its responses, in the order of the seeds.
    """
    prompt_of_row = torch.tensor([i for i, group in enumerate(seeds) for _ in group], device=vlm.device)
    if not vlm.family.shares_prompts:  # see `repeated`
        if len(prompts) > 1:
            return [
                sample(vlm, [prompt], [group], sampling, between_tokens=between_tokens)[0]
                for prompt, group in zip(prompts, seeds, strict=True)
            ]
        prompts = [prompts[0]] * len(prompt_of_row)
        prompt_of_row = torch.arange(len(prompt_of_row), device=vlm.device)
    uniform_NR = torch.stack([_uniform(seed, sampling.max_new_tokens) for group in seeds for seed in group])
    telling = Telling(between_tokens)
    with timed("prefill"), torch.no_grad(), vlm.forward_pass(), telling.before(innermost(vlm.model)):
        prefix = compute_in_pieces(vlm, prompts) if kept is None else kept.compute(prompts)
    parts = [] if vlm.device.type == "cuda" else layers(vlm.model)  # what is replayed there tells nothing
    with torch.inference_mode(), vlm.forward_pass(), rounded_adapter(vlm.model), telling.before(parts):
        rows = iter(_decode(vlm, prefix, prompt_of_row, uniform_NR.to(vlm.device), sampling, telling))
    return [[next(rows) for _ in group] for group in seeds]


def _decode(
    vlm: Vlm,
    prefix: Prefix,
    prompt_of_row_N: Tensor,
    uniform_NR: Tensor,
    sampling: SamplingConfig,
    telling: Telling,
) -> list[Sampled]:
    """The rows' tokens, one column after another."""
    device, (num_rows, budget) = vlm.device, uniform_NR.shape
    decoding = start_decoding(vlm, prefix, prompt_of_row_N, budget)
    hidden_NH = prefix.last_hidden_BH.index_select(0, prompt_of_row_N)
    mask_NS = prefix.batch.mask_BP.index_select(0, prompt_of_row_N)
    seen_NS = prefix.batch.token_ids_BP.index_select(0, prompt_of_row_N)
    next_position_N = prefix.next_position_B.index_select(0, prompt_of_row_N)
    banned = torch.tensor(vlm.banned_ids, device=device, dtype=torch.long)
    stops = torch.tensor(vlm.stop_ids, device=device)
    alive = torch.arange(num_rows, device=device)
    token_ids_NR = torch.full((num_rows, budget), pad_token_id(vlm), device=device)
    logprobs_NR = torch.zeros((num_rows, budget), device=device)
    truncated_N = torch.zeros(num_rows, device=device)
    num_tokens_N = torch.full((num_rows,), budget, device=device)
    stopped_N = torch.zeros(num_rows, dtype=torch.bool, device=device)
    for column in range(budget):
        telling.num_tokens = column
        telling()
        logits_NV = vlm.lm_head(hidden_NH).float()
        logits_NV[:, banned] = -torch.inf
        tokens_N, token_logprobs_N, cut_N = pick(logits_NV, seen_NS, mask_NS, uniform_NR[alive, column], sampling)
        token_ids_NR[alive, column] = tokens_N
        logprobs_NR[alive, column] = token_logprobs_N
        truncated_N[alive] += cut_N
        ends_N = torch.isin(tokens_N, stops)
        num_tokens_N[alive[ends_N]] = column + 1
        stopped_N[alive[ends_N]] = True
        keep = (~ends_N).nonzero().view(-1)
        if len(keep) == 0 or column == budget - 1:
            break
        if len(keep) < len(alive):
            alive, tokens_N, next_position_N = alive[keep], tokens_N[keep], next_position_N[keep]
            mask_NS, seen_NS = mask_NS[keep], seen_NS[keep]
            decoding.keep(keep)
        mask_NS = torch.cat([mask_NS, torch.ones_like(tokens_N)[:, None]], 1)
        seen_NS = torch.cat([seen_NS, tokens_N[:, None]], 1)
        hidden_NH = decoding.step(tokens_N, next_position_N + column)
    return [
        Sampled(tuple(ids[:num]), tuple(logprobs[:num]), stopped, truncated / num)
        for ids, logprobs, num, stopped, truncated in zip(
            token_ids_NR.tolist(),
            logprobs_NR.tolist(),
            num_tokens_N.tolist(),
            stopped_N.tolist(),
            truncated_N.tolist(),
            strict=True,
        )
    ]


def pick(
    logits_NV: Tensor, seen_NS: Tensor, mask_NS: Tensor, uniform_N: Tensor, sampling: SamplingConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """One token for each row: where its uniform number falls in the cumulative distribution, in order of token id.

    Returns:
        tokens_N; their logprobs_N under temperature and bans alone; the probability mass_N that top-p and top-k cut.
    """
    penalized_NV = penalize(logits_NV, seen_NS, mask_NS, sampling.repetition_penalty)
    nothing_N = torch.zeros_like(uniform_N)
    if sampling.temperature == 0:
        tokens_N = penalized_NV.argmax(-1)
        return tokens_N, torch.log_softmax(logits_NV, -1).gather(-1, tokens_N[:, None]).squeeze(-1), nothing_N
    logprobs_NV = torch.log_softmax(logits_NV / sampling.temperature, -1)
    kept_NV = keep_top(penalized_NV / sampling.temperature, sampling.top_k, sampling.top_p)
    cumulative_NV = torch.softmax(kept_NV.double(), -1).cumsum(-1)
    threshold_N1 = uniform_N[:, None].double() * cumulative_NV[:, -1:]
    tokens_N = (
        torch.searchsorted(cumulative_NV, threshold_N1, right=True).clamp(max=logits_NV.shape[-1] - 1).squeeze(-1)
    )
    is_cut = sampling.top_k > 0 or sampling.top_p < 1.0
    cut_N = logprobs_NV.exp().masked_fill(kept_NV > -torch.inf, 0.0).sum(-1) if is_cut else nothing_N
    return tokens_N, logprobs_NV.gather(-1, tokens_N[:, None]).squeeze(-1), cut_N


def penalize(logits_NV: Tensor, seen_NS: Tensor, mask_NS: Tensor, penalty: float) -> Tensor:
    """CTRL's repetition penalty (1909.05858): of tokens seen, positive logits are divided by it, others multiplied."""
    if penalty == 1.0:
        return logits_NV
    seen_NV = torch.zeros_like(logits_NV, dtype=torch.bool).scatter_(1, seen_NS, mask_NS.bool())
    penalized_NV = torch.where(logits_NV > 0, logits_NV / penalty, logits_NV * penalty)
    return torch.where(seen_NV, penalized_NV, logits_NV)


def keep_top(logits_NV: Tensor, top_k: int, top_p: float) -> Tensor:
    """Minus infinity everywhere but at the `top_k` most probable tokens and in the nucleus of mass `top_p`."""
    if 0 < top_k < logits_NV.shape[-1]:
        threshold_N1 = logits_NV.topk(top_k, dim=-1).values[:, -1:]
        logits_NV = logits_NV.masked_fill(logits_NV < threshold_N1, -torch.inf)
    if top_p < 1.0:
        sorted_NV, order_NV = logits_NV.sort(-1, descending=True)
        before_NV = torch.softmax(sorted_NV, -1).cumsum(-1) - torch.softmax(sorted_NV, -1)
        drop_NV = torch.zeros_like(before_NV, dtype=torch.bool).scatter(1, order_NV, before_NV >= top_p)
        logits_NV = logits_NV.masked_fill(drop_NV, -torch.inf)
    return logits_NV


def _uniform(seed: int, num: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, generator=generator)
