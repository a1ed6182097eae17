"""What the code blocks of a page say, done.

A block whose first line is `# PATH` is that file, relative to the folder that the page is tried in. A block of `diff`
changes the file that it names: its context has to stand there once. Any other block of Python is run, in one namespace
for the page, and has to print what the block of `text` after it says. Commands are the lines of `sh` blocks, and of
`text` blocks those that begin with `$ `, with what they say below them.

    python -m tests.pages.blocks PAGE      runs the Python blocks in the current folder; failures as JSON on stdout
"""

import contextlib
import io
import json
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rilctl.private.deepspeed import hush_log

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<path>[\w./-]+\.\w+)\n")
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code block.

    Args:
        section: the heading above it.
        language: behind the three backticks.
        text: its lines.
        line: of the page, before its first one.
        printed: what it has to print.
    """

    section: str
    language: str
    text: str
    line: int
    printed: str

    @property
    def path(self) -> str | None:
        """The file that it is."""
        found = _FILE.match(self.text)
        return found["path"] if found else None


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    blocks = []
    for match, after in zip(found, [*found[1:], None], strict=True):
        above = text[: match.start()]
        section = (_HEADING.findall(re.sub(_BLOCK, "", above)) or [""])[-1]
        printed = after["text"] if after and after["language"] == "text" else ""
        blocks.append(
            Block(section, match["language"], match["text"], text[: match.start("text")].count("\n"), printed)
        )
    return blocks


@dataclass(frozen=True)
class Command:
    """A command that a page gives.

    Args:
        line: as typed.
        shown: what the page shows of what it says; a line `…` stands for lines that are left out.
    """

    line: str
    shown: tuple[str, ...]


def commands_of(page: Path) -> list[Command]:
    """All commands of a page, in its order."""
    commands: list[Command] = []
    for block in blocks_of(page):
        lines = block.text.splitlines()
        if block.language == "sh":
            commands += [Command(line, ()) for line in lines if line]
        elif block.language == "text":
            starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
            for start, end in pairwise([*starts, len(lines)]):
                shown = tuple(line for line in lines[start + 1 : end] if line)
                commands.append(Command(lines[start].removeprefix("$ "), shown))
    return commands


def write_files(page: Path, folder: Path) -> None:
    """Write the files that a page's blocks are, and make the changes that its diffs are."""
    for block in blocks_of(page):
        if block.language == "diff":
            _change(folder, block.text)
        elif block.path is not None:
            file = folder / block.path
            assert not file.exists(), f"{file} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")


def run_blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Run a page's Python; (section, what went wrong) of each block that fails."""
    names: dict[str, object] = {"__name__": "page"}
    hush_log()
    for block in blocks_of(page):
        if block.language != "python" or block.path is not None:
            continue
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
        except Exception:
            yield block.section, traceback.format_exc()
        else:
            if said.getvalue() != block.printed:
                yield block.section, f"line {block.line} prints:\n{said.getvalue()}instead of:\n{block.printed}"


def _change(folder: Path, diff: str) -> None:
    """Apply a diff whose first line is `--- PATH`; a line `@@` divides its hunks."""
    head, _, body = diff.partition("\n")
    file = folder / head.removeprefix("--- ")
    text = file.read_text(encoding="utf-8")
    for hunk in body.split("@@\n"):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        assert text.count(before) == 1, f"{file}: these lines stand there {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    print(json.dumps(list(run_blocks(Path(sys.argv[1])))))
