"""Prompts that will be needed soon, encoded by worker processes while this one computes."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch

from rilctl.data.conversation import Conversation, ConversationKey
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt, Encoder, load_processor
from rilctl.models.loaded.source import ModelSource
from rilctl.models.prompts.encode import encode_prompt

Arrays = tuple[Any, Any, dict[str, Any]]
"""The tensors of an `EncodedPrompt` as NumPy arrays: torch would send them through shared memory, which runs out."""


class PromptsAhead:
    """Asked for prompts before they are needed; has its processes from the first one on, until it is closed.

    They leave Ctrl-C to this process, and end when it does, however it ends. If one is killed, as where memory runs
    out, nothing is lost: `take` has nothing to give any more, and the caller encodes.

    Args:
        source: the model whose processor each process loads.
        num_workers: processes; positive.
        max_bytes: of prompts that are asked for and not taken, as if each were as large as the largest one so far.
        warn: told once if a process was killed.
    """

    def __init__(self, source: ModelSource, num_workers: int, *, max_bytes: int, warn: Callable[[str], object]) -> None:
        self._source, self._num_workers, self._max_bytes, self._warn = source, num_workers, max_bytes, warn
        self._workers: _Workers | None = None
        self._is_over = False
        self._waiting: dict[ConversationKey, Conversation] = {}
        self._begun: dict[ConversationKey, Future[EncodedPrompt]] = {}
        self._largest_bytes = 0

    def ask(self, key: ConversationKey, conversation: Conversation) -> None:
        """Encode this soon; whoever asks takes it later."""
        if not self._is_over and key not in self._begun:
            self._waiting.setdefault(key, conversation)
            self._begin()

    def take(self, key: ConversationKey) -> EncodedPrompt | None:
        """What was asked for, once; None where no process has begun with it, so that the caller had better encode it.

        Raises:
            RowError: as `encode_prompt` does.
        """
        self._waiting.pop(key, None)
        future = self._begun.pop(key, None)
        self._begin()
        if future is None or future.cancel():
            return None
        try:
            prompt = future.result()
        except _WorkerLostError:
            if not self._is_over:
                self._warn("a process that reads pictures ahead was killed, for want of memory perhaps: going on alone")
            self._end()
            return None
        self._largest_bytes = max(self._largest_bytes, prompt.num_bytes)
        return prompt

    def close(self) -> None:
        """End the processes; what they have begun is lost."""
        self._begun.clear()
        self._end()

    def _begin(self) -> None:
        """Give the processes as much as there is room for."""
        most = 2 * self._num_workers  # while nothing is known of their size
        if self._largest_bytes:
            most = max(self._num_workers, self._max_bytes // self._largest_bytes)
        while self._waiting and len(self._begun) < most:
            key = next(iter(self._waiting))
            conversation = self._waiting.pop(key)
            with suppress(RowError):  # the caller meets it again
                self._begun[key] = self._submit(conversation.fetched())

    def _submit(self, conversation: Conversation) -> Future[EncodedPrompt]:
        if self._workers is None:
            self._workers = _Workers(self._source, self._num_workers)
        return self._workers.submit(conversation)

    def _end(self) -> None:
        """What was finished can still be taken."""
        self._is_over = True
        self._waiting.clear()
        if self._workers is not None:
            self._workers.close()


class _WorkerLostError(Exception):
    """A process ended before it answered."""


class _Workers:
    """Processes with a connection and a waiting thread each: they share no lock, so the death of one blocks nobody."""

    def __init__(self, source: ModelSource, num: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads or a GPU may hang
        self._processes, self._connections = [], list[Connection]()
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(num, thread_name_prefix="ahead")
        for _ in range(num):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, source), daemon=True)
            _start_without_ctrl_c(process)
            theirs.close()  # so that we see when it ends
            self._processes.append(process)
            self._connections.append(ours)
            self._idle.put(ours)

    def submit(self, conversation: Conversation) -> Future[EncodedPrompt]:
        """Encode in one of the processes."""
        return self._threads.submit(self._ask, conversation)

    def close(self) -> None:
        """End them now."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
        self._threads.shutdown()
        for process, connection in zip(self._processes, self._connections, strict=True):
            process.join()
            connection.close()

    def _ask(self, conversation: Conversation) -> EncodedPrompt:
        connection = self._idle.get()
        try:
            connection.send(conversation)
            answer: Arrays | Exception = connection.recv()
        except (EOFError, OSError) as error:
            raise _WorkerLostError from error
        finally:
            self._idle.put(connection)
        if isinstance(answer, Exception):
            raise answer
        ids_P, type_ids_P, features = answer
        tensors = {name: torch.from_numpy(array) for name, array in features.items()}
        return EncodedPrompt(torch.from_numpy(ids_P), torch.from_numpy(type_ids_P), tensors)


def _start_without_ctrl_c(process: multiprocessing.process.BaseProcess) -> None:
    """It inherits what is blocked from its first moment on, so that Ctrl-C in a terminal is its parent's affair."""
    resource_tracker.ensure_running()  # its own start, else a part of this one, would let Ctrl-C through again
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(connection: Connection, source: ModelSource) -> None:
    """What a process does until its parent hangs up, or is no more."""
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        while True:
            connection.send(_answer(source, connection.recv()))


def _answer(source: ModelSource, conversation: Conversation) -> Arrays | Exception:
    try:
        prompt = encode_prompt(_encoder(source), conversation)
    except Exception as error:  # raised where the prompt is needed
        return error
    features = {name: tensor.numpy() for name, tensor in prompt.features.items()}
    return prompt.token_ids_P.numpy(), prompt.type_ids_P.numpy(), features


@cache
def _encoder(source: ModelSource) -> Encoder:
    return Encoder(load_processor(source), source)
