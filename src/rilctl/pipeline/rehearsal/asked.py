"""What a rehearsal's verbs ask over HTTP: the recipe's servers and endpoints, moved to this machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from rilctl.config.recipe import Recipe, Verb
from rilctl.pipeline.rehearsal.draft import Draft
from rilctl.pipeline.rehearsal.engines import Machine
from rilctl.pipeline.rehearsal.ports import Ports

_START_TIMEOUT_S = 900.0
"""A server that imports vLLM beside six ranks on two cores needs minutes."""


@dataclass(frozen=True)
class Server:
    """A process that verbs ask.

    Args:
        name: for a person, and of its log.
        kind: what it is.
        port: on 127.0.0.1.
        model: what a `vllm` server is started with, from the rehearsal's folder; None: it needs none.
        dtype: of its weights.
        verbs: who asks it.
    """

    name: str
    kind: Literal["vllm", "vllm-double", "judge", "teacher"]
    port: int
    model: str | None
    dtype: str
    verbs: tuple[Verb, ...]


def move_servers(draft: Draft, recipe: Recipe, name: str, machine: Machine) -> Iterator[Server]:
    """The servers to start; the draft's addresses are theirs.

    Args:
        draft: changed here.
        recipe: the original.
        name: names its folder under the workspace root.
        machine: where they run.
    """
    ports = Ports()
    dtype = draft.get("student.dtype")
    student = f"runs/{name}/sft" if recipe.sft else draft.get("student.model")
    trained = f"runs/{name}/train/student" if recipe.train else student
    serving: dict[tuple[str, str], list[Verb]] = {}
    for verb, key, model in (
        ("pretrain-disc", "pretrain-disc.generation", student),
        ("train", "train.generation", student),
        ("eval", "eval.engine", trained),
    ):
        if draft.get(f"{key}.type") == "vllm-server":
            url = draft.get(f"{key}.url")
            serving.setdefault((url, model), []).append(verb)  # type: ignore[arg-type]
            _move(draft, f"{key}.url", ports)
            draft.put(f"{key}.start_timeout_s", _START_TIMEOUT_S)
    for (url, model), verbs in serving.items():
        kind: Literal["vllm", "vllm-double"] = "vllm" if machine.has_vllm else "vllm-double"
        if not machine.has_vllm:
            draft.says_replaced("vLLM's server by a double of its routes: no vLLM for CPUs is installed")
            draft.put("student.dtype", "float32")  # in which the double computes
        yield Server("sampler", kind, ports.port_for(url), model, dtype, tuple(verbs))
    for key, teacher in recipe.teachers.items():
        if teacher.endpoint is not None:
            yield _endpoint(draft, f"teachers.{key}.endpoint", f"teacher-{key}", "teacher", ("cache-teacher",), ports)
            draft.says_replaced(f"{teacher.model} at {teacher.endpoint.host} by a server that answers with made texts")
    if draft.get("judge.type") == "llm":
        if draft.get("judge.endpoint") is None:
            draft.put("judge.endpoint", {"url": "http://127.0.0.1:8001/v1"})
            draft.drop("judge.dtype")
        draft.says_replaced(f"{draft.get('judge.model')} by the rule judge behind the same protocol")
        yield _endpoint(draft, "judge.endpoint", "judge", "judge", ("judge", "train", "eval"), ports)


def _endpoint(
    draft: Draft, key: str, name: str, kind: Literal["judge", "teacher"], verbs: tuple[Verb, ...], ports: Ports
) -> Server:
    url = draft.get(f"{key}.url")
    _move(draft, f"{key}.url", ports)
    draft.put(f"{key}.start_timeout_s", _START_TIMEOUT_S)
    if draft.get(f"{key}.key_env") or draft.get(f"{key}.key_file"):
        draft.says_not_proven(f"that the key of `{key}` is good: none is sent")
        draft.drop(f"{key}.key_env")
        draft.drop(f"{key}.key_file")
    return Server(name, kind, ports.port_for(url), None, "", verbs)


def _move(draft: Draft, key: str, ports: Ports) -> None:
    url = draft.get(key)
    here = ports.move(url)
    if here != url:
        draft.says_replaced(f"{url} by {here}")
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
            draft.says_not_proven(f"that {urlsplit(url).hostname} is reached from here")
    draft.put(key, here)
