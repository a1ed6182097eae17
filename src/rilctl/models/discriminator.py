"""Who said it? The student's model with one linear unit on the last token's hidden state for a head.

It is a copy of the student whose weights all train, or an adapter on the frozen student, which it shares with others.

Sign: a high logit means student. Student and teacher responses reach it in one form: decoded, normalised, tokenised
anew, closed by the same stop token, so that tokenisation, truncation or a missing stop token don't tell.
Shapes: N rows, H hidden.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rilctl.artifacts.layout import MOST_JSON_BYTES, read_regular
from rilctl.config.fields import IF_SET, LoraConfig
from rilctl.config.pretrain_disc import DiscInput, DiscLossName, sees_pictures
from rilctl.data.conversation import Conversation
from rilctl.errors import ModelError
from rilctl.models.loaded.adapters import save_adapter
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.saving import saving
from rilctl.models.loaded.vlm import Vlm, save_vlm
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.shared_prefix.form import response_last_hidden
from rilctl.private.deepspeed import whole_shape
from rilctl.schemas.base import StrictModel, first_problem

HEAD_FILE = "head.safetensors"
CARD_FILE = "discriminator.json"
_REMEMBERED = 16_384
"""Responses whose tokens are kept: those of a step are asked for several times."""


class DiscriminatorCard(StrictModel):
    """`discriminator.json`: what the weights mean."""

    input: DiscInput
    """What it sees."""
    prompt: Annotated[str | None, IF_SET] = None
    """What it is asked; None: nothing."""
    loss: DiscLossName
    """What it was trained with, hence how its logits are read."""
    base_digest: str
    """Digest of the student that it started from; see `ModelIdentity`."""
    lora: LoraConfig | None = None
    """The directory holds an adapter on that student's weights; None: weights of its own."""

    @property
    def logits_have_zero(self) -> bool:
        """Whether a logit says something by itself; Bradley-Terry's mean something only within a group."""
        return self.loss == "bce"


@dataclass(frozen=True)
class DiscriminatorRow:
    """One response to be told apart.

    Args:
        conversation: as asked; its pictures are read by `image+question+response` alone.
        text: the response.
    """

    conversation: Conversation
    text: str


class Discriminator(nn.Module):
    """Backbone and head.

    Args:
        vlm: a copy of the student, or the student with an adapter of the discriminator's own.
        card: what it sees and how it learns.
        seed: of the head's random weights.
        prompts: shared with another model that reads text and pictures alike; None: its own.
    """

    def __init__(self, vlm: Vlm, card: DiscriminatorCard, *, seed: int = 0, prompts: KeptPrompts | None = None) -> None:
        super().__init__()
        self.vlm = vlm
        self.card = card
        self.backbone = vlm.backbone
        self._response_ids = lru_cache(_REMEMBERED)(lambda text: encode_response(vlm, normalise(text), stopped=True))
        self.prompts = prompts or KeptPrompts(vlm)
        num_hidden = whole_shape(vlm.lm_head.weight)[1]
        self.head = _Head(num_hidden, 1, device=vlm.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            nn.init.normal_(self.head.weight, std=num_hidden**-0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, rows: Sequence[DiscriminatorRow]) -> Tensor:
        """disc_logits_student_is_high_N, at least float32. Raises `RowError` where a picture can't be read."""
        return self.vlm.sharding.run(lambda: self._logits(rows))

    def _logits(self, rows: Sequence[DiscriminatorRow]) -> Tensor:
        keys = [self.shown(row).key for row in rows]
        order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
        prompts = [self.encode(rows[keys.index(key)]) for key in order]
        prompt_of_row_N = torch.tensor([order[key] for key in keys], device=self.vlm.device, dtype=torch.long)
        ids_NR, mask_NR = collate_responses(self.vlm, [self._response_ids(row.text) for row in rows])
        with self.vlm.forward_pass():
            hidden_NH = response_last_hidden(self.vlm, prompts, prompt_of_row_N, ids_NR, mask_NR)
        logits_N: Tensor = self.head(hidden_NH).squeeze(-1)
        return logits_N

    @property
    def sees_pictures(self) -> bool:
        """Whether pictures are part of its prompts."""
        return sees_pictures(self.card.input)

    def encode(self, row: DiscriminatorRow) -> EncodedPrompt:
        """What it sees before the response. Raises `RowError` where a picture can't be read."""
        return self.prompts.get(self.shown(row))

    def shown(self, row: DiscriminatorRow) -> Conversation:
        """What it sees of what was asked, and what it is asked itself."""
        if self.card.input == "response":
            return Conversation.of(self.card.prompt or "")
        seen = row.conversation if self.sees_pictures else row.conversation.without_pictures()
        return seen if self.card.prompt is None else seen.followed_by(self.card.prompt)

    def num_response_tokens(self, row: DiscriminatorRow) -> int:
        """Length of the response, its end included."""
        return len(self._response_ids(row.text))

    def trained_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """What trains: the backbone's trainable weights and the head.

        A head over the vocabulary has no part in it, nor has a vision tower that never sees a picture.
        """
        own = {id(parameter) for _, parameter in self.vlm.trained_parameters()}
        if not self.sees_pictures:
            own &= {id(parameter) for parameter in self.vlm.decoder.parameters()}
        backbone = [(f"backbone.{name}", p) for name, p in self.backbone.named_parameters() if id(p) in own]
        return backbone + [(f"head.{name}", p) for name, p in self.head.named_parameters()]

    def save(self, directory: Path) -> None:
        """Write backbone (an adapter, or weights in the Hugging Face layout), head and card."""
        if self.card.lora is not None:
            save_adapter(self.vlm, directory)
        else:
            save_vlm(self.vlm, directory)
        head = {name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}
        with saving(directory):
            save_file(head, directory / HEAD_FILE)
            (directory / CARD_FILE).write_text(self.card.model_dump_json(indent=2) + "\n")

    def load_head(self, directory: Path) -> None:
        """Take the head's weights from a discriminator directory. Raises `ModelError`."""
        try:
            self.head.load_state_dict(load_file(directory / HEAD_FILE, device=str(self.vlm.device)))
        except (OSError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"{directory / HEAD_FILE}: {reason}", hint="run `rilctl pretrain-disc` again") from error


class _Head(nn.Linear):
    def forward(self, hidden_NH: Tensor) -> Tensor:
        """In float32 at least, also where weights that train are kept in a lower precision."""
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        return nn.functional.linear(hidden_NH.to(dtype), self.weight.to(dtype), self.bias.to(dtype))


def read_card(directory: Path) -> DiscriminatorCard:
    """The card of a discriminator directory. Raises `ModelError`."""
    try:
        return DiscriminatorCard.model_validate_json(read_regular(directory / CARD_FILE, most_bytes=MOST_JSON_BYTES))
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_problem(error)
        raise ModelError(
            f"{directory / CARD_FILE} can't be read: {reason}", hint="run `rilctl pretrain-disc` again"
        ) from error


def normalise(text: str) -> str:
    """One spelling for both sides: Unicode NFC, Unix line ends, no white space around."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
