"""One attention layer over a group of rows that share their prompt: the forms that can share it, side by side.

    python benchmarks/attention.py [--rows 8 16] [--rounds 20]

All forms compute the same: each prompt token sees the prompt up to itself, each row's token the whole prompt and its
own row up to itself. Forward and backward on a GPU, bfloat16, the heads of Qwen2.5-VL-3B and -7B.

- `parts`: what we do: the prompt's attention, then the rows' from two parts (`models/shared_prefix/attention.py`);
- `copies`: the prompt's attention, then the rows' over a copy of its keys and values for each;
- `flex`: prompt and rows as one sequence, with FlexAttention and a block mask (compiled);
- `mask`: the same sequence with a dense mask.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from types import SimpleNamespace

import torch
from clock import now
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from rilctl.models.shared_prefix.attention import SharedPrompt

HEADS = {"3B": (16, 2, 128), "7B": (28, 4, 128)}
"""Query heads, key/value heads, head size."""
Form = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From query_QLD, keys_KLD and values_KLD of prompt and rows, one after the other, to out_QLD."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=int, default=[8, 16])
    parser.add_argument("--prompt-tokens", type=int, default=1060)
    parser.add_argument("--row-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    for name, (heads, kv_heads, size) in HEADS.items():
        for rows in arguments.rows:
            tokens = arguments.prompt_tokens + rows * arguments.row_tokens
            made = [
                torch.randn((n, tokens, size), device="cuda", dtype=torch.bfloat16) for n in (heads, kv_heads, kv_heads)
            ]
            inputs = [tensor.requires_grad_() for tensor in made]
            exact = None
            for form, attend in forms(arguments.prompt_tokens, rows, arguments.row_tokens).items():
                out = attend(*inputs)
                grads = torch.autograd.grad(out, inputs, torch.ones_like(out))
                found = torch.cat([tensor.detach().float().flatten() for tensor in (out, *grads)])
                exact = found if exact is None else exact
                report = {
                    "heads": name,
                    "rows": rows,
                    "form": form,
                    **measure(attend, inputs, arguments.rounds),
                    "difference": float((found - exact).norm() / exact.norm()),
                }
                print(json.dumps(report), flush=True)


def forms(prompt_tokens: int, rows: int, row_tokens: int) -> dict[str, Form]:
    """Each form by its name."""
    length = prompt_tokens + rows * row_tokens
    place = torch.arange(length, device="cuda")
    segment = ((place - prompt_tokens) // row_tokens + 1).clamp(min=0)
    sees = (place[:, None] >= place) & ((segment == segment[:, None]) | (segment == 0))
    block_mask = create_block_mask(
        lambda b, h, q, k: (q >= k) & ((segment[k] == segment[q]) | (segment[k] == 0)), None, None, length, length
    )
    compiled = torch.compile(flex_attention)
    shared = SharedPrompt(
        torch.ones((1, prompt_tokens), dtype=torch.long, device="cuda"),
        torch.zeros(rows, dtype=torch.long, device="cuda"),
    )

    def split(tensor: Tensor) -> tuple[Tensor, Tensor]:
        own = tensor[:, prompt_tokens:].unflatten(1, (rows, row_tokens)).transpose(0, 1)
        return tensor[None, :, :prompt_tokens], own

    def joined(prompt: Tensor, own_NQRD: Tensor) -> Tensor:
        return torch.cat([prompt[0], own_NQRD.transpose(0, 1).flatten(1, 2)], 1)

    def of_prompt(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)

    def parts(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        (q, own_q), (k, own_k), (v, own_v) = map(split, (query, keys, values))
        layer = SimpleNamespace(prompt_keys_BKPD=k, prompt_values_BKPD=v)
        return joined(of_prompt(q, k, v), shared.attend(own_q, own_k, own_v, layer, query.shape[-1] ** -0.5))

    def copies(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        (q, own_q), (k, own_k), (v, own_v) = map(split, (query, keys, values))
        groups = query.shape[0] // keys.shape[0]
        all_k, all_v = (
            torch.cat([of.expand(rows, -1, -1, -1), own], 2).repeat_interleave(groups, 1)
            for of, own in ((k, own_k), (v, own_v))
        )
        mask = torch.ones((row_tokens, prompt_tokens + row_tokens), dtype=torch.bool, device="cuda").tril(prompt_tokens)
        return joined(of_prompt(q, k, v), scaled_dot_product_attention(own_q, all_k, all_v, attn_mask=mask))

    def flex(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return compiled(query[None], keys[None], values[None], block_mask=block_mask, enable_gqa=True)[0]

    def mask(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        groups = query.shape[0] // keys.shape[0]
        all_k, all_v = (tensor.repeat_interleave(groups, 0)[None] for tensor in (keys, values))
        return scaled_dot_product_attention(query[None], all_k, all_v, attn_mask=sees)[0]

    return {"mask": mask, "parts": parts, "copies": copies, "flex": flex}


def measure(attend: Form, inputs: list[Tensor], rounds: int) -> dict[str, float]:
    """Median milliseconds of forward and backward, and the peak beyond what was there, in MiB."""
    forward, backward = [], []
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    for _ in range(rounds):
        start = now()
        out = attend(*inputs)
        middle = now()
        torch.autograd.grad(out, inputs, out)
        forward.append((middle - start).wall)
        backward.append((now() - middle).wall)
        del out
    return {
        "forward_ms": 1e3 * statistics.median(forward),
        "backward_ms": 1e3 * statistics.median(backward),
        "peak_mib": (torch.cuda.max_memory_allocated() - before) / 2**20,
    }


if __name__ == "__main__":
    main()
