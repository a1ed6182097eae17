"""Suites of one's own for lmms-eval, which reads task files by its own rules: any module, any file, any command."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from .attack import MARKER, PAYLOADS, Attack
from .spoiled_models import ESCAPES_OF_THE_SANDBOX
from .spoiled_tasks import EVIL, FUNCTIONS, GOOD, TASKS
from .world import World

DATA_FILES = "dataset_kwargs: {data_files: {test: rows.json}}\n"
LINES = {
    "a command": "dataset_kwargs: {From_YouTube: true}",
    "a script that is imported": "dataset_kwargs: {builder_script: ../evil.py}",
    "an archive that is unpacked": "dataset_kwargs: {video: true, cache_dir: evil}",
    "code of the data set": "dataset_kwargs: {trust_remote_code: true}",
    "a cache elsewhere": "dataset_kwargs: {cache_dir: /outside}",
    "settings that are none": "dataset_kwargs: 5",
    "include of the folder above": "include: ../evil.yaml",
    "include by an absolute path": "include: /outside/evil.yaml",
    "include of itself": "include: mine.yaml",
    "include of a device": "include: /dev/zero",
    "include of a number": "include: [5]",
    "include of a list": "include: [beside, ../evil.yaml]",
    "function of the standard library": "doc_to_text: !function os.path.basename",
    "function that opens a browser": "doc_to_text: !function antigravity.geohash",
    "function of the working directory": "doc_to_text: !function evil.visual",
    "function of ours": "doc_to_text: !function rilctl.cli.app.run",
    "name of a function": "doc_to_text: !!python/name:os.system",
}
TEMPLATES = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "repeat": "{{ 'x' * 10 ** 11 }}",
    "center": "{{ 'x'|center(10 ** 11) }}",
    "format": "{{ '%100000000000d' % 1 }}",
    "parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "regular expression": "{{ ('a' * 40 ~ 'b')|regex_replace('(a+)+$', '') }}",
    **{f"escape {number}": text for number, text in enumerate(ESCAPES_OF_THE_SANDBOX)},
}
DATA: dict[str, tuple[str, str, bytes]] = {
    "a script": ("evil.py", "evil.py", b""),
    "a folder with a script": ("data", "data/data.py", EVIL.encode()),
    "a pickle": ("pandas", "rows.pkl", f"cos\nmkdir\n(S'{MARKER}'\ntR.".encode()),
    "a folder that isn't there": ("../../nowhere", "rows.json", b""),
    "deep rows": ("json", "rows.json", b'{"question": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "no rows": ("json", "rows.json", b""),
    "no JSON": ("json", "rows.json", b"\x00\xff"),
}
"""`dataset_path`, a file beside the task, and what it holds."""
ANSWERS = {
    "text": 'return {"right": "one"}',
    "infinite": 'return {"right": float("inf")}',
    "not a number": 'return {"right": float("nan")}',
    "nothing": "return None",
    "another metric": 'return {"left": 1.0}',
    "escapes": f"raise ValueError({PAYLOADS[0]!r})",
    "a name of escapes": f"return {{{PAYLOADS[0]!r}: 1.0}}",
    "deep": "return score(doc, results)",
}
NAMES = {str(number): text for number, text in enumerate(PAYLOADS)}
Spoil = Callable[[Path], object]


def good_suite(world: World) -> Path:
    """A folder with a task that lmms-eval runs."""
    folder = world.root / "suite"
    folder.mkdir()
    (folder / "functions.py").write_text(FUNCTIONS)
    (folder / "mine.yaml").write_text(f"{GOOD}{DATA_FILES}")
    (folder / "rows.json").write_text('{"question": "4 + 4?", "answer": "8"}\n')
    (folder / "beside").write_text("metadata: 5\n")
    return folder


def suites() -> Iterator[Attack]:
    found: list[tuple[str, Spoil, bool]] = [
        *((f"line {name}", _with(line), True) for name, line in LINES.items()),
        *((f"template {name}", _template(text), True) for name, text in TEMPLATES.items()),
        *((f"data {name}", _data(*given), True) for name, given in DATA.items()),
        *((f"score {name}", _score(body), False) for name, body in ANSWERS.items()),
        *(
            (f"metric {name}", _replaced("metric: right", f"metric: {json.dumps(text)}"), True)
            for name, text in NAMES.items()
        ),
        *((f"task {name}", spoil, name not in _SHARED_HARMLESS) for name, spoil in TASKS.items()),
    ]
    for name, spoil, refused in found:

        def do(world: World, spoil: Spoil = spoil) -> None:
            folder = good_suite(world)
            for place in (world.root, folder / ".hidden", world.root / "outside"):
                place.mkdir(exist_ok=True)
                (place / "evil.py").write_text(EVIL)
            (world.root / "evil.yaml").write_text(GOOD)
            (world.root / "outside" / "evil.yaml").write_text(GOOD)
            spoil(folder)
            text = folder / "mine.yaml"
            if text.is_file() and text.stat().st_size < 1 << 20:
                text.write_bytes(text.read_bytes().replace(b"/outside", str(world.root / "outside").encode()))

        yield Attack(f"suite {name}", "suite", "lmms", do, refused=refused)


_SHARED_HARMLESS = ("aliases of aliases", "an alias of itself", "pipe beside it.py", "terabyte beside it.py")


def _with(line: str) -> Spoil:
    key = line.split(":")[0]
    return lambda folder: (folder / "mine.yaml").write_text(
        "".join(each for each in f"{GOOD}{DATA_FILES}".splitlines(keepends=True) if not each.startswith(key))
        + f"{line}\n"
    )


def _replaced(old: str, new: str) -> Spoil:
    return lambda folder: (folder / "mine.yaml").write_text(f"{GOOD}{DATA_FILES}".replace(old, new))


def _template(text: str) -> Spoil:
    return _replaced("doc_to_text: question", f"doc_to_text: {json.dumps(text)}")


def _data(path: str, name: str, content: bytes) -> Spoil:
    def do(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content or EVIL.encode() if name.endswith(".py") else content)
        given = path if path in ("json", "pandas") else str(folder / path)
        files = DATA_FILES.replace("rows.json", str(folder / name)) if path == given else ""
        (folder / "mine.yaml").write_text(GOOD.replace("dataset_path: json", f"dataset_path: {given}") + files)

    return do


def _score(body: str) -> Spoil:
    return lambda folder: (folder / "functions.py").write_text(FUNCTIONS.replace('return {"right": 1.0}', body))
