"""Prompts that will be needed soon, encoded by worker processes while this one computes."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from threading import Thread
from typing import Any

import torch

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.models.processor import Encoder, load_processor
from rilctl.models.prompts import EncodedPrompt, encode_prompt
from rilctl.models.source import ModelSource

PromptKey = tuple[str, tuple[str, ...]]
"""A question and the digests of its pictures."""
Arrays = tuple[Any, Any, dict[str, Any]]
"""The tensors of an `EncodedPrompt` as NumPy arrays: torch would send them through shared memory, which runs out."""


class PromptsAhead:
    """Asked for prompts before they are needed; has its processes from the first one on, until it is closed.

    They leave Ctrl-C to this process, and end when it does, however it ends. If they are killed, as where memory runs
    out, nothing is lost: `take` has nothing to give any more, and the caller encodes.

    Args:
        source: the model whose processor each process loads.
        num_workers: processes; positive.
        max_bytes: of prompts that are asked for and not taken, as if each were as large as the largest one so far.
        warn: told once if the processes were killed.
    """

    def __init__(self, source: ModelSource, num_workers: int, *, max_bytes: int, warn: Callable[[str], object]) -> None:
        self._source, self._num_workers, self._max_bytes, self._warn = source, num_workers, max_bytes, warn
        self._pool: ProcessPoolExecutor | None = None
        self._is_over = False
        self._waiting: dict[PromptKey, tuple[str, Sequence[ImageRef]]] = {}
        self._begun: dict[PromptKey, Future[Arrays]] = {}
        self._largest_bytes = 0

    def ask(self, key: PromptKey, question: str, images: Sequence[ImageRef]) -> None:
        """Encode this soon; whoever asks takes it later."""
        if not self._is_over and key not in self._begun:
            self._waiting.setdefault(key, (question, images))
            self._begin()

    def take(self, key: PromptKey) -> EncodedPrompt | None:
        """What was asked for, once; None where no process has begun with it, so that the caller had better encode it.

        Raises:
            RowError: as `ImageRef.load` and `encode_prompt` do.
        """
        self._waiting.pop(key, None)
        future = self._begun.pop(key, None)
        self._begin()
        if future is None or future.cancel():
            return None
        try:
            ids_P, type_ids_P, features = future.result()
        except BrokenProcessPool:
            self._give_up()
            return None
        tensors = {name: torch.from_numpy(array) for name, array in features.items()}
        prompt = EncodedPrompt(torch.from_numpy(ids_P), torch.from_numpy(type_ids_P), tensors)
        self._largest_bytes = max(self._largest_bytes, prompt.num_bytes)
        return prompt

    def close(self) -> None:
        """End the processes; what they have begun is lost."""
        self._is_over = True
        self._waiting.clear()
        self._begun.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        """Give the processes as much as there is room for."""
        most = 2 * self._num_workers  # while nothing is known of their size
        if self._largest_bytes:
            most = max(self._num_workers, self._max_bytes // self._largest_bytes)
        while self._waiting and len(self._begun) < most and not self._is_over:
            key = next(iter(self._waiting))
            question, images = self._waiting.pop(key)
            try:
                self._begun[key] = self._submit(question, [image.fetched() for image in images])
            except RowError:
                continue  # the caller meets it again
            except BrokenProcessPool:
                self._give_up()

    def _submit(self, question: str, images: Sequence[ImageRef]) -> Future[Arrays]:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads or a GPU may hang
            self._pool = ProcessPoolExecutor(self._num_workers, spawn, initializer=_start)
        # A process that starts here inherits what is blocked, so that Ctrl-C in a terminal is this process's affair.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(_encode, self._source, question, images)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _give_up(self) -> None:
        """The processes are gone; what they had finished can still be taken."""
        if not self._is_over:
            self._warn("the processes that read pictures ahead were killed, for want of memory perhaps: going on alone")
        self._is_over = True
        self._waiting.clear()


def _start() -> None:
    """What a process does first."""
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _encode(source: ModelSource, question: str, images: Sequence[ImageRef]) -> Arrays:
    """One prompt, in a process of its own."""
    prompt = encode_prompt(_encoder(source), question, [image.load() for image in images])
    features = {name: tensor.numpy() for name, tensor in prompt.features.items()}
    return prompt.token_ids_P.numpy(), prompt.type_ids_P.numpy(), features


@cache
def _encoder(source: ModelSource) -> Encoder:
    return Encoder(load_processor(source.path, source.family), source)
