"""Check the documentation, or bring its generated pages up to date with `--write`.

- `docs/commands.md` is what every command's `--help` says, `docs/recipe-reference.md` what the recipe's models say,
  `docs/metrics.md` what the registry of metrics says, `docs/signs.md` what the table of named warnings says,
  `docs/images/house.svg` what the import contracts say.
- Every verb has a page, and the index names every page.
- Every TOML block is a recipe that loads, or a suite.
- The README's file tree names every room of `src/rilctl`, and nothing that isn't there.
- Links between files, and to headings in them, lead somewhere.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import house

from rilctl.cli import reference as commands
from rilctl.config import reference as recipes
from rilctl.config.load import load_recipe
from rilctl.config.recipe import VERBS
from rilctl.config.suite import find_suite
from rilctl.errors import UsageError
from rilctl.reporting import reference as metrics
from rilctl.views.warnings import reference as signs

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
GENERATED: Mapping[str, Callable[[], str]] = {
    "commands.md": commands.render,
    "recipe-reference.md": recipes.render,
    "metrics.md": metrics.render,
    "signs.md": signs.render,
    "images/house.svg": house.render,
}
"""Files of docs/ that nobody writes by hand."""
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TREE_ROOM = re.compile(r"^  (?P<name>[a-z_]+)(?P<ending>/|\.py)(?:\s|$)", re.MULTILINE)


def main() -> int:
    """Check everything; the exit code is 1 if something is off."""
    if "--write" in sys.argv[1:]:
        for name, render in GENERATED.items():
            (DOCS / name).write_text(render(), encoding="utf-8")
    problems = [
        *check_generated(DOCS),
        *check_index(DOCS),
        *check_toml(DOCS),
        *check_tree(README.read_text(encoding="utf-8")),
        *check_links(ROOT),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def check_generated(docs: Path) -> Iterator[str]:
    """The generated pages are what the code gives."""
    for name, render in GENERATED.items():
        if not (docs / name).is_file() or (docs / name).read_text(encoding="utf-8") != render():
            yield f"docs/{name} is out of date: run `nox -s docs -- --write`"


def check_index(docs: Path) -> Iterator[str]:
    """Every verb has a page of its name, and the index links to every page."""
    pages = {page.name for page in docs.glob("*.md")} - {"README.md"}
    linked = {match["target"] for match in _LINK.finditer((docs / "README.md").read_text(encoding="utf-8"))}
    yield from (f"docs/{verb}.md is missing: every verb has a page" for verb in VERBS if f"{verb}.md" not in pages)
    yield from (f"docs/README.md has no link to {page}" for page in sorted(pages - linked))


def check_toml(docs: Path) -> Iterator[str]:
    """Every block of TOML is a recipe, or a suite if it has benchmarks."""
    for page in sorted(docs.glob("*.md")):
        for number, block in enumerate(_TOML.findall(page.read_text(encoding="utf-8")), start=1):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "block.toml"
                file.write_text(block, encoding="utf-8")
                try:
                    if "[[benchmarks]]" in block:
                        find_suite(file.name, Path(folder))
                    else:
                        load_recipe([file])
                except UsageError as error:
                    yield f"docs/{page.name}, TOML block {number}: {error.message.replace(f'{file}: ', '')}"


def check_tree(readme: str) -> Iterator[str]:
    """The README's tree under `src/rilctl/` has the rooms that are there."""
    _, found, rest = readme.partition("\nsrc/rilctl/\n")
    if not found:
        yield "README.md has no file tree that begins with a line `src/rilctl/`"
        return
    tree = rest.partition("```")[0]
    named = {match["name"] + match["ending"] for match in _TREE_ROOM.finditer(tree)}
    package = ROOT / "src" / "rilctl"
    there = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    there |= {path.name for path in package.glob("[!_]*.py")}
    for room in sorted(there - named):
        yield f"README.md: the file tree lacks `{room}`"
    for room in sorted(named - there):
        yield f"README.md: the file tree has `{room}`, which doesn't exist"


def check_links(root: Path) -> Iterator[str]:
    """Relative links in the README, the changelog and docs/ lead to a file, and to a heading of it."""
    for page in (*root.glob("*.md"), *root.glob("docs/**/*.md")):
        text = _without_code(page.read_text(encoding="utf-8"))
        for match in _LINK.finditer(text):
            target, _, heading = match["target"].partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            file = page.parent / target if target else page
            if not file.exists():
                yield f"{page.relative_to(root)}: {match['target']} leads nowhere"
            elif heading and heading not in _anchors(file.read_text(encoding="utf-8")):
                yield f"{page.relative_to(root)}: {match['target']}: no such heading"


def _anchors(text: str) -> set[str]:
    """The headings of a page as link targets, the way GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
