"""Broken inputs of every kind that people and programs hand to rilctl: it refuses them in its own words, and soon.

`python -m tests.crash.fuzz MINUTES [KIND ...] [--seed N] [--keep FOLDER]` changes good inputs, and those of the corpus,
at random. What goes wrong is kept in a folder, for `tests/crash/corpus/KIND`, which the tests replay.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rilctl.engines.endpoints.failures import Retriable
from rilctl.errors import RilctlError, RowError

from .mutations import BYTES
from .readers import KINDS, Kind, said

CORPUS = Path(__file__).parent / "corpus"
MOST_BYTES = 1 << 30
"""That one input may add to the most memory that the process ever had."""
_ROOM_BYTES = 8 << 30
"""Of a process that fuzzes: the machine may have others."""
ODD_BYTES = [
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\n",
        b"\r",
        b'"',
        b"\\",
        b"{{",
        b"}}",
        b"<image>",
    ),
    *(b"9" * 5000, b"1e999", b"-1e-999", b"NaN", b"-0", b"1" + b"0" * 400, b"[" * 3000, b'{"a":' * 3000, b"(" * 500),
    *(
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x80\x00\x00\x00",
        b"\xff" * 8,
        b"true",
        b"null",
        b"../" * 9,
        "\u202e🙂".encode(),
    ),
]
"""What parsers stumble over."""
ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        "",
        "\ud800",
        "\x00",
        "a" * 100_000,
        -1,
        0,
        2**63,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        [],
        {},
    ),
    *([[]] * 3, {"": ""}, "../../etc/passwd", "{{ x }}", "<|im_end|>", ["a"] * 3, {"type": "jsonl"}, "1e5", "\u202e"),
]


class Hung(BaseException):
    """A reader took longer than it may; no handler of `Exception` takes it for an error of the input."""


def mutate(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        content = _change(content or b"?", others, chance)
    return content


def _change(content: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    at, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    end = min(end, at + chance.choice([1, 4, 16, 10_000]))
    kind = chance.choice([*BYTES, "json", "json", "insert", "replace", "remove", "repeat", "splice", "swap"])
    if kind in BYTES:
        return BYTES[kind](content, chance)
    if kind == "json":
        return _odd_json(content, chance)
    if kind == "insert":
        return content[:at] + chance.choice(ODD_BYTES) + content[at:]
    if kind == "replace":
        return content[:at] + chance.choice(ODD_BYTES) + content[end:]
    if kind == "remove":
        return content[:at] + content[end:]
    if kind == "repeat":
        return content[:at] + content[at:end] * chance.choice([2, 3, 50]) + content[end:]
    other = chance.choice(others)
    if kind == "splice":
        start = chance.randrange(len(other) + 1)
        return content[:at] + other[start : start + 1000] + content[end:]
    return content[end:] + content[at:end] + content[:at]


def _odd_json(content: bytes, chance: random.Random) -> bytes:
    """A value or key of a JSON text, or of one of its lines, is an odd one. Other texts get a bit flipped."""
    for whole in (True, False):
        rows = [content] if whole else content.split(b"\n")
        at = chance.randrange(len(rows))
        try:
            row = json.loads(rows[at])
        except (ValueError, RecursionError):
            continue
        holders = list(_holders(row))
        if not holders:
            return json.dumps(chance.choice(ODD_VALUES)).encode()
        holder, key = chance.choice(holders)
        what = chance.random()
        if what < 0.2:
            del holder[key]
        elif what < 0.3 and isinstance(holder, dict):
            holder[chance.choice(["", "\ud800", "x", key + "x"])] = holder.pop(key)
        else:
            holder[key] = chance.choice(ODD_VALUES)
        rows[at] = json.dumps(row).encode()
        return b"\n".join(rows)
    return BYTES["flip"](content, chance)


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield value, key
        yield from _holders(child)


def verdict(kind: Kind, content: bytes) -> str:
    """`read`, `refused`, or what went wrong."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = "read"
    try:
        with _patience(kind.at_once_s), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(content)
    except (RilctlError, RowError, Retriable) as error:
        found = "refused"
        try:
            said(error)
        except (AssertionError, UnicodeEncodeError) as problem:
            found = f"badly said: {problem}"
    except Hung:
        found = f"longer than {kind.at_once_s:g} s"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        found = f"{type(error).__name__}: {str(error)[:200]!r} at {Path(place.filename).name}:{place.lineno}"
    grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) * 1024
    return f"{grown_bytes >> 20} MiB more memory" if grown_bytes > MOST_BYTES else found


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    def end(signal_number: int, frame: object) -> None:
        raise Hung

    before = {number: signal.signal(number, end) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, seconds)  # of computing, whoever else the machine works for
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)  # and of waiting
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def kept(name: str) -> list[Path]:
    """The corpus of a kind."""
    return sorted((CORPUS / name).glob("*"))


def fuzz_kind(name: str, seconds: float, seed: int, folder: Path, most: int | None = None) -> Counter[str]:
    """Change inputs of one kind for so long.

    Args:
        name: a key of `KINDS`.
        seconds: of processor time.
        seed: of what is changed.
        folder: gets each input that goes wrong in a new way, named after it.
        most: inputs; None: as many as there is time for.

    Returns:
        Counts of what was said.
    """
    kind, chance, counts = KINDS[name], random.Random(f"{seed} {name}"), Counter[str]()
    inputs = [*kind.seeds(), *(file.read_bytes() for file in kept(name))]
    under_way = folder / f"{name}.under-way"
    began = time.process_time()
    while time.process_time() - began < seconds and (most is None or counts.total() < most):
        content = mutate(chance.choice(inputs), inputs, chance)
        under_way.write_bytes(content)  # where it ends the process
        said_of_it = verdict(kind, content)
        counts[said_of_it] += 1
        if said_of_it not in ("read", "refused") and counts[said_of_it] == 1:
            (folder / f"{name}-{len(counts)}").write_bytes(content)
    under_way.unlink(missing_ok=True)
    return counts


def _child(name: str, seconds: float, seed: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_ROOM_BYTES, _ROOM_BYTES))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # progress bars of libraries
    counts = fuzz_kind(name, seconds, seed, folder)
    (folder / f"{name}.json").write_text(json.dumps(counts))


def main() -> int:
    """See the top of this file; exit code 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; none: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.kinds if name not in KINDS]:
        parser.error(f"no kind `{unknown[0]}`; there are {', '.join(KINDS)}")
    arguments.keep.mkdir(parents=True, exist_ok=True)
    kinds = arguments.kinds or list(KINDS)
    print("| kind | inputs | read | refused | wrong |\n| --- | ---: | ---: | ---: | ---: |")
    num_wrong = 0
    for name in kinds:
        seconds = 60 * arguments.minutes / len(kinds)
        child = multiprocessing.get_context("spawn").Process(
            target=_child, args=(name, seconds, arguments.seed, arguments.keep)
        )
        child.start()
        child.join()
        report = arguments.keep / f"{name}.json"
        counts = (
            Counter(json.loads(report.read_text()))
            if child.exitcode == 0
            else Counter({f"exit code {child.exitcode}": 1})
        )
        report.unlink(missing_ok=True)
        wrong = {what: num for what, num in counts.items() if what not in ("read", "refused")}
        print(
            f"| {name} | {counts.total()} | {counts['read']} | {counts['refused']} | {sum(wrong.values())} |",
            flush=True,
        )
        for what, num in wrong.items():
            print(f"{name}, {num} times: {what}", file=sys.stderr)
        num_wrong += len(wrong)
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
