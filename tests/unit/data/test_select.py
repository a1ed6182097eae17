import io

import numpy as np
import pytest
from PIL import Image

from rilctl.config.data import PassRateConfig
from rilctl.data.fingerprints import image_hash, normal_text
from rilctl.data.groups import conversation_of
from rilctl.data.select import Benchmarks, Seen, is_held_out, outside_band, rank


def blobs(seed: int, size: int = 128) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


def distance(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def test_the_hash_survives_scaling_and_jpeg_and_tells_pictures_apart() -> None:
    for seed in range(5):
        buffer = io.BytesIO()
        blobs(seed).resize((90, 90)).save(buffer, "JPEG", quality=40)
        assert distance(image_hash(blobs(seed)), image_hash(Image.open(buffer).convert("RGB"))) <= 4
        assert distance(image_hash(blobs(seed)), image_hash(blobs(seed + 100))) > 12


def test_the_hash_of_a_picture_is_fixed() -> None:
    ramp = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).convert("RGB")
    assert image_hash(ramp) == image_hash(ramp.copy())
    assert 0 <= image_hash(Image.new("RGB", (5, 5))) < 2**64


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How many  boxes?", "how many boxes", True),
        ('"Where" is (the) cat.', "where is the cat", True),
        ("\uff21\uff22", "ab", True),
        ("2 + 3", "2 - 3", False),
        ("1.5", "15", False),
        ("it's", "its", False),
    ],
)
def test_normal_text(one: str, other: str, same: bool) -> None:
    assert (normal_text(one) == normal_text(other)) is same


def test_ranks_are_fixed_forever() -> None:
    assert rank("a", "train") == 0x391F_21CC_FFE2_FC20
    assert rank("a", "train") != rank("a", "validation")


def test_the_answers_of_a_conversation_stay_together() -> None:
    held_out = [is_held_out(conversation_of(f"c{n}#1"), 0.5) for n in range(200)]
    assert held_out == [is_held_out(conversation_of(f"c{n}#2"), 0.5) for n in range(200)]
    assert 70 < sum(held_out) < 130
    assert not is_held_out("x", 0.0) and is_held_out("x", 1.0)


def test_pass_rate_band_includes_its_ends() -> None:
    band = PassRateConfig(verdicts="v", low=0.25, high=0.5)
    rates = {"a": 0.25, "b": 0.5, "c": 0.51}
    assert [outside_band(name, band, rates) for name in "abcd"] == [None, None, "pass-rate", "pass-rate-unknown"]


def test_seen_compares_images_in_order_within_a_question() -> None:
    seen = Seen(max_distance=2)
    assert seen.add("q", (0b0, 0b1111_0000))
    assert not seen.add("Q?", (0b11, 0b1111_0000))
    assert seen.add("q", (0b111, 0b1111_0000))
    assert seen.add("q", (0b1111_0000, 0b0))
    assert seen.add("other", (0b0, 0b1111_0000))
    assert seen.add("q", ())
    assert not seen.add("q", ())


def test_benchmarks() -> None:
    benchmarks = Benchmarks(["What?"], [0, 2**64 - 1], max_distance=1)
    assert benchmarks.contain("anything", (0b1111, 2**63 - 1))
    assert not benchmarks.contain("what", (0b1111,))
    assert benchmarks.contain("what", ())
    assert not Benchmarks([], [], 4).contain("what", (0,))
