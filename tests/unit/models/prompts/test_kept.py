"""Prompts that are kept, and prompts that worker processes encode ahead."""

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts

from ..conftest import LoadVlm

DEADLINE_S = 240.0  # a worker imports torch first, which a busy machine takes its time for


def picture(number: int) -> Image.Image:
    return Image.effect_noise((70, 60 + number), 90).convert("RGB")


def encoded(number: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture(number).save(buffer, kind)
    return buffer.getvalue()


def refs(directory: Path) -> list[ImageRef]:
    """A drawn picture, bytes, a file, and functions that no process can be sent."""
    file = directory / "file.jpg"
    file.write_bytes(encoded(3, "JPEG"))
    drawn, content = picture(1), encoded(4)
    return [
        ImageRef(lambda: drawn, "drawn"),
        ImageRef(lambda: drawn.convert("L"), "drawn grey"),
        ImageRef(encoded(2), "bytes"),
        ImageRef(file, "file"),
        ImageRef(lambda: content, "fetched"),
    ]


def same(one: EncodedPrompt, other: EncodedPrompt) -> bool:
    assert one.features.keys() == other.features.keys()
    pairs = [(one.token_ids_P, other.token_ids_P), (one.type_ids_P, other.type_ids_P)]
    pairs += [(one.features[name], other.features[name]) for name in one.features]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def children() -> set[int]:
    """Worker processes of this one; the resource tracker, which serves them, stays."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_done(prompts: KeptPrompts) -> None:
    assert prompts._ahead is not None
    wait_for(lambda: all(future.done() for future in prompts._ahead._begun.values()))


@pytest.fixture
def encoded_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the pictures that this process decodes."""
    names: list[str] = []
    load = ImageRef.load
    monkeypatch.setattr(ImageRef, "load", lambda self: names.append(self.name) or load(self))
    yield names


@pytest.fixture
def vlm(load: LoadVlm) -> Vlm:
    return load("pocket-student")


def test_workers_give_the_same_tensors(vlm: Vlm, tmp_path: Path, encoded_here: list[str]) -> None:
    pictures = refs(tmp_path)
    requests = [Conversation.of(f"what is {place}?", (ref,)) for place, ref in enumerate(pictures)]
    requests.append(Conversation.of("both?", pictures[2:4]))
    plain = KeptPrompts(vlm)
    here = [plain.get(request) for request in requests]
    encoded_here.clear()
    before = children()
    with KeptPrompts(vlm, num_workers=1) as prompts:
        prompts.expect([*requests, Conversation.of("no picture")])
        assert len(children() - before) == 1
        for request, prompt in zip(requests, here, strict=True):
            wait_until_done(prompts)
            assert same(prompts.get(request), prompt)
    assert encoded_here == []
    assert children() == before


def test_a_bad_picture_is_the_same_error_through_a_worker(vlm: Vlm) -> None:
    whole = encoded(1)
    cut = ImageRef(whole[: len(whole) // 2], "row 7, image 1")

    def lost() -> bytes:
        raise RowError("image-invalid", "row 8, image 1: damaged base64")

    requests = [Conversation.of("what?", (cut,)), Conversation.of("<|im_end|> what?", (ImageRef(whole, "good"),))]
    plain, errors = KeptPrompts(vlm), []
    with KeptPrompts(vlm, num_workers=1) as ahead:
        unreadable = [ImageRef(lost, "lost"), ImageRef(Path("gone"), "gone")]
        ahead.expect([*requests, *(Conversation.of(f"{ref.name}?", (ref,)) for ref in unreadable)])
        wait_until_done(ahead)
        for prompts in (plain, ahead):
            for request in requests:
                with pytest.raises(RowError) as caught:
                    prompts.get(request)
                errors.append((caught.value.reason, caught.value.message, str(caught.value)))
    assert errors[:2] == errors[2:]
    assert [error[0] for error in errors[:2]] == ["image-truncated", "special-token"]
    assert errors[0][1].startswith("row 7, image 1: can't be decoded")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_picture_that_is_replaced_before_it_is_decoded_is_shown_to_nobody(
    num_workers: int, vlm: Vlm, tmp_path: Path
) -> None:
    file = tmp_path / "file.png"
    file.write_bytes(encoded(1))
    ref = ImageRef(file, "row 7, image 1")
    with KeptPrompts(vlm, num_workers=num_workers) as prompts:
        kept = prompts.get(Conversation.of("kept?", (ref,)))
        file.write_bytes(encoded(2))
        prompts.expect([Conversation.of("new?", (ref,))])
        if num_workers:
            wait_until_done(prompts)
        with pytest.raises(RowError, match="row 7, image 1: replaced") as caught:
            prompts.get(Conversation.of("new?", (ref,)))
        assert caught.value.reason == "image-changed"
        assert prompts.get(Conversation.of("kept?", (ref,))) is kept  # made of the picture that the digest names


@pytest.mark.parametrize("when", ["while it starts", "at work"])
def test_a_killed_worker_is_no_loss(when: str, vlm: Vlm, tmp_path: Path) -> None:
    warnings: list[str] = []
    before, pictures = children(), refs(tmp_path)
    with KeptPrompts(vlm, num_workers=2, warn=warnings.append) as prompts:
        prompts.expect([Conversation.of("first?", (ref,)) for ref in pictures])
        wait_for(lambda: len(children() - before) == 2)
        got = [prompts.get(Conversation.of("first?", (ref,))) for ref in pictures[:1] if when == "at work"]
        os.kill(min(children() - before), signal.SIGKILL)
        got += [prompts.get(Conversation.of("first?", (ref,))) for ref in pictures[len(got) :]]
        prompts.expect([Conversation.of("second?", (ref,)) for ref in pictures])
        wait_until_done(prompts)
        got += [prompts.get(Conversation.of("second?", (ref,))) for ref in pictures]
        assert children() == before
    plain = KeptPrompts(vlm)
    expected = [plain.get(Conversation.of(question, (ref,))) for question in ("first?", "second?") for ref in pictures]
    assert all(same(a, b) for a, b in zip(got, expected, strict=True))
    assert len(warnings) == 1 and "going on alone" in warnings[0]


def test_workers_leave_ctrl_c_to_this_process(vlm: Vlm, tmp_path: Path) -> None:
    before, pictures = children(), refs(tmp_path)
    with KeptPrompts(vlm, num_workers=1) as prompts:
        prompts.expect([Conversation.of("what?", (ref,)) for ref in pictures[:2]])
        wait_for(lambda: len(children() - before) == 1)
        (worker,) = children() - before
        os.kill(worker, signal.SIGINT)  # while it starts
        wait_until_done(prompts)
        os.kill(worker, signal.SIGINT)
        prompts.expect([Conversation.of("what?", (ref,)) for ref in pictures[2:]])
        for ref in pictures:
            prompts.get(Conversation.of("what?", (ref,)))
        assert children() - before == {worker}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_what_is_held_or_expected_is_not_made_again(vlm: Vlm, encoded_here: list[str]) -> None:
    one, two, three = (ImageRef(encoded(number), str(number)) for number in (1, 2, 3))
    prompts = KeptPrompts(vlm, max_bytes=1)
    held = prompts.get(Conversation.of("?", (one,)))
    prompts.get(Conversation.of("?", (two,)))
    assert prompts.get(Conversation.of("?", (one,))) is held
    prompts.expect([Conversation.of("?", (one,))])
    del held
    prompts.get(Conversation.of("?", (three,)))
    prompts.get(Conversation.of("?", (one,)))
    assert encoded_here == ["1", "2", "3"]
    prompts.get(Conversation.of("?", (two,)))
    prompts.get(Conversation.of("?", (one,)))
    assert encoded_here == ["1", "2", "3", "2", "1"]


def test_no_more_is_begun_than_there_is_room_for(vlm: Vlm, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    fetched = ImageRef.fetched
    monkeypatch.setattr(ImageRef, "fetched", lambda self: begun.append(self.name) or fetched(self))
    names = [f"{number:02}" for number in range(20)]
    asked = [Conversation.of(f"what is {name}?", (ImageRef(encoded(1), name),)) for name in names]
    size = KeptPrompts(vlm).get(asked[0]).num_bytes
    with KeptPrompts(vlm, num_workers=1, max_bytes=5 * size) as prompts:
        prompts.expect(asked)
        assert begun == names[:2]
        for number, each in enumerate(asked):
            wait_until_done(prompts)
            prompts.get(each)
            assert begun == names[: min(number + 1 + 5, 20) if number else 3]
