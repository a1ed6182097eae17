"""That vLLM samples from the policy: names of weights, checksums, log-probabilities, pixels.

Shapes: R response tokens.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from PIL import Image

from rilctl.config.fields import Dtype, SamplingConfig
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.vllm.backend import Ask, Backend, sampling_params
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.errors import EngineError, RowError
from rilctl.models.policy import response_logprobs
from rilctl.models.processor import EncodedPrompt
from rilctl.models.prompts import collate_responses, encode_prompt
from rilctl.models.vlm import Vlm

LOGPROB_BOUND: Mapping[Dtype, float] = {"float32": 1e-4, "bfloat16": 0.25, "float16": 0.03}
"""Largest difference of a token's log-probability between engine and trainer; `nox -s vllm` measures it anew."""
MAX_GREY_LEVELS = 3.0
"""Largest difference of a pixel, in steps of 1/255: libraries round a resized picture otherwise."""
_TEMPERATURE = 0.7
"""Of the probe. Not 1, so that log-probabilities from before the temperature would be seen."""
_NUM_TOKENS = 16
_HINT = "restart vLLM; the same command goes on from the last checkpoint"


@dataclass
class Proof:
    """Asks vLLM what it can't answer with other weights.

    Args:
        backend: what is asked.
        policy: what it should sample from.
        reader: how prompts are made.
        dtype: of vLLM's weights.
    """

    backend: Backend
    policy: Vlm
    reader: Reader
    dtype: Dtype
    _readable: frozenset[str] | None = field(default=None, init=False)
    """Weights whose checksum, read back from the model, was among ours at the first proof."""
    _pixels_are_ours: bool = field(default=False, init=False)
    _probe: tuple[EncodedPrompt, Ask] | None = field(default=None, init=False)

    def check(self, version: str, sent: Mapping[str, str]) -> dict[str, float] | None:
        """Prove an update.

        Args:
            version: name of the weights that were sent.
            sent: checksum of each, by its name in a checkpoint.

        Returns:
            What was measured; None where vLLM went away meanwhile.

        Raises:
            EngineError: it samples from something else.
        """
        found = self.backend.version()
        if found != version:
            raise EngineError(f"vLLM has the weights `{found}`, not `{version}`", hint=_HINT)
        for received in self.backend.workers("rilctl_received"):
            if received != sent:
                names = sorted(name for name in sent.keys() | received.keys() if sent.get(name) != received.get(name))
                raise EngineError(f"vLLM's loader took other weights: {names[0]} and {len(names) - 1} more", hint=_HINT)
        num_read_back = self._check_resident(set(sent.values()))
        error = self._logprob_error()
        if error is None:
            return None
        if not error <= LOGPROB_BOUND[self.dtype]:
            raise EngineError(
                f"after an update, vLLM's log-probabilities differ from the policy's by {error:.2g}, "
                f"more than {LOGPROB_BOUND[self.dtype]:g} in {self.dtype}",
                hint=f"a server must run with `--logprobs-mode processed_logprobs` and dtype {self.dtype}; {_HINT}",
            )
        return {
            "sync/logprob_error": error,
            "sync/num_tensors": float(len(sent)),
            "sync/num_read_back": float(num_read_back),
        }

    def _check_resident(self, ours: set[str]) -> int:
        """Checksums of what lies in the model, of weights that could be read back before. Their number."""
        readable: set[str] = set()
        for worker, resident in enumerate(self.backend.workers("rilctl_resident")):
            for name, (whole, *parts) in resident.items():
                if whole in ours or (parts and ours.issuperset(parts)):
                    readable.add(f"{worker}:{name}")
        if self._readable is None:
            self._readable = frozenset(readable)
        stale = sorted(self._readable - readable)
        if stale:
            raise EngineError(f"vLLM kept old weights: {stale[0]} and {len(stale) - 1} more", hint=_HINT)
        return len(readable)

    def _logprob_error(self) -> float | None:
        """Largest difference over the tokens of a sampled answer to the probe; None where vLLM went away."""
        if self._probe is None:
            self._probe = _make_probe(self.reader)
        prompt, ask = self._probe
        sampling = SamplingConfig(max_new_tokens=_NUM_TOKENS, temperature=_TEMPERATURE)
        params = sampling_params(sampling, (), (*self.reader.banned_ids, *self.reader.stop_ids))
        answer = self.backend.sample([ask], params)[0]
        if answer is None:
            return None
        if isinstance(answer, RowError):
            raise EngineError(f"vLLM refuses the proof's question: {answer.message}", hint=_HINT)
        self.reader.check_prompt(prompt, answer)
        if not self._pixels_are_ours:
            self._check_pixels(prompt)
            self._pixels_are_ours = True
        ids_1R, mask_1R = collate_responses(self.policy, [answer.token_ids])
        with torch.no_grad():
            ours_1R, _ = response_logprobs(
                self.policy,
                [prompt],
                torch.zeros(1, dtype=torch.long, device=self.policy.device),
                ids_1R,
                mask_1R,
                temperature=_TEMPERATURE,
                banned_ids=(*self.reader.banned_ids, *self.reader.stop_ids),
            )
        theirs_1R = torch.tensor([answer.logprobs], device=ours_1R.device)
        return float((ours_1R - theirs_1R).abs().max())

    def _check_pixels(self, prompt: EncodedPrompt) -> None:
        """What the vision tower was given for the probe's picture. Raises `EngineError`."""
        ours = prompt.features.get("pixel_values")
        seen = [reply["pixels"] for reply in self.backend.workers("rilctl_pixels") if reply]
        if ours is None or not seen:
            return
        theirs = torch.tensor(seen[0])
        hint = "give vLLM the same model directory; a server needs `--no-mm-device-do-normalize`"
        if theirs.numel() != ours.numel():
            values = f"{theirs.numel():,} pixel values of a picture, we make {ours.numel():,}"
            raise EngineError(f"vLLM's image processor makes {values}", hint=hint)
        std = torch.tensor(self.reader.encoder.processor.image_processor.image_std).mean()
        levels = float((theirs - ours.float().flatten()).abs().max() * std * 255)
        if levels > MAX_GREY_LEVELS:
            raise EngineError(f"vLLM's pixels differ from ours by {levels:.1f} of 255 grey levels", hint=hint)


def _make_probe(reader: Reader) -> tuple[EncodedPrompt, Ask]:
    """A question about a picture of its own."""
    images = [] if reader.encoder.family == "text" else [_picture(reader)]
    question = "What is in the picture?"
    prompt = encode_prompt(reader.encoder, question, [image.load() for image in images])
    return prompt, Ask(reader.token_ids(question, len(images)), reader.as_sent(images, prompt), seed=7)


def _picture(reader: Reader) -> ImageRef:
    """A JPEG, smooth and with edges, for decoders may differ as well; square, of a size that need not change.

    So it is sent as it came, as pictures are whose size is final. Of a family whose pictures vLLM cuts and resizes, it
    is cut and resized.
    """
    image = Image.new("RGB", (130, 130))
    places = ((x, y) for y in range(image.height) for x in range(image.width))
    image.putdata([(x * 255 // 130, y * 255 // 130, 255 * ((x // 30 + y // 22) % 2)) for x, y in places])
    drawn = ImageRef(lambda: image, "the proof's picture")
    (sent,) = reader.as_sent([drawn], encode_prompt(reader.encoder, "", [image]))
    buffer = io.BytesIO()
    sent.pixels.save(buffer, "JPEG", quality=90)
    return ImageRef(buffer.getvalue(), drawn.name)
